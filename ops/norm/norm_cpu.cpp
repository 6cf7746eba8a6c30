#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "ops/elementwise/functors.h"
#include "ops/norm/norm_kernels.h"
#include "ops/reduce/row_cpu.h"
#include "tensor/parallel.h"
#include "tensor/wide.h"

namespace matmix::cpu {
namespace {

/// The rows of a [rows, D] tensor as A: in their place where they are that, else through `buffer`. Empty if undefined.
template <class A>
class Rows {
 public:
  explicit Rows(const Tensor& x, A* buffer = nullptr) : buffer_(buffer) {
    if (!x.defined()) return;
    dtype_ = x.dtype();
    check_wide<A>(dtype_, "norm");
    D_ = x.dim(1);
    first_ = static_cast<std::byte*>(x.raw());
    bytes_ = x.stride(0) * static_cast<int64_t>(size_of(dtype_));
  }

  explicit operator bool() const { return first_ != nullptr; }
  const A* read(int64_t i) const { return static_cast<const A*>(widened(dtype_, at(i), 1, D_, buffer_)); }
  void load(int64_t i, A* to) const {
    const A* const from = static_cast<const A*>(widened(dtype_, at(i), 1, D_, to));
    if (from != to) std::copy_n(from, D_, to);
  }
  /// Where to write row i, which `written` then rounds to what the tensor holds.
  A* place(int64_t i) const { return is_wide(dtype_) ? static_cast<A*>(at(i)) : buffer_; }
  void written(int64_t i) const {
    if (!is_wide(dtype_)) narrow(dtype_, buffer_, D_, at(i), 1);
  }
  void write(int64_t i, const A* values) const { narrow(dtype_, values, D_, at(i), 1); }

 private:
  void* at(int64_t i) const { return first_ + i * bytes_; }

  A* buffer_;
  DType dtype_ = DType::F32;
  int64_t D_ = 0, bytes_ = 0;
  std::byte* first_ = nullptr;
};

template <class A>
A* vector(const Tensor& x) {
  return x.defined() ? x.data<A>() : nullptr;
}

template <class A>
void add(int64_t D, const A* __restrict__ x, A* __restrict__ to) {
  for (int64_t j = 0; j < D; ++j) to[j] += x[j];
}
template <class A>
void times_silu(int64_t D, const A* __restrict__ gate, A* __restrict__ u) {
  for (int64_t j = 0; j < D; ++j) u[j] *= Silu::value(gate[j]);
}

/// dgate = d value silu'(gate); d *= silu(gate).
template <class A>
void pass_gate(int64_t D, const A* __restrict__ gate, const A* __restrict__ value, A* __restrict__ d,
               A* __restrict__ dgate) {
  for (int64_t j = 0; j < D; ++j) {
    dgate[j] = d[j] * value[j] * Silu::slope(gate[j]);
    d[j] *= Silu::value(gate[j]);
  }
}

/// Calls f(piece, first row, end) for the pieces of the rows, over the threads.
template <class F>
void for_each_piece(int64_t rows, int64_t D, F&& f) {
  constexpr int64_t kWorth = 16;
  const int64_t height = norm_piece_rows(rows);
  parallel_for((rows + height - 1) / height, rows * D * kWorth,
               [&](int64_t piece) { f(piece, piece * height, std::min(rows, (piece + 1) * height)); });
}

/// Buffers of D for a thread.
template <class A>
class Scratch {
 public:
  Scratch(int64_t count, int64_t D) : D_(D), values_(static_cast<size_t>(count * D)) {}
  A* operator[](int64_t k) { return values_.data() + k * D_; }

 private:
  int64_t D_;
  std::vector<A> values_;
};

/// What one row needs, in the letters of the header.
template <class A>
class ForwardRow {
 public:
  ForwardRow(const NormRule& rule, const NormForward& t)
      : rule_(rule),
        t_(t),
        D_(t.x.dim(1)),
        scratch_(2, D_),
        x_(t.x),
        gate_(t.gate, scratch_[1]),
        residual_(t.residual, scratch_[1]),
        r_(t.r),
        y_(t.y, scratch_[0]) {}

