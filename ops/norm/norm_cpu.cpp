#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/elementwise/functors.h"
#include "ops/norm/norm_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

/// Row i of a [rows, D] tensor; null if it is undefined.
template <class T>
T* row(const Tensor& x, int64_t i) {
  return x.defined() ? x.data<T>() + i * x.stride(0) : nullptr;
}
/// A [D] or [rows] tensor; null if it is undefined.
template <class T>
T* vector(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

/// sum of f(j) over [0, n): sixteen interleaved sums, so that the additions do not wait for each other, in fixed order.
template <class A, class F>
A sum_over(int64_t n, F&& f) {
  constexpr int64_t kLanes = 16;
  A lanes[kLanes] = {}, sum = 0;
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(j + lane);
  for (; j < n; ++j) lanes[j % kLanes] += f(j);
  for (const A lane : lanes) sum += lane;
  return sum;
}

template <class A, class X>
void load(int64_t D, const X* __restrict__ x, A* __restrict__ u) {
  for (int64_t j = 0; j < D; ++j) u[j] = static_cast<A>(x[j]);
}
template <class A, class X>
void store(int64_t D, const A* __restrict__ u, X* __restrict__ x) {
  for (int64_t j = 0; j < D; ++j) x[j] = static_cast<X>(u[j]);
}
template <class A, class X>
void times_silu(int64_t D, const X* __restrict__ gate, A* __restrict__ u) {
  for (int64_t j = 0; j < D; ++j) u[j] *= Silu::value(static_cast<A>(gate[j]));
}

/// dgate = d value silu'(gate), value a function of the column; d *= silu(gate).
template <class A, class X, class F>
void pass_gate(int64_t D, const X* __restrict__ gate, F value, A* __restrict__ d, X* __restrict__ dgate) {
  if (!dgate) return times_silu(D, gate, d);
  for (int64_t j = 0; j < D; ++j) {
    const A g = static_cast<A>(gate[j]), s = math::sigmoid(g);
    dgate[j] = static_cast<X>(d[j] * value(j) * (s + g * s * (1 - s)));
    d[j] *= g * s;
  }
}

/// What one row needs, in the letters of the header.
template <class X, class Y, class R>
struct ForwardRow {
  using A = Accumulator<X>;
  const NormRule& rule;
  const NormForward& t;
  int64_t D = t.x.dim(1);
  bool is_layer = rule.kind == NormKind::kLayer, gate_first = rule.order == GateOrder::kBeforeNorm;

  void operator()(int64_t i, A* __restrict__ u) const {
    const X* const gate = row<X>(t.gate, i);
    load(D, row<X>(t.x, i), u);
    if (gate && gate_first) times_silu(D, gate, u);
    if (const R* const residual = row<R>(t.residual, i)) add(residual, u, row<R>(t.r, i));

    const A mean = is_layer ? sum_over<A>(D, [&](int64_t j) { return u[j]; }) / static_cast<A>(D) : A(0);
    const A variance = sum_over<A>(D, [&](int64_t j) { return (u[j] - mean) * (u[j] - mean); }) / static_cast<A>(D);
    const A rstd = 1 / std::sqrt(variance + static_cast<A>(rule.eps));
    if (is_layer) t.mean.data<A>()[i] = mean;
    t.rstd.data<A>()[i] = rstd;

    const A* __restrict__ weight = t.weight.data<A>();
    const A* __restrict__ bias = vector<A>(t.bias);
    for (int64_t j = 0; j < D; ++j) u[j] = (u[j] - mean) * rstd * weight[j];
    if (bias)
      for (int64_t j = 0; j < D; ++j) u[j] += bias[j];
    if (gate && !gate_first) times_silu(D, gate, u);
    store(D, u, row<Y>(t.y, i));
  }

  /// r = residual + u, and u as r rounds it: what backward will see.
  void add(const R* __restrict__ residual, A* __restrict__ u, R* __restrict__ r) const {
    for (int64_t j = 0; j < D; ++j) {
      r[j] = static_cast<R>(static_cast<A>(residual[j]) + u[j]);
      u[j] = static_cast<A>(r[j]);
    }
  }
};

/// n = (u - mean) rstd;  v = n weight + bias;  d starts as dy and becomes dv, dn and du in turn.
template <class X, class Y, class U>
struct BackwardRow {
  using A = Accumulator<X>;
  const NormRule& rule;
  const NormBackward& t;
  int64_t D = t.u.dim(1);
  bool is_layer = rule.kind == NormKind::kLayer, gate_first = rule.order == GateOrder::kBeforeNorm;

  /// n and d are rows of D to work in; dweight and dbias are added to, or null.
  void operator()(int64_t i, A* __restrict__ n, A* __restrict__ d, A* __restrict__ dweight,
                  A* __restrict__ dbias) const {
    const X* __restrict__ gate = row<X>(t.gate, i);
    const A* __restrict__ weight = t.weight.data<A>();
    const A mean = is_layer ? t.mean.data<A>()[i] : A(0), rstd = t.rstd.data<A>()[i];
    load(D, row<U>(t.u, i), n);
    if (gate && gate_first) times_silu(D, gate, n);
    for (int64_t j = 0; j < D; ++j) n[j] = (n[j] - mean) * rstd;
    load(D, row<Y>(t.dy, i), d);

    if (gate && !gate_first) pass_gate_after(i, gate, n, d);
    if (dweight)
      for (int64_t j = 0; j < D; ++j) dweight[j] += d[j] * n[j];
    if (dbias)
      for (int64_t j = 0; j < D; ++j) dbias[j] += d[j];

    for (int64_t j = 0; j < D; ++j) d[j] *= weight[j];
    const A mean_d = is_layer ? sum_over<A>(D, [&](int64_t j) { return d[j]; }) / static_cast<A>(D) : A(0);
    const A mean_dn = sum_over<A>(D, [&](int64_t j) { return d[j] * n[j]; }) / static_cast<A>(D);
    for (int64_t j = 0; j < D; ++j) d[j] = rstd * (d[j] - mean_d - n[j] * mean_dn);

    if (const U* __restrict__ dr = row<U>(t.dr, i))
      for (int64_t j = 0; j < D; ++j) d[j] += static_cast<A>(dr[j]);
    if (gate && gate_first) pass_gate_before(i, gate, d);
    if (t.dx.defined()) store(D, d, row<X>(t.dx, i));
    if (t.dresidual.defined()) store(D, d, row<U>(t.dresidual, i));
  }

  /// y = v silu(gate).
  void pass_gate_after(int64_t i, const X* __restrict__ gate, const A* __restrict__ n, A* __restrict__ d) const {
    const A* __restrict__ weight = t.weight.data<A>();
    X* const dgate = row<X>(t.dgate, i);
    if (const A* __restrict__ bias = vector<A>(t.bias))
      pass_gate(
          D, gate, [=](int64_t j) { return n[j] * weight[j] + bias[j]; }, d, dgate);
    else
      pass_gate(
          D, gate, [=](int64_t j) { return n[j] * weight[j]; }, d, dgate);
  }

  /// u = x silu(gate).
  void pass_gate_before(int64_t i, const X* __restrict__ gate, A* __restrict__ d) const {
    const U* __restrict__ x = row<U>(t.u, i);
    pass_gate(
        D, gate, [=](int64_t j) { return static_cast<A>(x[j]); }, d, row<X>(t.dgate, i));
  }
};

/// Calls f(piece, first row, end) for the pieces of the rows, over the threads.
template <class F>
void for_each_piece(int64_t rows, int64_t D, F&& f) {
  constexpr int64_t kWorth = 16;
  const int64_t height = norm_piece_rows(rows);
  parallel_for((rows + height - 1) / height, rows * D * kWorth,
               [&](int64_t piece) { f(piece, piece * height, std::min(rows, (piece + 1) * height)); });
}

}  // namespace

