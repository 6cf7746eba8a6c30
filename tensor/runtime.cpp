#include "tensor/runtime.h"

#include <charconv>
#include <cstdlib>

#include "tensor/kernel.h"

namespace matmix {
namespace {

const Runtime* table(Device::Kind kind) {
  return kind == Device::Kind::kCpu ? &cpu::kRuntime : IF_CUDA(&cuda::kRuntime);
}

bool sync_every_kernel() {
  static const bool on = [] {
    const char* value = std::getenv("MATMIX_SYNC");
    return value != nullptr && std::string_view(value) != "0";
  }();
  return on;
}

}  // namespace

const Runtime& runtime(Device device) {
  const Runtime* found = table(device.kind);
  require(found != nullptr, "device", device, " was asked for, but this build has no CUDA");
  return *found;
}

std::string to_string(Device device) { return device.is_cuda() ? text("CUDA:", device.index) : std::string("CPU"); }

Device parse_device(std::string_view name) {
  if (name == "cpu") return kCpu;
  Device device = cuda_device();
  bool known = name == "cuda";
  if (name.starts_with("cuda:")) {
    const auto digits = name.substr(5);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), device.index);
    known = error == std::errc() && end == digits.data() + digits.size() && device.index >= 0;
  }
  require(known, "device", "must be cpu, cuda or cuda:N, got '", name, "'");
  const int count = runtime(device).count();
  require(device.index < count, "device", "'", name, "' was asked for, but this machine has ", count, " usable GPUs");
  return device;
}

int cuda_device_count() {
  const Runtime* found = table(Device::Kind::kCuda);
  return found ? found->count() : 0;
}

std::string device_name(Device device) { return runtime(device).name(device.index); }
void synchronize(Device device) { runtime(device).synchronize(device.index); }

namespace detail {

void enter_kernel(Device device, const char*) {
  if (device.is_cuda()) runtime(device).enter(device.index);
}

void leave_kernel(Device device, const char* name) {
  if (device.is_cuda()) runtime(device).check(device.index, name, sync_every_kernel());
}

}  // namespace detail
}  // namespace matmix
