#include "tensor/storage.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "tensor/error.h"
#include "tensor/runtime.h"

namespace matmix {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kKeepCpuBlocks = false;
#else
constexpr bool kKeepCpuBlocks = true;
#endif

/// The size class of a request: at least 256, then multiples of an eighth of the power of two below.
size_t size_class(size_t bytes) {
  const size_t step = std::max<size_t>(256, std::bit_floor(std::max<size_t>(bytes, 1)) / 8);
  return std::max<size_t>(step, (bytes + step - 1) / step * step);
}

thread_local std::shared_ptr<MemoryPool> scoped_pool;

}  // namespace

MemoryPool::MemoryPool(Device device) : device_(device) {}
MemoryPool::~MemoryPool() { trim_locked(); }

void* MemoryPool::allocate(size_t bytes) {
  const size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  void* memory = nullptr;
  if (auto& kept = kept_[size]; !kept.empty()) {
    memory = kept.back();
    kept.pop_back();
  } else {
    const Runtime& device = runtime(device_);
    memory = device.allocate(device_.index, size);
    if (memory == nullptr) {
      trim_locked();
      memory = device.allocate(device_.index, size);
    }
    require(memory != nullptr, "allocate", "no memory for ", size, " bytes on ", device_, "; ", stats_.live_bytes,
            " bytes are live in ", stats_.live_blocks, " blocks");
    stats_.reserved_bytes += static_cast<int64_t>(size);
  }
  stats_.live_bytes += static_cast<int64_t>(size);
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
  ++stats_.live_blocks;
  return memory;
}

void MemoryPool::free(void* memory, size_t bytes) {
  const size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  stats_.live_bytes -= static_cast<int64_t>(size);
  --stats_.live_blocks;
  if (device_.is_cuda() || kKeepCpuBlocks) {
    kept_[size].push_back(memory);
  } else {
    stats_.reserved_bytes -= static_cast<int64_t>(size);
    runtime(device_).release(device_.index, memory);
  }
}

MemoryStats MemoryPool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void MemoryPool::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak_bytes = stats_.live_bytes;
}

void MemoryPool::trim() {
  const std::lock_guard lock(mutex_);
  trim_locked();
}

void MemoryPool::trim_locked() {
  for (auto& [size, blocks] : kept_) {
    for (void* memory : blocks) runtime(device_).release(device_.index, memory);
    stats_.reserved_bytes -= static_cast<int64_t>(size * blocks.size());
  }
  kept_.clear();
}

std::shared_ptr<MemoryPool> current_pool(Device device) {
  if (scoped_pool && scoped_pool->device() == device) return scoped_pool;
  // Never destroyed: storages in static objects may outlive any order of destruction.
  static auto& pools = *new std::map<std::pair<Device::Kind, int>, std::shared_ptr<MemoryPool>>;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto& pool = pools[{device.kind, device.index}];
  if (!pool) pool = std::make_shared<MemoryPool>(device);
  return pool;
}

PoolScope::PoolScope(std::shared_ptr<MemoryPool> pool) : outer_(std::exchange(scoped_pool, std::move(pool))) {}
PoolScope::~PoolScope() { scoped_pool = std::move(outer_); }

Storage::Storage(size_t bytes, Device device)
    : pool_(current_pool(device)), bytes_(bytes), data_(pool_->allocate(bytes)) {}
Storage::~Storage() { pool_->free(data_, bytes_); }

}  // namespace matmix
