#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tensor/file.h"
#include "tensor/named_tensors.h"

namespace matmix {

/// The content of a .safetensors file: 8 bytes little-endian header length, JSON header, data.
/// Format: https://github.com/huggingface/safetensors
struct TensorFile {
  NamedTensors tensors;  ///< in file order (by offset)
  std::map<std::string, std::string> metadata;

  const Tensor& at(std::string_view name) const { return tensors.at(name); }
};

/// Reads the whole file into CPU tensors (F64, F32, BF16, I64, I32, U8, BOOL; F16 and F8 are refused by name).
/// Throws Error, never crashes, on: a short file, a header over 100 MB or past the end, JSON that is not an object,
/// a repeated name, an unknown dtype, shape x dtype != bytes, offsets that overlap, leave holes or leave the file.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Writes via a temporary name in the same folder, synced and renamed: a killed writer leaves the old file or the
/// new one. Header padded with spaces to 8 bytes. CUDA tensors are copied to the host. Error when the disk refuses.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

}  // namespace matmix
