#pragma once

#include <string>
#include <vector>

#include "mixers/laws/laws.h"
#include "tensor/runs.h"

namespace matmix::mixers::laws {

/// Where the tokens of some sequences lie in a batch [B, L]; the same tokens can be laid out in many ways.
struct Layout {
  std::string name;  ///< "full", "left", "packed"
  int64_t B = 0, L = 0;
  std::vector<Run> places;  ///< of sequence k; sequences of no tokens have length 0

  Runs runs() const;
};
/// A row each, without padding; equal lengths.
Layout full_layout(const std::vector<int64_t>& lengths);
enum class Padding { kLeft, kRight, kBoth };
/// A row each, with padding on these sides of every row.
Layout padded_layout(const std::vector<int64_t>& lengths, Padding side);
/// Two rows, sequences end to end with a gap here and there.
Layout packed_layout(const std::vector<int64_t>& lengths);

struct NamedTensor {
  std::string name;
  Tensor value;
  bool per_token = true;
};

/// Values for every token of some sequences, end to end, whatever the layout: F64 on the CPU.
struct Tokens {
  std::vector<int64_t> lengths;
  std::vector<NamedTensor> streams;  ///< [T, ...]; of a table [1, max_len, ...]
  Tensor v;                          ///< [T, H, P]
  Tensor dy;                         ///< [T, copies * H, P], fed to backward

  /// Sequence k alone.
  Tokens only(size_t k) const;
};

/// x [T, ...] as [B, L, ...] of the layout, `fill` at padding.
Tensor lay_out(const Tensor& x, const Layout& layout, double fill);
/// The reverse, F64 on the CPU.
Tensor collect(const Tensor& batch, const Layout& layout);
/// True if every value at padding is exactly 0.
bool zero_at_padding(const Tensor& batch, const Layout& layout);

/// Normal(0, 1) values rounded to `dtype`, that depend on seed and `use` alone.
Tensor draw(const Shape& shape, DType dtype, uint64_t seed, const std::string& use);

}  // namespace matmix::mixers::laws
