#pragma once

#include "ops/vandermonde/vandermonde_kernels.h"
#include "ops/vandermonde/vandermonde_order.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/token_tiles.cuh"

// The kernels of a grid of turns: a warp is a token, a piece of the sorted numbers or a row, and two columns a lane.
namespace matmix::cuda::gridded {

constexpr int kThreads = 128;
constexpr int kBlocks = 5;               // a multiprocessor: 96 registers a thread
constexpr int kPair = 2;                 // columns a lane, kWarp apart
constexpr int kColumns = kPair * kWarp;  // columns a warp
constexpr int kHalf = Grid::kMostTaps;   // lanes that make the taps of one number
constexpr unsigned kAll = 0xffffffffu;
static_assert(2 * kHalf == kWarp && Grid::kMoments <= kHalf);

struct Sizes {
  int64_t L, H, E, P, matrices;

  Sizes(const Tensor& x, const Tensor& w)
      : L(x.dim(1)), H(x.dim(2)), E(x.dim(3)), P(w.dim(3)), matrices(x.dim(0) * H) {}
  HOST_DEVICE int64_t blocks_of_columns() const { return (P + kColumns - 1) / kColumns; }
};

/// Which of `count` things, columns and matrix a warp owns; a block owns neighbouring things.
struct Unit {
  static constexpr int kWarps = kThreads / kWarp;
  int64_t index, columns, row, head, matrix;

  __device__ Unit(int64_t count, int64_t blocks_of_columns, int64_t H) {
    const unsigned across = static_cast<unsigned>((count + kWarps - 1) / kWarps), others = blockIdx.x / across;
    const unsigned along = static_cast<unsigned>(blocks_of_columns), heads = static_cast<unsigned>(H);
    index = int64_t{blockIdx.x % across} * kWarps + threadIdx.x / kWarp;
    columns = int64_t{others % along} * kColumns;
    matrix = others / along;
    row = others / along / heads;
    head = others / along % heads;
  }
};
inline unsigned unit_blocks(int64_t count, int64_t blocks_of_columns, int64_t matrices) {
  return blocks((count + Unit::kWarps - 1) / Unit::kWarps * blocks_of_columns * matrices, 1);
}

/// A lane's columns c and c + kWarp of a row of P.
template <class T>
struct Pair {
  T at[kPair];
};
template <class T>
__device__ Pair<T> load_pair(const T* row, int64_t c, int64_t P) {
  Pair<T> x;
#pragma unroll
  for (int i = 0; i < kPair; ++i) x.at[i] = c + i * kWarp < P ? row[c + i * kWarp] : T(0);
  return x;
}
template <class T>
__device__ void store_pair(T* row, int64_t c, int64_t P, const T (&x)[kPair]) {
#pragma unroll
  for (int i = 0; i < kPair; ++i)
    if (c + i * kWarp < P) row[c + i * kWarp] = x[i];
}

/// A number a lane, of which half warps make the taps. All lanes call everything, with the same arguments.
template <class T>
class WarpTaps {
 public:
  __device__ WarpTaps(const VandermondeBasis& basis, double x) : basis_(basis), lane_(threadIdx.x % kWarp) {
    const Spot<T> spot(basis.grid, basis.eps, x);
    first_ = static_cast<int>(spot.first);
    at_ = spot.at;
    step_ = spot.step;
  }

  __device__ int first(int number) const { return __shfl_sync(kAll, first_, number); }
  __device__ bool small(int number) const { return first(number) == 0; }
  __device__ int count(int number) const { return small(number) ? Grid::kMoments : basis_.grid.w; }

