#pragma once

#include <array>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Consecutive tokens of one run, at most Q of them. Directions: 0 walks the run from the left, 1 from the right.
struct QuasiseparableChunk {
  int64_t index, row, start, length;
  int64_t first, past;  ///< the chunks [first, past) are those of its run

  /// The token whose C row i of the chunk reads: its own, or with shift the one walked before; -1 outside the run.
  HOST_DEVICE int64_t token_read(int direction, int64_t i, bool shift) const {
    if (!shift) return start + i;
    if (direction == 0) return i > 0 || index > first ? start + i - 1 : -1;
    return i + 1 < length || index + 1 < past ? start + i + 1 : -1;
  }
  /// The last token that a direction walks in the run, whose C nobody reads with shift, if it is in this chunk; else
  /// -1.
  HOST_DEVICE int64_t last_token(int direction) const {
    if (direction == 0) return index + 1 == past ? start + length - 1 : -1;
    return index == first ? start : -1;
  }
};

/// The runs of a batch cut into chunks: the rows of Runs::chunks(Q), or none for full runs, which need no table.
struct QuasiseparableChunkTable {
  const int64_t* rows;
  int64_t count, L, Q;

  HOST_DEVICE QuasiseparableChunk at(int64_t index) const {
    if (rows != nullptr) {
      const int64_t* r = rows + 5 * index;
      return {index, r[0], r[1], r[2], r[3], r[4]};
    }
    const int64_t row = index / chunks_a_full_run(), first = row * chunks_a_full_run();
    const int64_t start = (index - first) * Q, rest = L - start;
    return {index, row, start, rest < Q ? rest : Q, first, first + chunks_a_full_run()};
  }
  /// Every run begins at a multiple of it.
  HOST_DEVICE int64_t chunks_a_full_run() const { return rows != nullptr ? 1 : (L + Q - 1) / Q; }
};

/// The inputs of the kernels, batch axes expanded to B (stride 0 where a stream does not depend on the data). T is x's
/// element type. What comes twice is indexed by direction; a direction that is not there is undefined.
struct QuasiseparableValues {
  Tensor x;                       ///< [B, L, H, P] T, dense rows
  std::array<Tensor, 2> B, C;     ///< [B, L, G, N] T, dense rows
  std::array<Tensor, 2> dt;       ///< [B, L, H] raw, Accumulator<T>, any strides
  Tensor dt_bias, A_log;          ///< [H] Accumulator<T>, contiguous, or undefined
  Tensor delta;                   ///< [B, L, H] Accumulator<T>, any strides, or undefined
  std::array<Tensor, 2> initial;  ///< [H, P, N] or [runs, H, P, N] Accumulator<T>, contiguous, or undefined
  Tensor chunk_rows, run_id;      ///< Runs::chunks(Q) and Runs::id(); undefined if the runs are full
  int64_t Q = 0;                  ///< at most longest_chunk()
  bool shift = true;
  int first_direction = 0, past_direction = 2;  ///< those that there are: one triangle or both

  int directions() const { return past_direction - first_direction; }
  int64_t chunk_count() const { return chunk_rows.defined() ? chunk_rows.dim(0) : x.dim(0) * ((x.dim(1) + Q - 1) / Q); }
  QuasiseparableChunkTable chunks() const {
    return {chunk_rows.defined() ? chunk_rows.data<int64_t>() : nullptr, chunk_count(), x.dim(1), Q};
  }
};

/// Where the gradients go. Undefined: not wanted. Tokens outside the runs are not written.
struct QuasiseparableGradients {
  Tensor dx;                       ///< [B, L, H, P] T, dense rows
  std::array<Tensor, 2> dB, dC;    ///< [B, L, G, N] T, dense rows
  std::array<Tensor, 2> ddt;       ///< [B, L, H] of raw dt, Accumulator<T>, any strides
  Tensor dA_log;                   ///< [chunks, H] Accumulator<T>, contiguous, or undefined: each chunk's part
  Tensor ddelta;                   ///< [B, L, H] Accumulator<T>, any strides, or undefined
  std::array<Tensor, 2> dinitial;  ///< [runs, H, P, N] Accumulator<T>, contiguous, or undefined: each run's part
};

/// The longest chunk that a device's kernels take: those of CUDA keep a chunk in one tile.
inline int64_t longest_chunk(Device device, DType dtype) {
  if (!device.is_cuda()) return INT64_MAX;
  return dtype == DType::F64 ? 32 : 64;
}

// y and dy [B, L, H, P] T, dense rows; tokens outside the runs are not written.
// states [chunks, H, directions, N, P] Accumulator<T>: what enters each chunk in each direction. Undefined if every run
// is one chunk, there are no initial states and final ones are not wanted: then all of them are 0.
// final_states, dfinal [runs, H, P, N] Accumulator<T>, contiguous, or undefined: what leaves each run, by direction.
using QuasiseparableForwardEntry = void(const QuasiseparableValues& v, const Tensor& y, const Tensor& states,
                                        const std::array<Tensor, 2>& final_states);
using QuasiseparableBackwardEntry = void(const QuasiseparableValues& v, const Tensor& dy,
                                         const std::array<Tensor, 2>& dfinal, const Tensor& states,
                                         const QuasiseparableGradients& to);
namespace cpu {
QuasiseparableForwardEntry quasiseparable_forward;
QuasiseparableBackwardEntry quasiseparable_backward;
}  // namespace cpu
namespace cuda {
QuasiseparableForwardEntry quasiseparable_forward;
QuasiseparableBackwardEntry quasiseparable_backward;
}  // namespace cuda

inline constexpr Kernel kQuasiseparableForward{"quasiseparable_forward", cpu::quasiseparable_forward,
                                               IF_CUDA(cuda::quasiseparable_forward)};
inline constexpr Kernel kQuasiseparableBackward{"quasiseparable_backward", cpu::quasiseparable_backward,
                                                IF_CUDA(cuda::quasiseparable_backward)};

}  // namespace matmix