  void operator()(int64_t i) {
    A* const u = y_.place(i);
    x_.load(i, u);
    if (gate_ && rule_.order == GateOrder::kBeforeNorm) times_silu(D_, gate_.read(i), u);
    if (residual_) add_residual(i, u);
    normalise(i, u);
    if (gate_ && rule_.order == GateOrder::kAfterNorm) times_silu(D_, gate_.read(i), u);
    y_.written(i);
  }

 private:
  /// r = residual + u, and u as r rounds it: what backward will see.
  void add_residual(int64_t i, A* u) const {
    add(D_, residual_.read(i), u);
    r_.write(i, u);
    r_.load(i, u);
  }

  struct Statistics {
    A mean, variance;
  };
  Statistics statistics(const A* __restrict__ u) const {
    const A D = static_cast<A>(D_);
    const A mean = rule_.kind == NormKind::kLayer ? sum_of<A>(D_, [&](int64_t j) { return u[j]; }) / D : A(0);
    return {mean, sum_of<A>(D_, [&](int64_t j) { return (u[j] - mean) * (u[j] - mean); }) / D};
  }

  /// A row whose squares leave the range is brought near 1 first, by a power of two.
  void normalise(int64_t i, A* __restrict__ u) const {
    A eps = static_cast<A>(rule_.eps), scale = 1;
    Statistics s = statistics(u);
    if (!norm_in_range(s.variance, eps)) {
      A largest = 0;
      for (int64_t j = 0; j < D_; ++j) largest = std::max(largest, std::abs(u[j]));
      scale = norm_scale(largest);
      for (int64_t j = 0; j < D_; ++j) u[j] *= scale;
      eps = eps * scale * scale;
      s = statistics(u);
    }
    const A mean = s.mean, rstd = 1 / std::sqrt(s.variance + eps);
    if (rule_.kind == NormKind::kLayer) t_.mean.data<A>()[i] = mean / scale;
    t_.rstd.data<A>()[i] = rstd * scale;

    const A* __restrict__ weight = t_.weight.data<A>();
    for (int64_t j = 0; j < D_; ++j) u[j] = (u[j] - mean) * rstd * weight[j];
    if (const A* bias = vector<A>(t_.bias)) add(D_, bias, u);
  }

  const NormRule& rule_;
  const NormForward& t_;
  int64_t D_;
  Scratch<A> scratch_;
  Rows<A> x_, gate_, residual_, r_, y_;
};

/// n = (u - mean) rstd;  v = n weight + bias;  d starts as dy and becomes dv, dn and du in turn.
template <class A>
class BackwardRow {
 public:
  /// dweight and dbias are added to, or null.
  BackwardRow(const NormRule& rule, const NormBackward& t, A* dweight, A* dbias)
      : rule_(rule),
        t_(t),
        D_(t.u.dim(1)),
        dweight_(dweight),
        dbias_(dbias),
        scratch_(5, D_),
        u_(t.u, scratch_[2]),
        gate_(t.gate, scratch_[3]),
        dy_(t.dy),
        dr_(t.dr, scratch_[2]),
        dgate_(t.dgate, scratch_[4]),
        dx_(t.dx),
        dresidual_(t.dresidual) {}

