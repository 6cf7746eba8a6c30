#include <algorithm>

#include "ops/elementwise/functors.h"
#include "ops/norm/norm_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"
#include "tensor/cuda/rows.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 128;

/// Calls f(j) for the first of every four columns that this thread owns.
template <class F>
__device__ void for_each_four(int64_t D, F&& f) {
  for (int64_t j = 4 * threadIdx.x; j < D; j += 4 * kThreads) f(j);
}

template <class A>
__device__ void times_silu(Four<A>& x, const Four<A>& gate) {
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] *= Silu::value(gate[i]);
}

template <class X, class Y, class R>
struct Forward {
  using A = Accumulator<X>;
  Rows<const X> x, gate;
  Rows<const R> residual;
  Rows<const A> weight, bias;
  Rows<Y> y;
  Rows<R> r;
  A *mean, *rstd;  // mean is null for kRms
  A eps;
  bool gate_first;

  Forward(const NormRule& rule, const NormForward& t)
      : x(t.x),
        gate(t.gate),
        residual(t.residual),
        weight(t.weight),
        bias(t.bias),
        y(t.y),
        r(t.r),
        mean(t.mean.defined() ? t.mean.data<A>() : nullptr),
        rstd(t.rstd.data<A>()),
        eps(static_cast<A>(rule.eps)),
        gate_first(rule.order == GateOrder::kBeforeNorm) {}

  /// What is normalised, as r rounds it; 0 past the end.
  __device__ Four<A> u(int64_t row, int64_t j) const {
    auto u = x.load(row, j);
    if (gate && gate_first) times_silu(u, gate.load(row, j));
    if (residual) {
      const auto more = residual.load(row, j);
#pragma unroll
      for (int i = 0; i < 4; ++i) u[i] = static_cast<A>(static_cast<R>(more[i] + u[i]));
    }
    return u;
  }
};

template <class A>
struct Statistics {
  A mean, variance;
};

/// Of a row times `scale`, the same in every thread; also writes r.
template <class X, class Y, class R, class A = Accumulator<X>>
__device__ Statistics<A> statistics(const Forward<X, Y, R>& t, int64_t row, A scale) {
  const int64_t D = t.x.columns;
  A mean = 0;
  if (t.mean) {
    A sum = 0;
    for_each_four(D, [&](int64_t j) {
      const auto u = t.u(row, j);
      sum += (u[0] * scale + u[1] * scale) + (u[2] * scale + u[3] * scale);
    });
    mean = block_sum<kThreads>(sum) / static_cast<A>(D);
  }
  A squares = 0;
  for_each_four(D, [&](int64_t j) {
    const auto u = t.u(row, j);
    if (t.r) t.r.store(row, j, u);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (j + i < D) squares += (u[i] * scale - mean) * (u[i] * scale - mean);
  });
  return {mean, block_sum<kThreads>(squares) / static_cast<A>(D)};
}

/// What brings a row near 1 whose squares leave the range.
template <class X, class Y, class R>
__device__ Accumulator<X> scale_of(const Forward<X, Y, R>& t, int64_t row) {
  Accumulator<X> largest = 0;
  for_each_four(t.x.columns, [&](int64_t j) {
    const auto u = t.u(row, j);
#pragma unroll
    for (int i = 0; i < 4; ++i) largest = Max{}(largest, std::fabs(u[i]));
  });
  return norm_scale(block_max<kThreads>(largest));
}

// Row norm: y = ((u - mean) rstd weight + bias) silu(gate), every part but rstd and weight optional.
// Owns:    block = 1 row; a thread owns four neighbours of every 512 columns.
// Traffic: reads x (residual, gate) and writes y (r) once; the second and third pass over the row hit the first cache.
//          Bound by memory.
// Syncs:   those of one (kRms) or two (kLayer) block sums.
// Numerics: statistics in float for BF16 and F32, the variance from differences; fixed order, so always the same bits.
//          A row whose squares leave the range is taken times a power of two, in two passes more.
template <class X, class Y, class R>
__global__ void __launch_bounds__(kThreads) forward_kernel(Forward<X, Y, R> t) {
  using A = Accumulator<X>;
  const int64_t row = blockIdx.x, D = t.x.columns;
  A scale = 1;
  Statistics<A> s = statistics(t, row, scale);
  if (!norm_in_range(s.variance, t.eps)) {
    scale = scale_of(t, row);
    s = statistics(t, row, scale);
  }
  const A mean = s.mean, rstd = 1 / sqrt(s.variance + t.eps * scale * scale);
  if (threadIdx.x == 0) {
    if (t.mean) t.mean[row] = mean / scale;
    t.rstd[row] = rstd * scale;
  }
  for_each_four(D, [&](int64_t j) {
    auto v = t.u(row, j);
    const auto weight = t.weight.load(0, j);
#pragma unroll
    for (int i = 0; i < 4; ++i) v[i] = (v[i] * scale - mean) * rstd * weight[i];
    if (t.bias) {
      const auto bias = t.bias.load(0, j);
#pragma unroll
      for (int i = 0; i < 4; ++i) v[i] += bias[i];
    }
    if (t.gate && !t.gate_first) times_silu(v, t.gate.load(row, j));
    t.y.store(row, j, v);
  });
}

