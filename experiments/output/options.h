#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/math_mode.h"

namespace matmix::experiments {

/// What every command understands, with one meaning. "" or absent: the config's, else the command's own choice.
struct Global {
  std::string device;  ///< cpu, cuda, cuda:N
  std::string dtype;   ///< f64, f32, tf32, bf16
  std::optional<int64_t> seed;
  bool json = false;  ///< one JSON object a line on stdout instead of tables

  /// Error for a device that is not there.
  Device device_or(Device fallback) const { return device.empty() ? fallback : parse_device(device); }
  MathMode mode_or(MathMode fallback) const { return dtype.empty() ? fallback : parse_math_mode(dtype); }
  /// The same over a config, as read_config takes it.
  std::vector<std::string> assignments() const {
    std::vector<std::string> set;
    if (!device.empty()) set.push_back("train.device=" + device);
    if (!dtype.empty()) set.push_back("train.dtype=" + dtype);
    if (seed) set.insert(set.end(), {text("train.seed=", *seed), text("data.seed=", *seed)});
    return set;
  }
};

}  // namespace matmix::experiments
