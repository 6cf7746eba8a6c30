#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace matmix {

/// A file that appears whole or not at all: written beside its place under a temporary name of its own
/// (".matmix-<process>-<number>.tmp"), synced, then renamed (and the folder synced) by commit(). Without commit the
/// temporary file is removed and what was at `path` stays; one that a killed process left is removed by the next writer
/// in its folder, who knows it by its lock being gone. A link is followed, and the file that it names is replaced; a
/// file that was there passes on its mode and, as far as the system lets, its owner. What is there and no regular file
/// (a device, a FIFO) is written into as it is, and a name of a descriptor (/dev/stdout, /dev/fd/N) goes to that
/// descriptor, wherever it stands.
class AtomicFile {
 public:
  /// Error with the system's reason where there can be no such file, or what is there may not be written.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Error with the system's reason when the disk refuses; so does commit.
  void write(const void* bytes, size_t count);
  void commit();

 private:
  void open_temporary();

  std::filesystem::path path_;       ///< as it was given: what messages name
  std::filesystem::path target_;     ///< links followed
  std::filesystem::path temporary_;  ///< empty where target_ itself is written into
  int descriptor_ = -1;
};

/// Bytes to a file by that rule.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);
/// The whole file, FIFO or device; of a name of a descriptor (/dev/stdin, /dev/fd/N, "-" for stdin) all that is left
/// of it, also if it is a socket. Error naming the path and the system's reason.
std::string read_file(const std::filesystem::path& path);
/// Whether a path gives its bytes once: a FIFO, socket or device, or a name of a descriptor.
bool reads_once(const std::filesystem::path& path);
/// All that is left of standard input, from its descriptor.
std::string read_stdin();

}  // namespace matmix