  /// Makes the taps of two numbers, a lane each; 0 behind the last.
  __device__ void make(int number) {
    const int from = number + lane_ / kHalf, a = lane_ % kHalf;
    const int first = __shfl_sync(kAll, first_, from);
    const Spot<T> spot(first, __shfl_sync(kAll, at_, from), __shfl_sync(kAll, step_, from));
    const bool exists = a < spot.count(basis_.grid);
    tap_ = {T(0), T(0)};
    if (exists) tap_ = spot.small() ? spot.on_moment(static_cast<T>(basis_.lift), a) : spot.on_grid(basis_.grid, a);
    row_ = exists ? static_cast<int>(basis_.grid.row(spot.first + a)) : 0;
  }
  /// Of tap a of the first (half = 0) or second number that were made.
  __device__ T value(int half, int a) const { return __shfl_sync(kAll, tap_.value, half * kHalf + a); }
  __device__ T slope(int half, int a) const { return __shfl_sync(kAll, tap_.slope, half * kHalf + a); }
  __device__ int row(int half, int a) const { return __shfl_sync(kAll, row_, half * kHalf + a); }

 private:
  const VandermondeBasis& basis_;
  T at_, step_;
  Tap<T> tap_;
  int first_, row_, lane_;
};

/// sum += sum_a factor(a) w[row a], of a lane's columns.
template <class T, class F>
__device__ void add_rows(const WarpTaps<T>& taps, int half, int count, const T* w, int stride, int64_t c, int64_t P,
                         F factor, T (&sum)[kPair]) {
#pragma unroll 4
  for (int a = 0; a < count; ++a) {
    const T by = factor(a);
    const Pair<T> x = load_pair(w + int64_t{taps.row(half, a)} * stride, c, P);
#pragma unroll
    for (int i = 0; i < kPair; ++i) sum[i] += by * x.at[i];
  }
}

// y_i = sum_d sum_m h(x_id, m) w_m, of rows m of the grid.
// Owns:    warp = a token of one row and head, kColumns columns. Taps: a lane a tap, two numbers at a time.
// Traffic: w rows of P for each of E numbers, from the caches: neighbours on the line are P H apart.   Syncs: none.
// Numerics: turns in double, taps and sums in T; d and taps in order, then the ones.
template <class T>
__global__ void __launch_bounds__(kThreads, kBlocks)
    gather_kernel(VandermondeBasis basis, Tokens<T> x, Tokens<T> w, Tokens<T> y, Sizes s) {
  const Unit unit(s.L, s.blocks_of_columns(), s.H);
  if (unit.index >= s.L) return;
  const int lane = threadIdx.x % kWarp;
  const int64_t c = unit.columns + lane;
  const T* const numbers = x.at(unit.row, unit.index, unit.head);
  const T* const rows = w.at(unit.row, 0, unit.head);
  const int stride = static_cast<int>(w.token);
  T sum[kPair] = {};
  int lifted = 0;
  for (int64_t first = 0; first < s.E; first += kWarp) {
    const int count = static_cast<int>(min(int64_t{kWarp}, s.E - first));
    WarpTaps<T> taps(basis, lane < count ? static_cast<double>(numbers[first + lane]) : 0.0);
    for (int d = 0; d < count; d += 2) {
      taps.make(d);
      for (int half = 0; half < 2 && d + half < count; ++half) {
        const auto value = [&](int a) { return taps.value(half, a); };
        add_rows(taps, half, taps.count(d + half), rows, stride, c, s.P, value, sum);
        lifted += taps.small(d + half) ? 0 : 1;
      }
    }
  }
  if (lifted > 0 && basis.lift != 0) {
    const Pair<T> ones = load_pair(rows + basis.grid.points() * w.token, c, s.P);
    const T by = static_cast<T>(basis.lift) * static_cast<T>(lifted);
#pragma unroll
    for (int i = 0; i < kPair; ++i) sum[i] -= by * ones.at[i];
  }
  store_pair(y.at(unit.row, unit.index, unit.head), c, s.P, sum);
}

// dx_id = u_i . sum_m dh(x_id, m)/dx w_m.
// Owns:    warp = a token of one row and head, all columns; lane d keeps the result of number d.
// Traffic: as gather_kernel; u again for every number, from the caches.     Syncs: none.
// Numerics: turns in double, taps and sums in T; taps in order, then the lanes as warp_sum adds them.
template <class T>
__global__ void __launch_bounds__(kThreads, kBlocks)
    slope_kernel(VandermondeBasis basis, Tokens<T> x, Tokens<T> w, Tokens<T> u, Tokens<T> dx, Sizes s) {
  const Unit unit(s.L, 1, s.H);
  if (unit.index >= s.L) return;
  const int lane = threadIdx.x % kWarp;
  const T* const numbers = x.at(unit.row, unit.index, unit.head);
  const T* const rows = w.at(unit.row, 0, unit.head);
  const T* const own = u.at(unit.row, unit.index, unit.head);
  const int stride = static_cast<int>(w.token);
  T* const to = dx.at(unit.row, unit.index, unit.head);
  for (int64_t first = 0; first < s.E; first += kWarp) {
    const int count = static_cast<int>(min(int64_t{kWarp}, s.E - first));
    WarpTaps<T> taps(basis, lane < count ? static_cast<double>(numbers[first + lane]) : 0.0);
    T result = 0;
    for (int d = 0; d < count; d += 2) {
      taps.make(d);
      for (int half = 0; half < 2 && d + half < count; ++half) {
        const auto slope = [&](int a) { return taps.slope(half, a); };
        const int tap_count = taps.count(d + half);
        T part = 0;
        for (int64_t c = lane; c - lane < s.P; c += kColumns) {
          T sum[kPair] = {};
          add_rows(taps, half, tap_count, rows, stride, c, s.P, slope, sum);
          const Pair<T> mine = load_pair(own, c, s.P);
#pragma unroll
          for (int i = 0; i < kPair; ++i) part += mine.at[i] * sum[i];
        }
        const T total = warp_sum(part);
        if (lane == d + half) result = total;
      }
    }
    if (lane < count) to[first + lane] = result;
  }
}

// The words of NumberOrder, before they are sorted.
// Owns:    thread = a number.   Traffic: reads x, writes 8 bytes a number.   Syncs: none.
template <class T>
__global__ void __launch_bounds__(kThreads)
    words_kernel(VandermondeBasis basis, NumberOrder order, Tokens<T> x, uint64_t* words, Sizes s) {
  const int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at >= s.matrices * order.numbers) return;
  const int64_t matrix = at / order.numbers, token = at % order.numbers / s.E, d = at % s.E;
  const double number = static_cast<double>(x.at(matrix / s.H, token, matrix % s.H)[d]);
  words[at] = order.word(matrix, Spot<T>(basis.grid, basis.eps, number).first, token, d);
}

