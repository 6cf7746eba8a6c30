#pragma once

#include <filesystem>
#include <string>

#include "tensor/tensor.h"

namespace matmix {

/// NumPy's .npy, versions 1.0 to 3.0, little-endian, C or Fortran order; dtypes f8, f4, i8, i4, u1, b1 (f2 and
/// big-endian are refused by name). Never crashes on hostile bytes: Error.
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
Tensor read_npy(const std::filesystem::path& path);
/// C order, version 1.0; BF16 is written as f4. Atomic like write_safetensors.
void write_npy(const std::filesystem::path& path, const Tensor& x);
/// The bytes that write_npy writes.
std::string encode_npy(const Tensor& x);

}  // namespace matmix
