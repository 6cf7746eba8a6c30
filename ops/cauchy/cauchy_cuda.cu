#include <cmath>

#include "ops/cauchy/cauchy_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/token_tiles.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTokens = kWarp;  // of a tile, one a lane
constexpr int kTerms = 16;      // terms that are in shared memory at a time
constexpr int kChannels = 64;   // columns of v that a block owns
constexpr int kWarps = kThreads / kWarp;

template <class A>
struct Plan {
  int64_t* rank;
  A *shift, *nodes;
  int64_t J;
  double accuracy;

  explicit Plan(const CauchyPlan& p)
      : rank(p.rank.data<int64_t>()),
        shift(p.shift.data<A>()),
        nodes(p.nodes.data<A>()),
        J(p.J()),
        accuracy(p.accuracy) {}
};

struct Sizes {
  int64_t L, H, E, P;
};

/// f_1, f_2, .. of one number, and their derivatives, term by term.
template <class A>
struct Chain {
  A x, product = 1, bend = 0;
  struct Term {
    A value, slope;
  };

  __device__ Term next(A p) {
    const A r = 1 / (x + p), turn = (x - p) * r, factor = sqrt(2 * p) * r;
    const Term term{factor * product, factor * (bend - product * r)};
    bend = bend * turn + product * (2 * p * r * r);
    product *= turn;
    return term;
  }
};

// Plan of the sums: start_d = (min a + min b) / 2, R = the largest range over start_d, rank = terms(R), 0 if too many.
// Owns:    block = one row and head.   Traffic: a and b once.   Syncs: those of 4 block reductions a column, and one.
// Numerics: in double. A NaN, or a number that is not positive, makes the rank 0.
template <class A>
__global__ void __launch_bounds__(kThreads) plan_kernel(Tokens<A> a, Tokens<A> b, Plan<A> plan, Sizes s) {
  extern __shared__ double start[];
  const int64_t matrix = blockIdx.x, row = matrix / s.H, head = matrix % s.H;
  double R = 2;
  for (int64_t d = 0; d < s.E; ++d) {
    double a_low = -INFINITY, a_high = -INFINITY, b_low = -INFINITY, b_high = -INFINITY;  // lows negated
    for (int64_t i = threadIdx.x; i < s.L; i += kThreads) {
      const double x = a.at(row, i, head)[d], y = b.at(row, i, head)[d];
      a_low = Max{}(-x, a_low);
      a_high = Max{}(x, a_high);
      b_low = Max{}(-y, b_low);
      b_high = Max{}(y, b_high);
    }
    a_low = -block_reduce<kThreads>(a_low, Max{});
    a_high = block_reduce<kThreads>(a_high, Max{});
    b_low = -block_reduce<kThreads>(b_low, Max{});
    b_high = block_reduce<kThreads>(b_high, Max{});
    const double first = (a_low + b_low) / 2, ratio = 1 + max(a_high - a_low, b_high - b_low) / first;
    R = a_low > 0 && b_low > 0 ? max(R, ratio) : INFINITY;
    if (threadIdx.x == 0) {
      start[d] = first;
      plan.shift[matrix * s.E + d] = static_cast<A>((b_low - a_low) / 2);
    }
  }
  __syncthreads();
  const double terms = Zolotarev::terms(R, plan.accuracy);
  const int64_t rank = terms <= static_cast<double>(plan.J) ? static_cast<int64_t>(terms) : 0;
  if (threadIdx.x == 0) plan.rank[matrix] = rank;
  if (rank == 0) return;
  const Zolotarev zolotarev(R);
  for (int64_t j = threadIdx.x; j < rank; j += kThreads) {
    const double node = zolotarev.node(j, rank);
    for (int64_t d = 0; d < s.E; ++d) plan.nodes[(matrix * s.E + d) * plan.J + j] = static_cast<A>(start[d] * node);
  }
}