// Parts of S_m = sum_id h(x_id, m) u_i: those of the numbers of one piece, at the places it passes.
// Owns:    warp = a piece of one row and head, kColumns columns: a window of kPlaces places in registers.
// Traffic: 8 bytes, x and a row of P of u a number, from the caches; writes a row of P for each place passed: at most
//          places() + pieces() kPlaces a matrix.     Syncs: none.
// Numerics: turns in double, taps and sums in T, numbers in their order.
// Requires: kPlaces = order.window.
template <class T, int kPlaces>
__global__ void __launch_bounds__(kThreads)
    pieces_kernel(VandermondeBasis basis, NumberOrder order, const uint64_t* words, Tokens<T> x, Tokens<T> u, T* parts,
                  Sizes s) {
  const Unit unit(order.pieces(), s.blocks_of_columns(), s.H);
  if (unit.index >= order.pieces()) return;
  const int lane = threadIdx.x % kWarp;
  const int64_t c = unit.columns + lane, begin = unit.index * NumberOrder::kPiece;
  const int64_t end = min(begin + NumberOrder::kPiece, order.numbers);
  words += unit.matrix * order.numbers;
  parts += unit.matrix * order.parts() * s.P;
  const auto store = [&](int place, const T(&sum)[kPair]) {
    store_pair(parts + order.part(unit.index, place) * s.P, c, s.P, sum);
  };
  Window<T, kPlaces, kPair> window{static_cast<int>(order.place(words[begin], unit.matrix))};
  T ones[kPair] = {};
  const T lift = static_cast<T>(basis.lift);
  for (int64_t first = begin; first < end; first += kWarp) {
    const int count = static_cast<int>(min(int64_t{kWarp}, end - first));
    const uint64_t word = words[first + min(lane, count - 1)];
    const int64_t token = order.token(word);
    WarpTaps<T> taps(basis, static_cast<double>(x.at(unit.row, token, unit.head)[order.d(word)]));
    const auto load = [&](int number) {
      return load_pair(u.at(unit.row, __shfl_sync(kAll, token, min(number, count - 1)), unit.head), c, s.P);
    };
    Pair<T> ahead[2] = {load(0), load(1)};
    for (int number = 0; number < count; number += 2) {
      const Pair<T> from[2] = {ahead[0], ahead[1]};
      ahead[0] = load(number + 2);
      ahead[1] = load(number + 3);
      taps.make(number);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        if (number + half >= count) break;
        window.slide(taps.first(number + half), store);
#pragma unroll
        for (int a = 0; a < kPlaces; ++a) {
          const T by = taps.value(half, a);
#pragma unroll
          for (int i = 0; i < kPair; ++i) window.sum[a][i] += by * from[half].at[i];
        }
        if (!taps.small(number + half))
#pragma unroll
          for (int i = 0; i < kPair; ++i) ones[i] -= lift * from[half].at[i];
      }
    }
  }
  window.slide(window.first + kPlaces, store);
  store_pair(parts + order.part_of_ones(unit.index) * s.P, c, s.P, ones);
}