template <class X, class Y, class U>
struct Backward {
  using A = Accumulator<X>;
  Rows<const U> u, dr;
  Rows<const X> gate;
  Rows<const Y> dy;
  Rows<const A> weight, bias;
  const A *mean, *rstd;
  Rows<X> dx, dgate;
  Rows<U> dresidual;
  Rows<A> dweight, dbias;
  int64_t rows, piece_rows;
  bool gate_first, sums_in_shared;

  Backward(const NormRule& rule, const NormBackward& t, bool in_shared)
      : u(t.u),
        dr(t.dr),
        gate(t.gate),
        dy(t.dy),
        weight(t.weight),
        bias(t.bias),
        mean(t.mean.defined() ? t.mean.data<A>() : nullptr),
        rstd(t.rstd.data<A>()),
        dx(t.dx),
        dgate(t.dgate),
        dresidual(t.dresidual),
        dweight(t.dweight),
        dbias(t.dbias),
        rows(t.u.dim(0)),
        piece_rows(norm_piece_rows(t.u.dim(0))),
        gate_first(rule.order == GateOrder::kBeforeNorm),
        sums_in_shared(in_shared) {}

  /// n = (u - mean) rstd at four columns, and dv, the gradient of v = n weight + bias, which is 0 past the end.
  struct Point {
    Four<A> n, dv;
  };
  __device__ Point at(int64_t row, int64_t j) const {
    Point p{u.load(row, j), dy.load(row, j)};
    if (gate) times_silu(gate_first ? p.n : p.dv, gate.load(row, j));
    const A m = mean ? mean[row] : A(0), s = rstd[row];
#pragma unroll
    for (int i = 0; i < 4; ++i) p.n[i] = (p.n[i] - m) * s;
    return p;
  }

  /// y = v silu(gate).
  __device__ void give_gate_after(int64_t row, int64_t j, const Four<A>& n) const {
    const auto g = gate.load(row, j), d = dy.load(row, j), w = weight.load(0, j);
    Four<A> out;
#pragma unroll
    for (int i = 0; i < 4; ++i) out[i] = d[i] * n[i] * w[i] * Silu::slope(g[i]);
    if (bias) {
      const auto b = bias.load(0, j);
#pragma unroll
      for (int i = 0; i < 4; ++i) out[i] += d[i] * b[i] * Silu::slope(g[i]);
    }
    dgate.store(row, j, out);
  }

  /// u = x silu(gate): turns du into dx.
  __device__ void pass_gate_before(int64_t row, int64_t j, Four<A>& du) const {
    const auto g = gate.load(row, j), x = u.load(row, j);
    if (dgate) {
      Four<A> out;
#pragma unroll
      for (int i = 0; i < 4; ++i) out[i] = du[i] * x[i] * Silu::slope(g[i]);
      dgate.store(row, j, out);
    }
    times_silu(du, g);
  }
};

