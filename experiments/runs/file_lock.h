#pragma once

#include <filesystem>

namespace matmix::experiments {

/// A lock on a file, made if it is not there, that ends with its owner, however that ends. On a file system without
/// locks it protects nothing.
class FileLock {
 public:
  /// Error if the file cannot be opened, or somebody else holds the lock: `taken` says what that means.
  FileLock(const std::filesystem::path& file, const char* taken);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace matmix::experiments
