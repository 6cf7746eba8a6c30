#pragma once

#include <cstdint>
#include <type_traits>

#include "tensor/cuda/rows.cuh"

// Products of small square matrices in shared memory by one block: what chunked scans and attention are made of.
namespace matmix::cuda {

inline constexpr int kTileThreads = 128;

/// A square operand. Rows are padded so that neither a row nor a column meets one bank twice.
template <class T>
struct Tile {
  static constexpr int kEdge = std::is_same_v<T, double> ? 32 : 64;
  static constexpr int kRow = kEdge + (std::is_same_v<T, bfloat16> ? 8 : 1);
  alignas(16) T at[kEdge][kRow];
};

/// Factors of rows that stay as they are.
struct Unscaled {
  __device__ float operator()(int) const { return 1; }
};

/// tile[i, k] = scale(i) row(i)[k] for i < rows, k < columns, where row(i) is not null; else 0. All threads must call.
template <class T, class Row, class Scale = Unscaled>
__device__ void fill_rows(Tile<T>& tile, int rows, int64_t columns, Row row, Scale scale = {}) {
  constexpr int kFours = Tile<T>::kEdge / 4;
  for (int four = threadIdx.x; four < Tile<T>::kEdge * kFours; four += kTileThreads) {
    const int i = four / kFours, k = four % kFours * 4;
    const auto* const from = i < rows ? row(i) : nullptr;
    auto x = Rows(from, 0, from != nullptr ? columns : 0).load(0, k);
#pragma unroll
    for (int e = 0; e < 4; ++e) x[e] *= from != nullptr ? scale(i) : 0;
#pragma unroll
    for (int e = 0; e < 4; ++e) tile.at[i][k + e] = static_cast<T>(x[e]);
  }
}
/// tile[i, j] = f(i, j) for i, j < n, else 0.
template <class T, class F>
__device__ void fill_square(Tile<T>& tile, int n, F f) {
  constexpr int kEdge = Tile<T>::kEdge;
  for (int e = threadIdx.x; e < kEdge * kEdge; e += kTileThreads) {
    const int i = e / kEdge, j = e % kEdge;
    tile.at[i][j] = static_cast<T>(i < n && j < n ? f(i, j) : Accumulator<T>(0));
  }
}

/// sum[i, j] += sum_k op(a)[i, k] op(b)[k, j] over k < depth, where op transposes on demand; each thread keeps kValues
/// of the sums. A depth beyond the edge means the edge. Here with plain multiply-adds: thread (y, x) of 8 x 16 owns
/// rows y + 8 r and columns x + 16 c.
template <class T>
struct TileProduct {
  static constexpr int kRows = Tile<T>::kEdge / 8, kColumns = Tile<T>::kEdge / 16, kValues = kRows * kColumns;
  Accumulator<T> sum[kValues] = {};

  template <bool kTransposeA, bool kTransposeB>
  __device__ void add(const Tile<T>& a, const Tile<T>& b, int64_t depth) {
    const int y = threadIdx.x / 16, x = threadIdx.x % 16, end = min(depth, int64_t{Tile<T>::kEdge});
    for (int k = 0; k < end; ++k) {
      T left[kRows], right[kColumns];
#pragma unroll
      for (int r = 0; r < kRows; ++r) left[r] = kTransposeA ? a.at[k][y + 8 * r] : a.at[y + 8 * r][k];
#pragma unroll
      for (int c = 0; c < kColumns; ++c) right[c] = kTransposeB ? b.at[x + 16 * c][k] : b.at[k][x + 16 * c];
#pragma unroll
      for (int r = 0; r < kRows; ++r)
#pragma unroll
        for (int c = 0; c < kColumns; ++c) sum[r * kColumns + c] += left[r] * right[c];
    }
  }

  /// f(slot, i, j) for the elements of this thread; sum[slot] is element (i, j).
  template <class F>
  __device__ static void each(F f) {
    const int y = threadIdx.x / 16, x = threadIdx.x % 16;
#pragma unroll
    for (int slot = 0; slot < kValues; ++slot) f(slot, y + 8 * (slot / kColumns), x + 16 * (slot % kColumns));
  }
};

/// On tensor cores, 16 of the depth at a time: each of the four warps owns a 32 x 32 quadrant, as 2 x 4 fragments of
/// m16n8k16. Source: PTX ISA, "Matrix fragments for mma.m16n8k16" and "ldmatrix".
template <>
struct TileProduct<bfloat16> {
  static constexpr int kValues = 32;
  float sum[kValues] = {};

  template <bool kTransposeA, bool kTransposeB>
  __device__ void add(const Tile<bfloat16>& a, const Tile<bfloat16>& b, int64_t depth) {
    const int i0 = threadIdx.x / 64 * 32, j0 = threadIdx.x / 32 % 2 * 32;
    const int end = min(depth, int64_t{Tile<bfloat16>::kEdge});
    for (int k = 0; k < end; k += 16) {
      uint32_t left[2][4], right[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        if constexpr (kTransposeA)
          load_matrices<true>(left[m], a, k, i0 + 16 * m, false);
        else
          load_matrices<false>(left[m], a, i0 + 16 * m, k, true);
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        if constexpr (kTransposeB)
          load_matrices<false>(right[n], b, j0 + 16 * n, k, false);
        else
          load_matrices<true>(right[n], b, k, j0 + 16 * n, true);
      }
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int n = 0; n < 4; ++n) multiply_add(sum + 16 * m + 4 * n, left[m], right[n / 2] + 2 * (n % 2));
    }
  }

  template <class F>
  __device__ static void each(F f) {
    const int lane = threadIdx.x % 32, i0 = threadIdx.x / 64 * 32 + lane / 4,
              j0 = threadIdx.x / 32 % 2 * 32 + lane % 4 * 2;
#pragma unroll
    for (int slot = 0; slot < kValues; ++slot)
      f(slot, i0 + slot / 16 * 16 + slot % 4 / 2 * 8, j0 + slot / 4 % 4 * 8 + slot % 2);
  }

 private:
  /// The four 8 x 8 matrices of the 16 x 16 block at (row, column), in the order of their places: down the rows first,
  /// or along the columns first.
  template <bool kTranspose>
  __device__ static void load_matrices(uint32_t (&to)[4], const Tile<bfloat16>& from, int row, int column,
                                       bool rows_first) {
    const int lane = threadIdx.x % 32, second = lane / 8 % 2 * 8, third = lane / 16 * 8;
    const bfloat16* const p =
        &from.at[row + lane % 8 + (rows_first ? second : third)][column + (rows_first ? third : second)];
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(p));
    if constexpr (kTranspose)
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                   : "r"(address)
                   : "memory");
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                   : "r"(address)
                   : "memory");
  }

  __device__ static void multiply_add(float* c, const uint32_t* a, const uint32_t* b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};

}  // namespace matmix::cuda
