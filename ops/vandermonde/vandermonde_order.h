#pragma once

#include <bit>
#include <climits>
#include <cstdint>

#include "ops/vandermonde/vandermonde_grid.h"
#include "tensor/error.h"

namespace matmix {

/// How what tokens add to the rows of a grid is summed in one order by many: the numbers x of a matrix (one row and
/// head) are sorted by where they fall on the line, and cut into pieces of kPiece. A piece adds up its own numbers'
/// taps in a window that slides along the line, and leaves a part for each place it has passed; the sum of a row is
/// that of its places' parts, piece by piece.
struct NumberOrder {
  static constexpr int kPiece = 256;
  int64_t matrices, numbers, places;
  int window, token_bits, number_bits;

  /// E numbers for each token of `matrices`; windows of `window` places, at least as many as there are taps.
  NumberOrder(const Grid& grid, int64_t matrices, int64_t E, int window)
      : matrices(matrices),
        numbers(grid.L * E),
        places(grid.places()),
        window(window),
        token_bits(width(grid.L - 1)),
        number_bits(width(E - 1)) {
    require(bits() <= 64 && places <= INT_MAX, "vandermonde", "is too large for the grid on CUDA: ", matrices,
            " rows times heads of ", numbers, " numbers");
  }

  /// Words that ascend with matrix, place, token and d. They differ, so that any sort gives one order.
  HOST_DEVICE uint64_t word(int64_t matrix, int64_t place, int64_t token, int64_t d) const {
    const uint64_t where = static_cast<uint64_t>(matrix * places + place) << token_bits | static_cast<uint64_t>(token);
    return where << number_bits | static_cast<uint64_t>(d);
  }
  HOST_DEVICE int64_t d(uint64_t word) const { return static_cast<int64_t>(word & ((uint64_t{1} << number_bits) - 1)); }
  HOST_DEVICE int64_t token(uint64_t word) const {
    return static_cast<int64_t>(word >> number_bits & ((uint64_t{1} << token_bits) - 1));
  }
  HOST_DEVICE int64_t place(uint64_t word, int64_t matrix) const {
    return static_cast<int64_t>(word >> sorted_bits()) - matrix * places;
  }
  /// Those of token and d, the lowest, are in order before the sort.
  HOST_DEVICE int sorted_bits() const { return token_bits + number_bits; }
  int bits() const { return sorted_bits() + width(matrices * places - 1); }

  HOST_DEVICE int64_t pieces() const { return (numbers + kPiece - 1) / kPiece; }
  /// How many of a matrix' sorted words are for places before `place`.
  HOST_DEVICE int64_t before(const uint64_t* words, int64_t matrix, int64_t place) const {
    int64_t low = 0, high = numbers;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (this->place(words[middle], matrix) < place)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  /// Where a piece leaves its part of a place: pieces ascend along the line, so with a window's width between them
  /// theirs never meet.
  HOST_DEVICE int64_t part(int64_t piece, int64_t place) const { return place + piece * window; }
  /// And its part of the ones that numbers on the grid are lifted by.
  HOST_DEVICE int64_t part_of_ones(int64_t piece) const { return places + pieces() * window + piece; }
  HOST_DEVICE int64_t parts() const { return part_of_ones(pieces()); }

 private:
  static int width(int64_t last) { return static_cast<int>(std::bit_width(static_cast<uint64_t>(last))); }
};

/// Sums at kPlaces neighbouring places of the line, of W columns.
template <class A, int kPlaces, int W>
struct Window {
  int first;
  A sum[kPlaces][W] = {};

  /// On to a place further up: store(place, sums) of those that are left behind.
  template <class F>
  HOST_DEVICE void slide(int to, F store) {
    const int steps = to - first < kPlaces ? to - first : kPlaces;
    for (int step = 0; step < steps; ++step) {
      store(first + step, sum[0]);
#ifdef __CUDA_ARCH__
#pragma unroll
#endif
      for (int i = 0; i < kPlaces; ++i)
        for (int c = 0; c < W; ++c) sum[i][c] = i + 1 < kPlaces ? sum[i + 1 < kPlaces ? i + 1 : 0][c] : A(0);
    }
    first = to;
  }
};

}  // namespace matmix