void norm_forward(const NormRule& rule, const NormForward& t) {
  const DType r = t.r.defined() ? t.r.dtype() : t.x.dtype();
  dispatch_norm(t.x.dtype(), t.y.dtype(), r, [&]<class X, class Y, class R>() {
    const ForwardRow<X, Y, R> one_row{rule, t};
    for_each_piece(t.x.dim(0), t.x.dim(1), [&](int64_t, int64_t begin, int64_t end) {
      std::vector<Accumulator<X>> u(static_cast<size_t>(t.x.dim(1)));
      for (int64_t i = begin; i < end; ++i) one_row(i, u.data());
    });
  });
}

void norm_backward(const NormRule& rule, const NormBackward& t) {
  dispatch_norm(t.x_dtype(), t.dy.dtype(), t.u.dtype(), [&]<class X, class Y, class U>() {
    using A = Accumulator<X>;
    const int64_t D = t.u.dim(1);
    const BackwardRow<X, Y, U> one_row{rule, t};
    for_each_piece(t.u.dim(0), D, [&](int64_t piece, int64_t begin, int64_t end) {
      std::vector<A> n(static_cast<size_t>(D)), d(static_cast<size_t>(D));
      A* const dweight = row<A>(t.dweight, piece);
      A* const dbias = row<A>(t.dbias, piece);
      for (A* const sums : {dweight, dbias})
        if (sums) std::fill(sums, sums + D, A(0));
      for (int64_t i = begin; i < end; ++i) one_row(i, n.data(), d.data(), dweight, dbias);
    });
  });
}

}  // namespace matmix::cpu
