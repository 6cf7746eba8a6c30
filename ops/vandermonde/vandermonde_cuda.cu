#include <cmath>
#include <cub/device/device_radix_sort.cuh>
#include <numbers>

#include "ops/vandermonde/vandermonde_grid.cuh"
#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/token_tiles.cuh"

namespace matmix::cuda {
namespace gridded {

/// Rows, and the elements between neighbours, are counted in 32 bits.
inline void check_range(const Grid& grid, const Tensor& w) {
  require(grid.places() <= INT_MAX && w.stride(1) <= INT_MAX, "vandermonde", "is too large for the grid on CUDA: ", w);
}

template <class T>
void gather(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y) {
  check_range(basis.grid, w);
  const Sizes s(x, w);
  gather_kernel<T><<<unit_blocks(s.L, s.blocks_of_columns(), s.matrices), kThreads, 0, stream()>>>(
      basis, Tokens<T>(x), Tokens<T>(w), Tokens<T>(y), s);
}

template <class T>
void slope(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u, const Tensor& dx) {
  check_range(basis.grid, w);
  const Sizes s(x, w);
  slope_kernel<T><<<unit_blocks(s.L, 1, s.matrices), kThreads, 0, stream()>>>(basis, Tokens<T>(x), Tokens<T>(w),
                                                                              Tokens<T>(u), Tokens<T>(dx), s);
}

/// The words of `both`'s first half in ascending order; in one of its halves.
inline const uint64_t* sorted(const NumberOrder& order, const Tensor& both) {
  const int64_t count = both.dim(1);
  auto* const words = reinterpret_cast<uint64_t*>(both.data<int64_t>());
  cub::DoubleBuffer<uint64_t> halves(words, words + count);
  size_t bytes = 0;
  const auto sort = [&](void* scratch) {
    cuda_check(
        cub::DeviceRadixSort::SortKeys(scratch, bytes, halves, count, order.sorted_bits(), order.bits(), stream()),
        "vandermonde sort");
  };
  sort(nullptr);
  const Tensor scratch = empty({static_cast<int64_t>(bytes)}, DType::U8, both.device());
  sort(scratch.raw());
  return halves.Current();
}

template <class T, int kPlaces>
void spread(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S) {
  const Sizes s(x, u);
  const NumberOrder order(basis.grid, s.matrices, s.E, kPlaces);
  const int64_t numbers = order.matrices * order.numbers;
  const Tensor both = empty({2, numbers}, DType::I64, u.device());
  words_kernel<T><<<blocks(numbers, kThreads), kThreads, 0, stream()>>>(
      basis, order, Tokens<T>(x), reinterpret_cast<uint64_t*>(both.data<int64_t>()), s);
  const uint64_t* const words = sorted(order, both);
  const Tensor parts = empty({s.matrices, order.parts(), s.P}, u.dtype(), u.device());
  pieces_kernel<T, kPlaces><<<unit_blocks(order.pieces(), s.blocks_of_columns(), s.matrices), kThreads, 0, stream()>>>(
      basis, order, words, Tokens<T>(x), Tokens<T>(u), parts.data<T>(), s);
  rows_kernel<T><<<unit_blocks(basis.grid.rows(), s.blocks_of_columns(), s.matrices), kThreads, 0, stream()>>>(
      basis, order, words, parts.data<T>(), Tokens<T>(S), s);
}
template <class T>
void spread(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S) {
  basis.grid.w <= Grid::kMoments ? spread<T, Grid::kMoments>(basis, x, u, S)
                                 : spread<T, Grid::kMostTaps>(basis, x, u, S);
}

template <class T>
void tables(const Grid& grid, const Tensor& filter, const Tensor& powers) {
  tables_kernel<T>
      <<<blocks(grid.L, kThreads), kThreads, 0, stream()>>>(grid, Filter(grid), filter.data<T>(), powers.data<T>());
}

}  // namespace gridded

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kTokens = kWarp;  // tokens of a tile, and places
constexpr int kChannels = 64;   // columns of v that a block owns

using gridded::Sizes;

/// turn * j less the nearest whole number: exact but for the last bit, in double, whatever j.
__device__ double fraction(double turn, int64_t j) {
  const double place = static_cast<double>(j), whole = turn * place, rest = fma(turn, place, -whole);
  return (whole - rint(whole)) + rest;
}

// A result y_r = sum_k N(r, k) w_k;  N(i, m) = sum_d h(x_id, m) for gather, its transpose for spread.
// Owns:    block = kTokens rows of one row and head, kChannels columns; a thread eight rows of a column.
// Tiles:   kTokens of what is summed over: entries by all, w by all.
// Traffic: w once a block; x once a tile, from the caches.   Syncs: two a tile.
// Numerics: turns in double, the sine of half of them in T: cos - lift = (1 - lift) - 2 sin^2. Tiles in order.
template <class T, bool kSpread>
__global__ void __launch_bounds__(kThreads)
    entries_kernel(double eps, T unlifted, Tokens<T> x, Tokens<T> w, Tokens<T> y, Sizes s) {
  constexpr int kOwned = kTokens * kChannels / kThreads, kStride = kThreads / kChannels;
  __shared__ T entries[kTokens][kTokens], values[kTokens][kChannels];
  const int64_t first = int64_t(blockIdx.x) * kTokens, row = blockIdx.y / s.H, head = blockIdx.y % s.H;
  const int64_t first_channel = int64_t(blockIdx.z) * kChannels;
  const int channel = threadIdx.x % kChannels, own = threadIdx.x / kChannels;
  T sum[kOwned] = {};
  for (int64_t start = 0; start < s.L; start += kTokens) {
    __syncthreads();
    for (int at = threadIdx.x; at < kTokens * kTokens; at += kThreads) {
      const int64_t r = first + at % kTokens, k = start + at / kTokens;
      const int64_t token = kSpread ? k : r, place = kSpread ? r : k;
      T entry = 0;
      if (r < s.L && k < s.L) {
        entry = unlifted * static_cast<T>(s.E);
        for (int64_t d = 0; d < s.E; ++d) {
          const T sine =
              sinpi(static_cast<T>(fraction(turn_of(eps, static_cast<double>(x.at(row, token, head)[d])), place)));
          entry -= 2 * sine * sine;
        }
      }
      entries[at / kTokens][at % kTokens] = entry;
    }
    for (int at = threadIdx.x; at < kTokens * kChannels; at += kThreads) {
      const int64_t k = start + at / kChannels, c = first_channel + at % kChannels;
      values[at / kChannels][at % kChannels] = k < s.L && c < s.P ? w.at(row, k, head)[c] : T(0);
    }
    __syncthreads();
    for (int k = 0; k < kTokens; ++k)
#pragma unroll
      for (int o = 0; o < kOwned; ++o) sum[o] += entries[k][own + o * kStride] * values[k][channel];
  }
  for (int o = 0; o < kOwned; ++o) {
    const int64_t r = first + own + o * kStride, c = first_channel + channel;
    if (r < s.L && c < s.P) y.at(row, r, head)[c] = sum[o];
  }
}

// dx_id = -2 pi eps sum_j j sin(2 pi eps x_id j) w_j . u_i.
// Owns:    block = kTokens tokens of one row and head; lane = token, the warps share the places of a tile.
// Tiles:   kTokens places: their dots by all, then d by d.   Traffic: w and u once a tile, from the caches.
// Syncs:   those of the dots, and two a tile and d.
// Numerics: turns in double, sines in T; each warp's sum in order, then the warps' in order.
template <class T>
__global__ void __launch_bounds__(kThreads)
    slope_kernel(double eps, Tokens<T> x, Tokens<T> w, Tokens<T> u, Tokens<T> dx, Sizes s) {
  __shared__ TokenDots<T, kWarps> products;
  const int64_t first = int64_t(blockIdx.x) * kTokens, row = blockIdx.y / s.H, head = blockIdx.y % s.H;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t token = first + lane;
  const bool exists = token < s.L;
  const T factor = static_cast<T>(-2 * std::numbers::pi * eps);
  const auto own = [&](int i, int64_t p) { return first + i < s.L ? u.at(row, first + i, head)[p] : T(0); };
  for (int64_t start = 0; start < s.L; start += kTokens) {
    const int count = static_cast<int>(min(int64_t(kTokens), s.L - start));
    const auto value = [&](int j, int64_t p) { return w.at(row, start + j, head)[p]; };
    products.multiply(count, s.P, value, own);
    for (int64_t d = 0; d < s.E; ++d) {
      const double turn = exists ? turn_of(eps, static_cast<double>(x.at(row, token, head)[d])) : 0;
      T part = 0;
      for (int j = warp; j < count; j += kWarps) {
        const T sine = sinpi(static_cast<T>(2 * fraction(turn, start + j)));
        part += products.dots[j][lane] * (static_cast<T>(start + j) * sine);
      }
      const T sum = products.total(part);
      if (warp == 0 && exists) {
        T* to = dx.at(row, token, head) + d;
        *to = (start == 0 ? T(0) : *to) + factor * sum;
      }
    }
  }
}

/// Blocks by tiles of tokens, by rows and heads, and by columns.
dim3 blocks_of(const Tensor& x, int64_t P) {
  const int64_t matrices = x.dim(0) * x.dim(2), columns = (P + kChannels - 1) / kChannels;
  require(matrices <= 65535 && columns <= 65535, "vandermonde", "rows times heads must be at most 65535 on CUDA, got ",
          matrices);
  return dim3(blocks(x.dim(1), kTokens), static_cast<unsigned>(matrices), static_cast<unsigned>(columns));
}

template <class F>
void dispatch_wide(DType dtype, F&& f) {
  dtype == DType::F64 ? f.template operator()<double>() : f.template operator()<float>();
}

template <class T, bool kSpread>
void write_entries(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y) {
  entries_kernel<T, kSpread><<<blocks_of(x, w.dim(3)), kThreads, 0, stream()>>>(
      basis.eps, static_cast<T>(1 - basis.lift), Tokens<T>(x), Tokens<T>(w), Tokens<T>(y), Sizes(x, w));
}

template <class T>
void write_slopes(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u, const Tensor& dx) {
  slope_kernel<T><<<blocks_of(x, 1), kThreads, 0, stream()>>>(basis.eps, Tokens<T>(x), Tokens<T>(w), Tokens<T>(u),
                                                              Tokens<T>(dx), Sizes(x, w));
}

}  // namespace

void vandermonde_gather(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y) {
  dispatch_wide(w.dtype(), [&]<class T>() {
    basis.grid.n > 0 ? gridded::gather<T>(basis, x, w, y) : write_entries<T, false>(basis, x, w, y);
  });
}

void vandermonde_spread(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S) {
  dispatch_wide(u.dtype(), [&]<class T>() {
    basis.grid.n > 0 ? gridded::spread<T>(basis, x, u, S) : write_entries<T, true>(basis, x, u, S);
  });
}

void vandermonde_slope(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u,
                       const Tensor& dx) {
  dispatch_wide(u.dtype(), [&]<class T>() {
    basis.grid.n > 0 ? gridded::slope<T>(basis, x, w, u, dx) : write_slopes<T>(basis, x, w, u, dx);
  });
}

void vandermonde_tables(const Grid& grid, const Tensor& filter, const Tensor& powers) {
  dispatch_wide(filter.dtype(), [&]<class T>() { gridded::tables<T>(grid, filter, powers); });
}

}  // namespace matmix::cuda
