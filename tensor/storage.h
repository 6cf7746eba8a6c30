#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tensor/device.h"

namespace matmix {

struct MemoryStats {
  int64_t live_bytes = 0;      ///< held by tensors now
  int64_t peak_bytes = 0;      ///< most ever live since the last reset_peak
  int64_t reserved_bytes = 0;  ///< live, plus blocks kept for reuse
  int64_t live_blocks = 0;
};

/// Blocks of one device, kept by size for reuse: a freed block serves the next request of its size class
/// (eight classes an octave, so at most 1/8 is wasted). Reuse is in stream order: one stream a device.
/// Thread-safe. With AddressSanitizer CPU blocks are not kept, so that use after free is seen.
class MemoryPool {
 public:
  explicit MemoryPool(Device device);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  Device device() const { return device_; }
  /// Error with the figures of this pool when memory is exhausted, also after dropping kept blocks.
  void* allocate(size_t bytes);
  void free(void* memory, size_t bytes);
  MemoryStats stats() const;
  void reset_peak();
  /// Gives blocks kept for reuse back to the system.
  void trim();

 private:
  void trim_locked();

  Device device_;
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> kept_;
  MemoryStats stats_;
};

/// The pool that allocations of this thread on `device` come from: the device's own, unless a PoolScope is open.
std::shared_ptr<MemoryPool> current_pool(Device device);

/// While it lives, allocations of this thread on pool->device() come from `pool`: a captured graph's memory must
/// never be handed to anyone else.
class PoolScope {
 public:
  explicit PoolScope(std::shared_ptr<MemoryPool> pool);
  ~PoolScope();
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;

 private:
  std::shared_ptr<MemoryPool> outer_;
};

/// Counted bytes on one device, with a version that grows with every change in place.
class Storage {
 public:
  /// Uninitialised; bytes may be 0.
  Storage(size_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return pool_->device(); }
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::shared_ptr<MemoryPool> pool_;
  size_t bytes_;
  void* data_;
  std::atomic<uint64_t> version_{0};
};

}  // namespace matmix
