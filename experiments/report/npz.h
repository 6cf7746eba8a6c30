#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace matmix::experiments {

/// What a .npz of NumPy holds, by name: arrays, and arrays of strings.
/// Format: a zip file of .npy files, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3; stored, not
/// packed.
struct NpzContent {
  std::vector<std::pair<std::string, Tensor>> arrays;
  std::vector<std::pair<std::string, std::vector<std::string>>> words;
};
/// The bytes of the file; Error if they are 4 GiB or more.
std::string encode_npz(const NpzContent& content);

}  // namespace matmix::experiments