// Z_dj = sum_i f_j(x_id) w_i.
// Owns:    block = column d of one row and head, kTerms terms, kChannels columns of w; a thread four terms of a column.
// Tiles:   kTokens tokens: f [kTerms, kTokens] by the first warp, w [kTokens, kChannels] by the others.
// Traffic: x and w once a block. Each block starts the chain of f from its first term.   Syncs: two a tile.
// Numerics: Accumulator<T>; tokens in order.
template <class T>
__global__ void __launch_bounds__(kThreads) collect_kernel(Tokens<Accumulator<T>> x, bool is_a, Tokens<T> w,
                                                           Plan<Accumulator<T>> plan, Accumulator<T>* Z, Sizes s) {
  using A = Accumulator<T>;
  constexpr int kOwned = kTerms * kChannels / kThreads, kStride = kThreads / kChannels;
  __shared__ A f[kTerms][kTokens], values[kTokens][kChannels];
  const int64_t column = blockIdx.x, matrix = column / s.E, d = column % s.E, row = matrix / s.H, head = matrix % s.H;
  const int64_t first_term = int64_t(blockIdx.y) * kTerms, first_channel = int64_t(blockIdx.z) * kChannels;
  const int64_t rank = plan.rank[matrix];
  if (first_term >= rank) return;
  const A shift = is_a ? plan.shift[column] : -plan.shift[column], *nodes = plan.nodes + column * plan.J;
  const int channel = threadIdx.x % kChannels, term = threadIdx.x / kChannels;
  A sum[kOwned] = {};
  for (int64_t first = 0; first < s.L; first += kTokens) {
    __syncthreads();
    if (threadIdx.x < kWarp) {
      const int64_t i = first + threadIdx.x;
      Chain<A> chain{i < s.L ? x.at(row, i, head)[d] + shift : A(1)};
      for (int64_t j = 0; j < first_term; ++j) chain.next(nodes[j]);
      for (int j = 0; j < kTerms; ++j) {
        const bool exists = i < s.L && first_term + j < rank;
        f[j][threadIdx.x] = exists ? chain.next(nodes[first_term + j]).value : A(0);
      }
    } else {
      for (int at = threadIdx.x - kWarp; at < kTokens * kChannels; at += kThreads - kWarp) {
        const int64_t i = first + at / kChannels, c = first_channel + at % kChannels;
        values[at / kChannels][at % kChannels] = i < s.L && c < s.P ? static_cast<A>(w.at(row, i, head)[c]) : A(0);
      }
    }
    __syncthreads();
    for (int i = 0; i < kTokens; ++i)
#pragma unroll
      for (int o = 0; o < kOwned; ++o) sum[o] += f[term + o * kStride][i] * values[i][channel];
  }
  for (int o = 0; o < kOwned; ++o) {
    const int64_t j = first_term + term + o * kStride, c = first_channel + channel;
    if (j < rank && c < s.P) Z[(column * plan.J + j) * s.P + c] = sum[o];
  }
}

/// One side as the kernels see it.
template <class T>
struct Side {
  using A = Accumulator<T>;
  Tokens<A> own, other;
  bool own_is_a;
  Tokens<T> w, x, y;
  Tokens<A> down;
  A scale;

  explicit Side(const CauchySide& s)
      : own(s.own),
        other(s.other),
        own_is_a(s.own_is_a),
        w(s.w),
        x(s.x),
        y(s.y),
        down(s.down),
        scale(static_cast<A>(s.scale)) {}
};

