#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace matmix {

/// A file that appears whole or not at all: written as "<path>.tmp", synced, then renamed (and the folder synced) by
/// commit(). Without commit the temporary file is removed and what was at `path` stays. One writer a path.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Error with the system's reason when the disk refuses; so do all of these.
  void write(const void* bytes, size_t count);
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_;
};

/// Bytes to a file by that rule.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);
/// The whole file; Error naming the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

}  // namespace matmix
