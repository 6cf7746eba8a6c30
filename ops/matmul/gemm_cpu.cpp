#include <algorithm>

#include "ops/matmul/gemm.h"
#include "ops/matmul/gemm_tile.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"

namespace matmix::cpu {
namespace {

/// How c is cut: large tiles, because each packs its own rows of a and columns of b; smaller ones where there would be
/// too few to go round. Depends on the sizes alone, never on the threads.
struct Tiling {
  int64_t rows, columns;  // of a tile
  int64_t row_tiles, column_tiles;
  int64_t tiles;  // over the whole batch

  Tiling(int64_t batch, int64_t M, int64_t N) : rows(std::min<int64_t>(M, 256)), columns(std::min<int64_t>(N, 512)) {
    const auto halve_until = [&](int64_t enough, int64_t smallest) {
      for (count(batch, M, N); tiles < enough && std::max(rows, columns) > smallest; count(batch, M, N)) {
        int64_t& longer = rows >= columns ? rows : columns;
        longer = std::max(smallest, (longer / 2 + 7) / 8 * 8);
      }
    };
    halve_until(16, 128);
    halve_until(4, 64);  // costs a tenth of the speed
  }

 private:
  void count(int64_t batch, int64_t M, int64_t N) {
    row_tiles = (M + rows - 1) / rows;
    column_tiles = (N + columns - 1) / columns;
    tiles = batch * row_tiles * column_tiles;
  }
};

template <class T>
void multiply(const GemmProblem& p) {
  const int64_t batch = p.batch.numel();
  const Tiling tiling(batch, p.M, p.N);
  const T* const a = p.a.data<T>();
  const T* const b = p.b.data<T>();
  T* const c = p.c.data<T>();
  const int64_t tiles_a_matrix = tiling.row_tiles * tiling.column_tiles;
  const auto one_tile = [&](int64_t tile) {
    const int64_t matrix = tile / tiles_a_matrix, in_matrix = tile - matrix * tiles_a_matrix;
    const int64_t row_tile = in_matrix / tiling.column_tiles;
    const int64_t i = row_tile * tiling.rows, j = (in_matrix - row_tile * tiling.column_tiles) * tiling.columns;
    const MatrixOffsets at = matrix_offsets(p, matrix);
    multiply_tile<T>(std::min(tiling.rows, p.M - i), std::min(tiling.columns, p.N - j), p.K,
                     TileOperand<T>{a + at.a, p.a_layout}.at(i, 0), TileOperand<T>{b + at.b, p.b_layout}.at(0, j),
                     c + at.c + i * p.ldc + j, p.ldc, static_cast<T>(p.alpha), static_cast<T>(p.beta));
  };
  // Small matrices go to a thread by the handful: neighbours, which lie beside each other.
  constexpr int64_t kWorthATurn = 1 << 21;
  const int64_t work = 2 * p.M * p.N * p.K;
  const int64_t turn = std::max<int64_t>(1, kWorthATurn / std::max<int64_t>(1, work * batch / tiling.tiles));
  parallel_for((tiling.tiles + turn - 1) / turn, work * batch, [&](int64_t t) {
    for (int64_t tile = t * turn; tile < std::min(tiling.tiles, (t + 1) * turn); ++tile) one_tile(tile);
  });
}

Tensor widened(const Tensor& x) { return cast(one_of_each(x), DType::F32).expand(x.shape()); }

/// BF16 is converted, multiplied in F32 and rounded once.
void multiply_bf16(const GemmProblem& p) {
  const bool rounds = p.c.dtype() == DType::BF16;
  const Tensor c = !rounds ? p.c : p.beta != 0 ? cast(p.c, DType::F32) : empty(p.c.shape(), DType::F32);
  matmix::gemm(widened(p.a), widened(p.b), c, p.alpha, p.beta);
  if (rounds) copy(p.c, c);
}

}  // namespace

void gemm(const GemmProblem& p) {
  if (p.c.dtype() == DType::F64)
    multiply<double>(p);
  else if (p.a.dtype() == DType::F32)
    multiply<float>(p);
  else
    multiply_bf16(p);
}

}  // namespace matmix::cpu