// y = scale sum_dj f_j(own_d) Z_dj, or entry by entry where the rank is 0.
// Owns:    block = kTokens tokens of one row and head, kChannels columns; a thread eight tokens of a column.
// Tiles:   kTerms terms of one d: f by the first warp, which carries the chain on, Z by the others; or kTokens others:
//          their entries by all, their w by all.
// Traffic: own once, Z once (w and the other side, E times from the first cache).   Syncs: two a tile.
// Numerics: Accumulator<T>; d and terms, or others, in order.
template <class T>
__global__ void __launch_bounds__(kThreads)
    apply_kernel(Side<T> t, Plan<Accumulator<T>> plan, const Accumulator<T>* Z, Sizes s) {
  using A = Accumulator<T>;
  constexpr int kOwned = kTokens * kChannels / kThreads, kStride = kThreads / kChannels;
  __shared__ A left[kTokens][kTokens], right[kTokens][kChannels];
  static_assert(kTerms <= kTokens);
  const int64_t first = int64_t(blockIdx.x) * kTokens, matrix = blockIdx.y, row = matrix / s.H, head = matrix % s.H;
  const int64_t first_channel = int64_t(blockIdx.z) * kChannels, rank = plan.rank[matrix];
  const int channel = threadIdx.x % kChannels, token = threadIdx.x / kChannels;
  A sum[kOwned] = {};
  const auto add = [&](int count) {
    __syncthreads();
    for (int j = 0; j < count; ++j)
#pragma unroll
      for (int o = 0; o < kOwned; ++o) sum[o] += left[j][token + o * kStride] * right[j][channel];
    __syncthreads();
  };
  for (int64_t d = 0; rank > 0 && d < s.E; ++d) {
    const int64_t column = matrix * s.E + d, own_token = first + threadIdx.x;
    const A shift = t.own_is_a ? plan.shift[column] : -plan.shift[column];
    Chain<A> chain{threadIdx.x < kWarp && own_token < s.L ? t.own.at(row, own_token, head)[d] + shift : A(1)};
    for (int64_t start = 0; start < rank; start += kTerms) {
      const int count = static_cast<int>(min(int64_t(kTerms), rank - start));
      if (threadIdx.x < kWarp) {
        for (int j = 0; j < count; ++j)
          left[j][threadIdx.x] = chain.next(plan.nodes[column * plan.J + start + j]).value;
      } else {
        for (int at = threadIdx.x - kWarp; at < count * kChannels; at += kThreads - kWarp) {
          const int64_t j = start + at / kChannels, c = first_channel + at % kChannels;
          right[at / kChannels][at % kChannels] = c < s.P ? Z[(column * plan.J + j) * s.P + c] : A(0);
        }
      }
      add(count);
    }
  }
  for (int64_t start = 0; rank == 0 && start < s.L; start += kTokens) {
    for (int at = threadIdx.x; at < kTokens * kTokens; at += kThreads) {
      const int64_t i = first + at % kTokens, j = start + at / kTokens;
      A entry = 0;
      if (i < s.L && j < s.L)
        for (int64_t d = 0; d < s.E; ++d) entry += 1 / (t.own.at(row, i, head)[d] + t.other.at(row, j, head)[d]);
      left[at / kTokens][at % kTokens] = entry;
    }
    for (int at = threadIdx.x; at < kTokens * kChannels; at += kThreads) {
      const int64_t j = start + at / kChannels, c = first_channel + at % kChannels;
      right[at / kChannels][at % kChannels] = j < s.L && c < s.P ? static_cast<A>(t.w.at(row, j, head)[c]) : A(0);
    }
    add(kTokens);
  }
  for (int o = 0; o < kOwned; ++o) {
    const int64_t i = first + token + o * kStride, c = first_channel + channel;
    if (i < s.L && c < s.P) t.y.at(row, i, head)[c] = static_cast<T>(t.scale * sum[o]);
  }
}

// down_id = scale sum_j f_j'(own_id) Z_dj . x_i, or entry by entry where the rank is 0.
// Owns:    block = kTokens tokens of one row and head; lane = token, the warps share terms, or others.
// Tiles:   kTerms terms of one d: slopes by the first warp, dots by all; or kTokens others: dots, then d by d.
// Traffic: own and Z once, x once a tile of terms, from the caches.   Syncs: those of the dots, and two a tile or d.
// Numerics: Accumulator<T>; each warp's sum in order, then the warps' in order.
template <class T>
__global__ void __launch_bounds__(kThreads)
    slope_kernel(Side<T> t, Plan<Accumulator<T>> plan, const Accumulator<T>* Z, Sizes s) {
  using A = Accumulator<T>;
  __shared__ A slopes[kTerms][kTokens];
  __shared__ TokenDots<A, kWarps> products;
  const int64_t first = int64_t(blockIdx.x) * kTokens, matrix = blockIdx.y, row = matrix / s.H, head = matrix % s.H;
  const int64_t rank = plan.rank[matrix];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t own_token = first + lane;
  const bool exists = own_token < s.L;
  const auto x = [&](int i, int64_t p) {
    return first + i < s.L ? static_cast<A>(t.x.at(row, first + i, head)[p]) : A(0);
  };
  for (int64_t d = 0; rank > 0 && d < s.E; ++d) {
    const int64_t column = matrix * s.E + d;
    const A shift = t.own_is_a ? plan.shift[column] : -plan.shift[column];
    Chain<A> chain{exists ? t.own.at(row, own_token, head)[d] + shift : A(1)};
    A part = 0;
    for (int64_t start = 0; start < rank; start += kTerms) {
      const int count = static_cast<int>(min(int64_t(kTerms), rank - start));
      if (warp == 0)
        for (int j = 0; j < count; ++j) slopes[j][lane] = chain.next(plan.nodes[column * plan.J + start + j]).slope;
      const A* terms = Z + (column * plan.J + start) * s.P;
      products.multiply(
          count, s.P, [&](int j, int64_t p) { return terms[j * s.P + p]; }, x);
      for (int j = warp; j < count; j += kWarps) part += slopes[j][lane] * products.dots[j][lane];
      __syncthreads();
    }
    const A sum = products.total(part);
    if (warp == 0 && exists) t.down.at(row, own_token, head)[d] = t.scale * sum;
  }
  for (int64_t start = 0; rank == 0 && start < s.L; start += kTokens) {
    const int count = static_cast<int>(min(int64_t(kTokens), s.L - start));
    const auto w = [&](int j, int64_t p) { return static_cast<A>(t.w.at(row, start + j, head)[p]); };
    products.multiply(count, s.P, w, x);
    for (int64_t d = 0; d < s.E; ++d) {
      const A own = exists ? t.own.at(row, own_token, head)[d] : A(1);
      A part = 0;
      for (int j = warp; j < count; j += kWarps) {
        const A r = 1 / (own + t.other.at(row, start + j, head)[d]);
        part -= products.dots[j][lane] * r * r;
      }
      const A sum = products.total(part);
      if (warp == 0 && exists) {
        A* to = t.down.at(row, own_token, head) + d;
        *to = (start == 0 ? A(0) : *to) + t.scale * sum;
      }
    }
  }
}

