#pragma once

#include <algorithm>

#include "tensor/parallel.h"
#include "tensor/walk.h"

namespace matmix {

/// A piece of a walk: a matrix of elements, where it starts in both tensors, and its strides.
struct Tile {
  int64_t rows, cols;
  int64_t a, b;
  int64_t a_row, a_col, b_row, b_col;
};

/// Calls put(r, c, element of b as T) for every element of a tile whose columns are not dense in b, along its rows.
/// Reads b down its columns, which may be dense, into blocks that stay in the first cache.
template <class T, class S, class F>
void read_across(const S* b, const Tile& tile, F&& put) {
  constexpr int64_t kSide = 16;
  T block[kSide][kSide];
  for (int64_t r0 = 0; r0 < tile.rows; r0 += kSide)
    for (int64_t c0 = 0; c0 < tile.cols; c0 += kSide) {
      const int64_t rows = std::min(kSide, tile.rows - r0), cols = std::min(kSide, tile.cols - c0);
      const S* corner = b + r0 * tile.b_row + c0 * tile.b_col;
      for (int64_t c = 0; c < cols; ++c)
        for (int64_t r = 0; r < rows; ++r) block[r][c] = static_cast<T>(corner[r * tile.b_row + c * tile.b_col]);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < cols; ++c) put(r0 + r, c0 + c, block[r][c]);
    }
}

/// Calls f(tile) over the threads for tiles that cover the walk: of at most `most` elements and most_cols columns,
/// cut the same for any thread count; fewer columns where they are not dense in b, so that a tile has rows to read
/// across. `worth` as in parallel_for. Not for empty walks.
template <class F>
void for_each_tile(const Walk& flat, int64_t most, int64_t most_cols, int64_t worth, F&& f) {
  const Walk walk = as_matrices(flat);
  const int R = walk.shape.rank() - 2, C = R + 1;
  const int64_t limit = walk.b[C] == 1 ? most_cols : std::min<int64_t>(most_cols, 512);
  const int64_t cols = std::min({walk.shape[C], most, limit}), rows = std::min(walk.shape[R], most / cols);
  const int64_t col_tiles = (walk.shape[C] + cols - 1) / cols, row_tiles = (walk.shape[R] + rows - 1) / rows;
  int64_t matrices = 1;
  for (int i = 0; i < R; ++i) matrices *= walk.shape[i];
  parallel_for(matrices * row_tiles * col_tiles, worth, [&](int64_t index) {
    const int64_t c = index % col_tiles * cols, r = index / col_tiles % row_tiles * rows;
    Tile tile{.rows = std::min(rows, walk.shape[R] - r),
              .cols = std::min(cols, walk.shape[C] - c),
              .a = r * walk.a[R] + c * walk.a[C],
              .b = r * walk.b[R] + c * walk.b[C],
              .a_row = walk.a[R],
              .a_col = walk.a[C],
              .b_row = walk.b[R],
              .b_col = walk.b[C]};
    int64_t matrix = index / col_tiles / row_tiles;
    for (int i = R - 1; i >= 0; matrix /= walk.shape[i], --i) {
      tile.a += matrix % walk.shape[i] * walk.a[i];
      tile.b += matrix % walk.shape[i] * walk.b[i];
    }
    f(tile);
  });
}

}  // namespace matmix
