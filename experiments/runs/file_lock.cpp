#include "experiments/runs/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tensor/error.h"

namespace matmix::experiments {

FileLock::FileLock(const std::filesystem::path& file, const char* taken)
    : descriptor_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  require(descriptor_ >= 0, file.string(), "cannot be opened: ", std::generic_category().message(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  fail(file.parent_path().string(), taken);
}

FileLock::~FileLock() { ::close(descriptor_); }

}  // namespace matmix::experiments