Sizes sizes_of(const Tensor& x, int64_t P) { return {.L = x.dim(1), .H = x.dim(2), .E = x.dim(3), .P = P}; }

/// A grid of x by y by z blocks.
dim3 grid_of(int64_t x, int64_t y, int64_t z) {
  require(y <= 65535 && z <= 65535, "cauchy", "rows times heads must be at most 65535 on CUDA, got ", y, " and ", z);
  return dim3(blocks(x, 1), static_cast<unsigned>(y), static_cast<unsigned>(z));
}
int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

}  // namespace

void cauchy_plan(const Tensor& a, const Tensor& b, const CauchyPlan& plan) {
  const size_t shared = static_cast<size_t>(a.dim(3)) * sizeof(double);
  require(shared <= 48 << 10, "cauchy", "E must be at most 6144 on CUDA, got ", a.dim(3));
  dispatch_float(a.dtype(), "cauchy", [&]<class A>() {
    if constexpr (std::is_same_v<A, Accumulator<A>>)
      plan_kernel<A><<<blocks(a.dim(0) * a.dim(2), 1), kThreads, shared, stream()>>>(Tokens<A>(a), Tokens<A>(b),
                                                                                     Plan<A>(plan), sizes_of(a, 1));
  });
}

void cauchy_collect(const Tensor& x, bool is_a, const Tensor& w, const CauchyPlan& plan, const Tensor& Z) {
  const Sizes s = sizes_of(x, w.dim(3));
  const dim3 grid = grid_of(x.dim(0) * s.H * s.E, parts(plan.J(), kTerms), parts(s.P, kChannels));
  dispatch_float(w.dtype(), "cauchy", [&]<class T>() {
    using A = Accumulator<T>;
    collect_kernel<T><<<grid, kThreads, 0, stream()>>>(Tokens<A>(x), is_a, Tokens<T>(w), Plan<A>(plan), Z.data<A>(), s);
  });
}

void cauchy_apply(const CauchySide& side, const CauchyPlan& plan, const Tensor& Z) {
  const Sizes s = sizes_of(side.own, side.w.dim(3));
  const int64_t tiles = parts(s.L, kTokens), matrices = side.own.dim(0) * s.H;
  dispatch_float(side.w.dtype(), "cauchy", [&]<class T>() {
    using A = Accumulator<T>;
    const Side<T> t(side);
    const Plan<A> p(plan);
    if (side.y.defined())
      apply_kernel<T><<<grid_of(tiles, matrices, parts(s.P, kChannels)), kThreads, 0, stream()>>>(t, p, Z.data<A>(), s);
    if (side.down.defined())
      slope_kernel<T><<<grid_of(tiles, matrices, 1), kThreads, 0, stream()>>>(t, p, Z.data<A>(), s);
  });
}

}  // namespace matmix::cuda
