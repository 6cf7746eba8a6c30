#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Tokens [start, start + length) of a row, of the run [begin, end).
struct AttentionTile {
  int64_t row, start, length, begin, end;
};

/// The runs of a batch cut into tiles of at most Q tokens: the rows of Runs::chunks(Q), or none for full runs, which
/// need no table.
struct AttentionTiles {
  const int64_t* rows;
  int64_t count, L, Q;

  HOST_DEVICE AttentionTile at(int64_t index) const {
    if (rows != nullptr) {
      const int64_t *own = rows + 5 * index, *first = rows + 5 * own[3], *last = rows + 5 * (own[4] - 1);
      return {own[0], own[1], own[2], first[1], last[1] + last[2]};
    }
    const int64_t tiles_a_row = (L + Q - 1) / Q, row = index / tiles_a_row, start = (index - row * tiles_a_row) * Q;
    return {row, start, start + Q < L ? Q : L - start, 0, L};
  }
};

/// The inputs of the kernels, batch axes expanded to B (stride 0 where one row serves all).
struct AttentionValues {
  Tensor q, k;        ///< [B, L, H, E] T, dense rows
  Tensor v;           ///< [B, L, H, P] T, dense rows
  Tensor chunk_rows;  ///< Runs::chunks(Q); undefined if the runs are full
  int64_t Q;          ///< attention_tile() of device and dtype
  double scale;
  bool causal;

  int64_t tile_count() const { return chunk_rows.defined() ? chunk_rows.dim(0) : v.dim(0) * ((v.dim(1) + Q - 1) / Q); }
  AttentionTiles tiles() const {
    return {chunk_rows.defined() ? chunk_rows.data<int64_t>() : nullptr, tile_count(), v.dim(1), Q};
  }
};

/// Where the gradients go: the shapes and dtype of the values, dense rows.
struct AttentionGradients {
  Tensor dq, dk, dv;
};

/// Tokens of a tile.
inline int64_t attention_tile(Device device, DType dtype) { return device.is_cuda() && dtype == DType::F64 ? 32 : 64; }

// y, dy [B, L, H, P] T, dense rows; lse [B, H, L] Accumulator<T>, contiguous. Tokens outside the runs are not written,
// and nothing depends on what they hold.
using AttentionForwardEntry = void(const AttentionValues& values, const Tensor& y, const Tensor& lse);
using AttentionBackwardEntry = void(const AttentionValues& values, const Tensor& y, const Tensor& lse, const Tensor& dy,
                                    const AttentionGradients& to);
namespace cpu {
AttentionForwardEntry attention_forward;
AttentionBackwardEntry attention_backward;
}  // namespace cpu
namespace cuda {
AttentionForwardEntry attention_forward;
AttentionBackwardEntry attention_backward;
}  // namespace cuda
inline constexpr Kernel kAttentionForward{"attention_forward", cpu::attention_forward,
                                          IF_CUDA(cuda::attention_forward)};
inline constexpr Kernel kAttentionBackward{"attention_backward", cpu::attention_backward,
                                           IF_CUDA(cuda::attention_backward)};

}  // namespace matmix
