#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>

#include "tensor/error.h"
#include "tensor/runtime.h"

namespace matmix::cpu {
namespace {

constexpr size_t kAlignment = 256;

std::string model_name(int) {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "CPU";
}

/// Bytes that tensors may have in all: a share of the machine's memory, or of what its group of programs is allowed.
/// The system hands out more than there is, and kills the program that then uses it.
size_t most_bytes() {
  size_t most = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t group = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group) most = std::min(most, group);
  return most / 10 * 9;
}

std::atomic<size_t> bytes_in_use{0};

void* allocate(int, size_t bytes) {
  static const size_t most = most_bytes();
  if (bytes > most || bytes_in_use > most - bytes) return nullptr;
  void* memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (memory != nullptr) bytes_in_use += ::malloc_usable_size(memory);
  return memory;
}

void release(int, void* memory) {
  bytes_in_use -= ::malloc_usable_size(memory);
  std::free(memory);
}

[[noreturn]] void no_graphs() { fail("capture", "a step can be captured on CUDA only, got CPU"); }

}  // namespace

const Runtime kRuntime{
    .count = [] { return 1; },
    .name = model_name,
    .allocate = allocate,
    .release = release,
    .enter = [](int) {},
    .check = [](int, const char*, bool) {},
    .synchronize = [](int) {},
    .capture_begin = [](int) { no_graphs(); },
    .capture_end = [](int) -> void* { no_graphs(); },
    .capture_abort = [](int) {},
    .graph_launch = [](int, void*) { no_graphs(); },
    .graph_destroy = [](void*) {},
};

}  // namespace matmix::cpu