// Gradient of the row norm: dn = dv weight; du = rstd (dn - mean(dn) - n mean(dn n)) + dr; dweight = sum dv n,
// dbias = sum dv.
// Owns:    block = one piece of consecutive rows, one after the other; a thread owns four neighbours of every 512
//          columns, and their sums of dweight and dbias over the piece.
// Tiles:   those sums lie in shared memory (2 D accumulators) where they fit, else in the piece's row of the result.
// Traffic: reads u, dy (gate, dr), writes dx (dresidual, dgate) once; the second pass over a row hits the first cache.
// Syncs:   those of two block sums a row. Sums need none: a thread reads only what it wrote.
// Numerics: float for BF16 and F32; rows in order within a piece, pieces summed in order later: always the same bits.
template <class X, class Y, class U>
__global__ void __launch_bounds__(kThreads) backward_kernel(Backward<X, Y, U> t) {
  using A = Accumulator<X>;
  extern __shared__ __align__(16) unsigned char shared[];
  const int64_t piece = blockIdx.x, D = t.u.columns, room = (D + 3) / 4 * 4;
  A* const in_shared = reinterpret_cast<A*>(shared);
  const auto sums = [&](const Rows<A>& out, A* place) {
    return out && t.sums_in_shared ? Rows<A>(place, 0, D) : Rows<A>(out.data + piece * out.stride, 0, D);
  };
  const Rows<A> dweight = sums(t.dweight, in_shared), dbias = sums(t.dbias, in_shared + (t.dweight ? room : 0));
  for_each_four(D, [&](int64_t j) {
    if (t.dweight) dweight.store(0, j, {});
    if (t.dbias) dbias.store(0, j, {});
  });

  const int64_t end = min(t.rows, (piece + 1) * t.piece_rows);
  for (int64_t row = piece * t.piece_rows; row < end; ++row) {
    A sum_dn = 0, sum_dn_n = 0;
    for_each_four(D, [&](int64_t j) {
      const auto p = t.at(row, j);
      if (t.dgate && !t.gate_first) t.give_gate_after(row, j, p.n);
      if (t.dweight) {
        auto sum = dweight.load(0, j);
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] += p.dv[i] * p.n[i];
        dweight.store(0, j, sum);
      }
      if (t.dbias) {
        auto sum = dbias.load(0, j);
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] += p.dv[i];
        dbias.store(0, j, sum);
      }
      const auto weight = t.weight.load(0, j);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sum_dn += p.dv[i] * weight[i];
        sum_dn_n += p.dv[i] * weight[i] * p.n[i];
      }
    });
    const A mean_dn = t.mean ? block_sum<kThreads>(sum_dn) / static_cast<A>(D) : A(0);
    const A mean_dn_n = block_sum<kThreads>(sum_dn_n) / static_cast<A>(D);
    for_each_four(D, [&](int64_t j) {
      const auto p = t.at(row, j);
      const auto weight = t.weight.load(0, j);
      Four<A> du;
#pragma unroll
      for (int i = 0; i < 4; ++i) du[i] = t.rstd[row] * (p.dv[i] * weight[i] - mean_dn - p.n[i] * mean_dn_n);
      if (t.dr) {
        const auto dr = t.dr.load(row, j);
#pragma unroll
        for (int i = 0; i < 4; ++i) du[i] += dr[i];
      }
      if (t.gate && t.gate_first) t.pass_gate_before(row, j, du);
      if (t.dx) t.dx.store(row, j, du);
      if (t.dresidual) t.dresidual.store(row, j, du);
    });
  }
  if (!t.sums_in_shared) return;
  for_each_four(D, [&](int64_t j) {
    if (t.dweight) t.dweight.store(piece, j, dweight.load(0, j));
    if (t.dbias) t.dbias.store(piece, j, dbias.load(0, j));
  });
}

/// Calls f.template operator()<A, B, C>() with the types: all double, or each float or bfloat16.
template <class F>
void dispatch_norm(DType a, DType b, DType c, F&& f) {
  if (a == DType::F64) return f.template operator()<double, double, double>();
  const auto narrow = [](DType dtype, auto&& g) {
    if (dtype == DType::F32)
      g.template operator()<float>();
    else
      g.template operator()<bfloat16>();
  };
  narrow(a, [&]<class A>() {
    narrow(b, [&]<class B>() { narrow(c, [&]<class C>() { f.template operator()<A, B, C>(); }); });
  });
}

}  // namespace

void norm_forward(const NormRule& rule, const NormForward& t) {
  const DType r = t.r.defined() ? t.r.dtype() : t.x.dtype();
  dispatch_norm(t.x.dtype(), t.y.dtype(), r, [&]<class X, class Y, class R>() {
    forward_kernel<<<blocks(t.x.dim(0), 1), kThreads, 0, stream()>>>(Forward<X, Y, R>(rule, t));
  });
}

void norm_backward(const NormRule& rule, const NormBackward& t) {
  constexpr size_t kShared = 48 << 10;
  dispatch_norm(t.x_dtype(), t.dy.dtype(), t.u.dtype(), [&]<class X, class Y, class U>() {
    const auto D = static_cast<size_t>(t.u.dim(1));
    const size_t sums = size_t{t.dweight.defined()} + size_t{t.dbias.defined()};
    const size_t bytes = sums * ((D + 3) / 4 * 4) * sizeof(Accumulator<X>);
    const bool in_shared = bytes <= kShared;
    backward_kernel<<<blocks(t.u.dim(0), norm_piece_rows(t.u.dim(0))), kThreads, in_shared ? bytes : 0, stream()>>>(
        Backward<X, Y, U>(rule, t, in_shared));
  });
}

}  // namespace matmix::cuda
