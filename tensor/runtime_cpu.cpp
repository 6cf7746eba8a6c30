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

void* allocate(int, size_t bytes) {
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

[[noreturn]] void no_graphs() { fail("capture", "a step can be captured on CUDA only, got CPU"); }

}  // namespace

const Runtime kRuntime{
    .count = [] { return 1; },
    .name = model_name,
    .allocate = allocate,
    .release = [](int, void* memory) { std::free(memory); },
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
