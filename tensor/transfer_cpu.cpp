#include <algorithm>
#include <cstring>

#include "tensor/parallel.h"
#include "tensor/transfer_kernels.h"
#include "tensor/walk.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kUnit = 16384;  // elements that a thread takes at a time
constexpr int64_t kTile = 32;     // columns of a transposed tile: its source lines stay in the first-level cache

struct Matrix {
  int64_t rows, cols;
  int64_t dst_row, dst_col, src_row, src_col;  // strides
};

template <class D, class S>
void copy_matrix(void* to, const void* from, const Matrix& m) {
  auto* __restrict__ dst = static_cast<D*>(to);
  const auto* __restrict__ src = static_cast<const S*>(from);
  if (m.dst_col == 1 && m.src_col == 1) {
    for (int64_t r = 0; r < m.rows; ++r)
      for (int64_t c = 0; c < m.cols; ++c) dst[r * m.dst_row + c] = static_cast<D>(src[r * m.src_row + c]);
    return;
  }
  for (int64_t start = 0; start < m.cols; start += kTile)
    for (int64_t r = 0; r < m.rows; ++r)
      for (int64_t c = start; c < std::min(m.cols, start + kTile); ++c)
        dst[r * m.dst_row + c * m.dst_col] = static_cast<D>(src[r * m.src_row + c * m.src_col]);
}

using CopyMatrix = void (*)(void*, const void*, const Matrix&);

CopyMatrix copy_matrix_of(DType dst, DType src) {
  return dispatch_all(dst, "copy", [&]<class D>() {
    return dispatch_all(src, "copy", []<class S>() -> CopyMatrix { return copy_matrix<D, S>; });
  });
}

}  // namespace

/// Cuts the walk into matrices of about kUnit elements, whatever the thread count.
void copy(const Tensor& dst, const Tensor& src) {
  const Walk walk = as_matrices(collapse(dst.shape(), dst.strides(), src.strides()));
  const CopyMatrix copy_unit = copy_matrix_of(dst.dtype(), src.dtype());
  const int row_axis = walk.shape.rank() - 2, col_axis = row_axis + 1;
  const int64_t R = walk.shape[row_axis], C = walk.shape[col_axis], n = dst.numel();
  const int64_t cols = std::min(C, walk.b[col_axis] == 1 ? kUnit : 16 * kTile), rows = std::min(R, kUnit / cols);
  const int64_t row_units = (R + rows - 1) / rows, col_units = (C + cols - 1) / cols;
  parallel_for(n / (R * C) * row_units * col_units, n, [&](int64_t unit) {
    const int64_t c = unit % col_units * cols, r = unit / col_units % row_units * rows;
    int64_t outer = unit / col_units / row_units;
    int64_t to = r * walk.a[row_axis] + c * walk.a[col_axis], from = r * walk.b[row_axis] + c * walk.b[col_axis];
    for (int i = row_axis - 1; i >= 0; outer /= walk.shape[i], --i) {
      to += outer % walk.shape[i] * walk.a[i];
      from += outer % walk.shape[i] * walk.b[i];
    }
    copy_unit(static_cast<std::byte*>(dst.raw()) + to * static_cast<int64_t>(size_of(dst.dtype())),
              static_cast<const std::byte*>(src.raw()) + from * static_cast<int64_t>(size_of(src.dtype())),
              {std::min(rows, R - r), std::min(cols, C - c), walk.a[row_axis], walk.a[col_axis], walk.b[row_axis],
               walk.b[col_axis]});
  });
}

void transfer(const Tensor& dst, const Tensor& src) {
  constexpr int64_t kChunk = 1 << 16;
  const auto bytes = static_cast<int64_t>(dst.bytes());
  auto* to = static_cast<std::byte*>(dst.raw());
  const auto* from = static_cast<const std::byte*>(src.raw());
  parallel_for((bytes + kChunk - 1) / kChunk, bytes / 4, [=](int64_t i) {
    std::memcpy(to + i * kChunk, from + i * kChunk, static_cast<size_t>(std::min(kChunk, bytes - i * kChunk)));
  });
}

}  // namespace matmix::cpu
