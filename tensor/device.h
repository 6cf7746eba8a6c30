#pragma once

#include <string>
#include <string_view>

namespace matmix {

/// Where bytes live: the CPU or one of the CUDA GPUs.
struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;

  bool is_cuda() const { return kind == Kind::kCuda; }
  friend bool operator==(const Device&, const Device&) = default;
};

inline constexpr Device kCpu{};
inline constexpr Device cuda_device(int index = 0) { return {Device::Kind::kCuda, index}; }

/// "CPU" or "CUDA:0".
std::string to_string(Device device);
/// "cpu", "cuda" or "cuda:N"; Error for other text, for a build without CUDA and for a GPU that is not there.
Device parse_device(std::string_view name);
/// GPUs that can be used now; 0 in a build without CUDA and on a machine without a driver.
int cuda_device_count();
/// The product name of a device, "NVIDIA H100 80GB HBM3" or the CPU's model.
std::string device_name(Device device);
/// Waits until all work queued on the device is done; throws CudaError with what failed.
void synchronize(Device device);

}  // namespace matmix