  void operator()(int64_t i) {
    A *const n = scratch_[0], *const d = scratch_[1];
    const bool gate_first = gate_ && rule_.order == GateOrder::kBeforeNorm, gate_last = gate_ && !gate_first;
    u_.load(i, n);
    if (gate_first) times_silu(D_, gate_.read(i), n);
    const A mean = rule_.kind == NormKind::kLayer ? t_.mean.data<A>()[i] : A(0), rstd = t_.rstd.data<A>()[i];
    for (int64_t j = 0; j < D_; ++j) n[j] = (n[j] - mean) * rstd;

    dy_.load(i, d);
    if (gate_last) pass_gate_after(i, n, d);
    add_sums(n, d);
    to_du(rstd, n, d);
    if (dr_) add(D_, dr_.read(i), d);
    if (gate_first) pass(i, u_.read(i), d);
    if (dx_) dx_.write(i, d);
    if (dresidual_) dresidual_.write(i, d);
  }

 private:
  /// y = v silu(gate).
  void pass_gate_after(int64_t i, const A* __restrict__ n, A* __restrict__ d) {
    const A* __restrict__ weight = t_.weight.data<A>();
    A* __restrict__ v = scratch_[2];
    for (int64_t j = 0; j < D_; ++j) v[j] = n[j] * weight[j];
    if (const A* bias = vector<A>(t_.bias)) add(D_, bias, v);
    pass(i, v, d);
  }

  void pass(int64_t i, const A* __restrict__ value, A* __restrict__ d) const {
    if (!dgate_) return times_silu(D_, gate_.read(i), d);
    pass_gate(D_, gate_.read(i), value, d, dgate_.place(i));
    dgate_.written(i);
  }

  void add_sums(const A* __restrict__ n, const A* __restrict__ d) const {
    if (A* __restrict__ dweight = dweight_)
      for (int64_t j = 0; j < D_; ++j) dweight[j] += d[j] * n[j];
    if (dbias_) add(D_, d, dbias_);
  }

  void to_du(A rstd, const A* __restrict__ n, A* __restrict__ d) const {
    const A* __restrict__ weight = t_.weight.data<A>();
    for (int64_t j = 0; j < D_; ++j) d[j] *= weight[j];
    const bool is_layer = rule_.kind == NormKind::kLayer;
    const A mean_d = is_layer ? sum_of<A>(D_, [&](int64_t j) { return d[j]; }) / static_cast<A>(D_) : A(0);
    const A mean_dn = sum_of<A>(D_, [&](int64_t j) { return d[j] * n[j]; }) / static_cast<A>(D_);
    for (int64_t j = 0; j < D_; ++j) d[j] = rstd * (d[j] - mean_d - n[j] * mean_dn);
  }

  const NormRule& rule_;
  const NormBackward& t_;
  int64_t D_;
  A *dweight_, *dbias_;
  Scratch<A> scratch_;
  Rows<A> u_, gate_, dy_, dr_, dgate_, dx_, dresidual_;
};

/// Row `piece` of [pieces, D] sums, set to 0; null if it is undefined.
template <class A>
A* sums_of(const Tensor& x, int64_t piece) {
  if (!x.defined()) return nullptr;
  A* const sums = x.data<A>() + piece * x.stride(0);
  std::fill_n(sums, x.dim(1), A(0));
  return sums;
}

}  // namespace

void norm_forward(const NormRule& rule, const NormForward& t) {
  dispatch_wide(t.x.dtype(), "norm", [&]<class A>() {
    for_each_piece(t.x.dim(0), t.x.dim(1), [&](int64_t, int64_t begin, int64_t end) {
      ForwardRow<A> one_row(rule, t);
      for (int64_t i = begin; i < end; ++i) one_row(i);
    });
  });
}

void norm_backward(const NormRule& rule, const NormBackward& t) {
  dispatch_wide(t.x_dtype(), "norm", [&]<class A>() {
    for_each_piece(t.u.dim(0), t.u.dim(1), [&](int64_t piece, int64_t begin, int64_t end) {
      BackwardRow<A> one_row(rule, t, sums_of<A>(t.dweight, piece), sums_of<A>(t.dbias, piece));
      for (int64_t i = begin; i < end; ++i) one_row(i);
    });
  });
}

}  // namespace matmix::cpu
