#include "tensor/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

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
  if (descriptor < 0 && errno == EACCES) return;  // one that may be written and not read
  if (descriptor < 0) fail_system("open", folder);
  const bool synced = ::fsync(descriptor) == 0 || errno == EINVAL;  // some file systems cannot sync a folder
  ::close(descriptor);
  if (!synced) fail_system("sync", folder);
}

/// N of /dev/fd/N, /proc/self/fd/N, /dev/stdin and so on; -1 of any other path.
int descriptor_of(const std::filesystem::path& path) {
  std::error_code none;
  const std::string name = std::filesystem::absolute(path, none).lexically_normal().string();
  constexpr std::array<std::string_view, 3> kStandard{"/dev/stdin", "/dev/stdout", "/dev/stderr"};
  const auto standard = std::ranges::find(kStandard, name);
  if (standard != kStandard.end()) return static_cast<int>(standard - kStandard.begin());
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    const char *begin = name.data() + folder.size(), *end = name.data() + name.size();
    int descriptor = -1;
    if (name.starts_with(folder) && std::from_chars(begin, end, descriptor).ptr == end && descriptor >= 0)
      return descriptor;
  }
  return -1;
}

/// The file that is meant: what the last name of the path links to, also if it is not there yet.
std::filesystem::path followed(std::filesystem::path path, std::string_view what) {
  constexpr int kMostLinks = 40;
  std::error_code error;
  for (int links = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(path, error)); ++links) {
    if (descriptor_of(path) >= 0) return path;
    const std::filesystem::path next = std::filesystem::read_symlink(path, error);
    if (links == kMostLinks) error = std::make_error_code(std::errc::too_many_symbolic_link_levels);
    if (error) {
      errno = error.value();
      fail_system(what, path);
    }
    path = path.parent_path() / next;
  }
  return path;
}

/// A path that leads to a name of a descriptor is that descriptor: where it stands, and also if it is a socket, which
/// cannot be opened by a name.
int open_existing(const std::filesystem::path& path, const std::filesystem::path& target, int flags) {
  const int descriptor = descriptor_of(target);
  return descriptor >= 0 ? ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), flags | O_CLOEXEC);
}

/// Whether a call that failed is to be made again; waits for a descriptor that somebody made one that does not wait.
bool again(int descriptor, short event) {
  if (errno == EAGAIN) {
    pollfd wanted{descriptor, event, 0};
    return ::poll(&wanted, 1, -1) >= 0 || errno == EINTR;
  }
  return errno == EINTR;
}

constexpr std::string_view kStandardInput = "-", kTemporaryHead = ".matmix-", kTemporaryTail = ".tmp";

/// Removes what killed writers left in a folder: temporary files that nobody holds locked.
void remove_abandoned(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder.empty() ? "." : folder, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kTemporaryHead) || !name.ends_with(kTemporaryTail)) continue;
    const int descriptor = ::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) continue;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) ::unlink(entry->path().c_str());
    ::close(descriptor);
  }
}

/// Locks a temporary file; false if it was taken for an abandoned one before that.
bool claim(int descriptor) {
  while (::flock(descriptor, LOCK_EX) != 0 && errno == EINTR) {
  }
  struct stat there {};
  return ::fstat(descriptor, &there) == 0 && there.st_nlink > 0;
}

/// Mode and owner; an owner that may not be given away stays this process's.
void inherit_from(const struct stat& there, int descriptor) {
  if (::fchown(descriptor, there.st_uid, there.st_gid) != 0) errno = 0;
  if (::fchmod(descriptor, there.st_mode & 07777) != 0) errno = 0;
}

/// All that a descriptor has left, which is closed then.
std::string read_all(int descriptor, const std::filesystem::path& path) {
  std::string bytes;
  size_t filled = 0;
  ssize_t got = 1;
  while (got != 0) {
    if (filled == bytes.size()) bytes.resize(std::max<size_t>(1 << 16, 2 * filled));
    got = ::read(descriptor, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && !again(descriptor, POLLIN)) break;
    if (got > 0) filled += static_cast<size_t>(got);
  }
  const int error = errno;
  ::close(descriptor);
  errno = error;
  if (got < 0) fail_system("read", path);
  bytes.resize(filled);
  return bytes;
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path), target_(followed(path, "write")) {
  struct stat there {};
  const bool exists = ::stat(target_.c_str(), &there) == 0;
  if (!exists && errno != ENOENT) fail_system("write", path_);
  if (descriptor_of(target_) >= 0 || (exists && !S_ISREG(there.st_mode))) {
    descriptor_ = open_existing(path_, target_, O_WRONLY | O_NOCTTY);
    if (descriptor_ < 0) fail_system("write", path_);
    return;
  }
  if (exists && ::access(target_.c_str(), W_OK) != 0) fail_system("write", path_);
  open_temporary();
  if (exists) inherit_from(there, descriptor_);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::open_temporary() {
  static std::atomic<uint64_t> number{0};
  remove_abandoned(target_.parent_path());
  do {
    if (descriptor_ >= 0) ::close(descriptor_);
    temporary_ = target_.parent_path() / text(kTemporaryHead, ::getpid(), "-", number++, kTemporaryTail);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) fail_system("write", path_);
  } while (descriptor_ < 0 || !claim(descriptor_));
}

void AtomicFile::write(const void* bytes, size_t count) {
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t done = ::write(descriptor_, next, count);
    if (done < 0 && again(descriptor_, POLLOUT)) continue;
    if (done < 0) fail_system("write", path_);
    next += done;
    count -= static_cast<size_t>(done);
  }
}

void AtomicFile::commit() {
  if (!temporary_.empty()) {
    if (::fsync(descriptor_) != 0) fail_system("sync", path_);
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_system("rename to", path_);
    temporary_.clear();
    sync_folder(target_);
  }
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_system("write", path_);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  if (path == kStandardInput) return read_stdin();
  const int descriptor = open_existing(path, followed(path, "read"), O_RDONLY);
  if (descriptor < 0) fail_system("read", path);
  return read_all(descriptor, path);
}

bool reads_once(const std::filesystem::path& path) {
  struct stat there {};
  const bool exists = ::stat(path.c_str(), &there) == 0;
  return path == kStandardInput || (exists && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode)) ||
         descriptor_of(followed(path, "read")) >= 0;
}

std::string read_stdin() {
  const int descriptor = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) fail_system("read", "standard input");
  return read_all(descriptor, "standard input");
}

}  // namespace matmix
