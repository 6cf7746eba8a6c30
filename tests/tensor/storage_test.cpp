#include "tensor/storage.h"

#include <doctest/doctest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "tensor/create.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

/// While it lives malloc fills nothing, though MALLOC_PERTURB_ asks for it: memory is promised and not touched.
struct Untouched {
  Untouched() { ::mallopt(M_PERTURB, 0); }
  ~Untouched() {
    if (const char* byte = std::getenv("MALLOC_PERTURB_")) ::mallopt(M_PERTURB, std::atoi(byte));
  }
};

}  // namespace

TEST_CASE("a pool counts what is live, what was most, and what it keeps") {
  for (const Device device : test_devices()) {
    MemoryPool pool(device);
    void* a = pool.allocate(1000);
    void* b = pool.allocate(1);
    CHECK(reinterpret_cast<uintptr_t>(a) % 256 == 0);
    CHECK(reinterpret_cast<uintptr_t>(b) % 256 == 0);
    CHECK(pool.stats().live_bytes == 1024 + 256);
    CHECK(pool.stats().live_blocks == 2);
    pool.free(a, 1000);
    CHECK(pool.stats().live_bytes == 256);
    CHECK(pool.stats().peak_bytes == 1280);
    if (kKeeps || device.is_cuda()) {
      CHECK(pool.stats().reserved_bytes == 1280);
      CHECK(pool.allocate(1024) == a);  // same class, same block
      pool.free(a, 1024);
    }
    pool.reset_peak();
    CHECK(pool.stats().peak_bytes == 256);
    pool.trim();
    CHECK(pool.stats().reserved_bytes == 256);
    pool.free(b, 1);
    CHECK(pool.stats().live_blocks == 0);
  }
}

TEST_CASE("a block is never smaller than asked for, and at most an eighth larger (or 256 bytes)") {
  MemoryPool pool(kCpu);
  for (size_t bytes = 0; bytes < 100000; bytes += 1 + bytes / 7) {
    void* memory = pool.allocate(bytes);
    const auto size = static_cast<size_t>(pool.stats().live_bytes);
    CHECK(size >= std::max<size_t>(bytes, 1));
    CHECK(size <= std::max(bytes + bytes / 8, bytes + 256));
    pool.free(memory, bytes);
  }
}

TEST_CASE("exhausted memory is an error with the pool's figures") {
  if (!kKeeps) return;  // AddressSanitizer ends the program instead
  MemoryPool pool(kCpu);
  CHECK_THROWS_WITH_AS(pool.allocate(size_t{1} << 62),
                       "allocate: no memory for 4611686018427387904 bytes on CPU; 0 bytes are live in 0 blocks", Error);
  CHECK(pool.stats().live_blocks == 0);
  CHECK(pool.stats().reserved_bytes == 0);
}

TEST_CASE("what together is more than the machine has is refused, though the system would promise it") {
  const Untouched promises_only;
  const auto machine = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  MemoryPool pool(kCpu);
  std::vector<void*> blocks;
  const auto fill = [&] {
    while (blocks.size() < 8) blocks.push_back(pool.allocate(machine / 4));  // and never touched
  };
  for (int again = 0; again < 2; ++again) {
    CHECK_THROWS_AS(fill(), Error);
    CHECK(blocks.size() < 4);
    for (void* memory : blocks) pool.free(memory, machine / 4);
    blocks.clear();
    pool.trim();
  }
}

TEST_CASE("tensors return their bytes to the pool they came from") {
  for (const Device device : test_devices()) {
    const int64_t before = current_pool(device)->stats().live_bytes;
    Tensor x = zeros({1000}, DType::F32, device), view = x.narrow(0, 1, 3);
    CHECK(current_pool(device)->stats().live_bytes == before + 4096);
    x = Tensor();
    CHECK(current_pool(device)->stats().live_bytes == before + 4096);
    view = Tensor();
    CHECK(current_pool(device)->stats().live_bytes == before);
  }
}

TEST_CASE("a PoolScope diverts this thread's allocations on its device, nests, and ends") {
  const auto outer = std::make_shared<MemoryPool>(kCpu), inner = std::make_shared<MemoryPool>(kCpu);
  const auto global = current_pool(kCpu);
  Tensor kept;
  {
    const PoolScope outer_scope(outer);
    CHECK(current_pool(kCpu) == outer);
    {
      const PoolScope inner_scope(inner);
      kept = zeros({10}, DType::F32);
      CHECK(current_pool(kCpu) == inner);
    }
    CHECK(current_pool(kCpu) == outer);
    std::shared_ptr<MemoryPool> elsewhere;
    std::thread([&] { elsewhere = current_pool(kCpu); }).join();
    CHECK(elsewhere == global);
  }
  CHECK(current_pool(kCpu) == global);
  CHECK(inner->stats().live_blocks == 1);
  CHECK(outer->stats().live_blocks == 0);
  kept = Tensor();
  CHECK(inner->stats().live_blocks == 0);
}

TEST_CASE("a pool of another device does not divert") {
  const auto cuda_pool = std::make_shared<MemoryPool>(cuda_device());
  const auto global = current_pool(kCpu);
  const PoolScope scope(cuda_pool);
  CHECK(current_pool(kCpu) == global);
}

TEST_CASE("a storage knows its bytes, device and version") {
  Storage storage(100, kCpu);
  CHECK(storage.bytes() == 100);
  CHECK(storage.device() == kCpu);
  CHECK(storage.version() == 0);
  storage.bump_version();
  CHECK(storage.version() == 1);
  CHECK(Storage(0, kCpu).data() != nullptr);
}