// S_m = the parts of the places that fold to row m, piece by piece; and of the ones in the first moment's row.
// Owns:    warp = a row of one row and head, kColumns columns. Lanes look for the pieces: a bisection each.
// Traffic: the parts once; 2 log2(L E) words a place, from the caches; writes S once.     Syncs: none.
// Numerics: sums in T; places and pieces in order.
template <class T>
__global__ void __launch_bounds__(kThreads) rows_kernel(VandermondeBasis basis, NumberOrder order,
                                                        const uint64_t* words, const T* parts, Tokens<T> S, Sizes s) {
  const Unit unit(basis.grid.rows(), s.blocks_of_columns(), s.H);
  if (unit.index >= basis.grid.rows()) return;
  const int lane = threadIdx.x % kWarp;
  const int64_t c = unit.columns + lane;
  words += unit.matrix * order.numbers;
  parts += unit.matrix * order.parts() * s.P;
  T sum[kPair] = {};
  const auto add = [&](int64_t part) {
    const Pair<T> x = load_pair(parts + part * s.P, c, s.P);
#pragma unroll
    for (int i = 0; i < kPair; ++i) sum[i] += x.at[i];
  };
  // Lane 2 i: how many numbers lie too low to reach the place of image i. Lane 2 i + 1: how many are not above it.
  const int64_t sought = lane < 2 * Grid::kImages ? basis.grid.image(unit.index, lane / 2) : -1;
  const int64_t found =
      sought < 0 ? 0 : order.before(words, unit.matrix, lane % 2 == 0 ? sought - order.window + 1 : sought + 1);
  for (int i = 0; i < Grid::kImages; ++i) {
    const int64_t place = __shfl_sync(kAll, sought, 2 * i);
    const int64_t low = __shfl_sync(kAll, found, 2 * i), high = __shfl_sync(kAll, found, 2 * i + 1);
    if (low >= high) continue;
    const int64_t last = (high - 1) / NumberOrder::kPiece;
#pragma unroll 4
    for (int64_t piece = low / NumberOrder::kPiece; piece <= last; ++piece) add(order.part(piece, place));
  }
  if (unit.index == basis.grid.points()) {
#pragma unroll 4
    for (int64_t piece = 0; piece < order.pieces(); ++piece) add(order.part_of_ones(piece));
  }
  store_pair(S.at(unit.row, unit.index, unit.head), c, s.P, sum);
}

// filter_j = 1 / phihat_j; powers_jr = (j / L)^(2 r).
// Owns:    thread = a token j.   Traffic: writes both once.   Syncs: none.   Numerics: in double, rounded to T.
template <class T>
__global__ void __launch_bounds__(kThreads) tables_kernel(Grid grid, Filter rule, T* filter, T* powers) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (j >= grid.L) return;
  filter[j] = static_cast<T>(rule.at(j));
  grid.write_powers(j, powers + j * Grid::kMoments);
}

}  // namespace matmix::cuda::gridded
