#include "tensor/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tensor/error.h"

namespace matmix {
namespace {

[[noreturn]] void fail_system(std::string_view what, const std::filesystem::path& path) {
  const std::string reason = std::generic_category().message(errno);
  fail("file", "cannot ", what, " '", path.string(), "': ", reason);
}

void sync_folder(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_system("open", folder);
  const bool synced = ::fsync(descriptor) == 0 || errno == EINVAL;  // some file systems cannot sync a folder
  ::close(descriptor);
  if (!synced) fail_system("sync", folder);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)),
      temporary_(path_.string() + ".tmp"),
      descriptor_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail_system("write", path_);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, size_t count) {
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t done = ::write(descriptor_, next, count);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_system("write", path_);
    next += done;
    count -= static_cast<size_t>(done);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail_system("sync", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_system("rename to", path_);
  ::close(descriptor_);
  descriptor_ = -1;
  sync_folder(path_);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail_system("read", path);
  std::string bytes;
  size_t filled = 0;
  ssize_t got = 1;
  while (got != 0) {
    if (filled == bytes.size()) bytes.resize(std::max<size_t>(1 << 16, 2 * filled));
    got = ::read(descriptor, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno != EINTR) break;
    if (got > 0) filled += static_cast<size_t>(got);
  }
  const int error = errno;
  ::close(descriptor);
  errno = error;
  if (got < 0) fail_system("read", path);
  bytes.resize(filled);
  return bytes;
}

}  // namespace matmix
