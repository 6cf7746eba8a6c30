#include <algorithm>

#include "ops/conv1d/conv1d_kernels.h"
#include "ops/elementwise/functors.h"
#include "tensor/create.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kBlock = 256;  // channels at a time: what the taps of a token read stays in the first cache
constexpr int64_t kTokens = 4;   // neighbours at a time

/// Tokens [begin, end) of a run [run_begin, run_end), counted through the batch.
struct Stretch {
  int64_t begin, end, run_begin, run_end;
};

/// The runs cut every kConv1dPiece tokens: what each piece holds, in order.
std::vector<std::vector<Stretch>> pieces_of(const Runs& runs) {
  const int64_t tokens = runs.B() * runs.L();
  std::vector<std::vector<Stretch>> pieces(static_cast<size_t>((tokens + kConv1dPiece - 1) / kConv1dPiece));
  for (const Run& r : runs.all()) {
    const int64_t run_begin = r.row * runs.L() + r.start, run_end = run_begin + r.length;
    for (int64_t begin = run_begin, end; begin < run_end; begin = end) {
      const int64_t piece = begin / kConv1dPiece;
      end = std::min(run_end, (piece + 1) * kConv1dPiece);
      pieces[static_cast<size_t>(piece)].push_back({begin, end, run_begin, run_end});
    }
  }
  return pieces;
}

/// Calls f(piece, its stretches) over the threads.
template <class F>
void for_each_piece(const Runs& runs, int64_t worth, F&& f) {
  const auto pieces = pieces_of(runs);
  parallel_for(static_cast<int64_t>(pieces.size()), worth, [&](int64_t p) { f(p, pieces[static_cast<size_t>(p)]); });
}

/// A place in a stretch: tokens [i, i + tokens), at most kTokens, and channels [c, c + n), at most kBlock.
struct Place {
  Stretch stretch;
  int64_t i, tokens, c, n;
};

/// Calls f(place) for all of channels [begin, end) of kTokens tokens, then of the next.
template <class F>
void for_each_place(const std::vector<Stretch>& stretches, int64_t C, F&& f) {
  for (const Stretch& s : stretches)
    for (int64_t i = s.begin; i < s.end; i += kTokens)
      for (int64_t c = 0; c < C; c += kBlock) f(Place{s, i, std::min(kTokens, s.end - i), c, std::min(kBlock, C - c)});
}

/// What the taps of kTokens neighbours reach: row r is token i - left + r, or zeros outside [begin, end).
template <class T>
class Reach {
 public:
  Reach(const Tensor& x, int64_t left, int64_t width)
      : x_(x.data<T>()),
        stride_(x.stride(0)),
        left_(left),
        rows_(static_cast<size_t>(width + kTokens - 1)),
        zeros_(kBlock) {}

  const T* const* operator()(int64_t i, int64_t c, int64_t begin, int64_t end) {
    int64_t j = i - left_;
    for (const T*& row : rows_) {
      row = j >= begin && j < end ? x_ + j * stride_ + c : zeros_.data();
      ++j;
    }
    return rows_.data();
  }

 private:
  const T* x_;
  int64_t stride_, left_;
  std::vector<const T*> rows_;
  std::vector<T> zeros_;
};

/// Tap k of channel c at first[k * step + c].
template <class A>
struct Taps {
  const A *first, *bias;
  int64_t width, step;

  explicit Taps(const Conv1dRule& rule)
      : first(rule.taps.data<A>()), bias(rule.bias.data<A>()), width(rule.taps.dim(0)), step(rule.taps.dim(1)) {
    if (!rule.reversed) return;
    first += (width - 1) * step;
    step = -step;
  }
};

/// u[t] = bias + sum_k taps[k] x[t + k] over n channels from c on for kTokens neighbours t, k in order: a tap that is
/// loaded serves them all.
template <int kWidth, class T, class A = Accumulator<T>>
void correlate_unrolled(const T* const* rows, const Taps<A>& w, int64_t c, int64_t n, A (*__restrict__ u)[kBlock]) {
  const T* x[kWidth + kTokens - 1];
  std::copy(rows, rows + kWidth + kTokens - 1, x);
  const A* __restrict__ taps = w.first + c, * __restrict__ bias = w.bias + c;
  const int64_t step = w.step;
  for (int64_t j = 0; j < n; ++j) {
    A sums[kTokens];
    for (int t = 0; t < kTokens; ++t) sums[t] = bias[j];
    for (int k = 0; k < kWidth; ++k)
      for (int t = 0; t < kTokens; ++t) sums[t] += taps[k * step + j] * static_cast<A>(x[t + k][j]);
    for (int t = 0; t < kTokens; ++t) u[t][j] = sums[t];
  }
}

/// The same for any width.
template <class T, class A = Accumulator<T>>
void correlate_any(const T* const* rows, const Taps<A>& w, int64_t c, int64_t n, A (*__restrict__ u)[kBlock]) {
  for (int t = 0; t < kTokens; ++t) {
    std::copy(w.bias + c, w.bias + c + n, u[t]);
    for (int64_t k = 0; k < w.width; ++k) {
      const T* const x = rows[t + k];
      const A* const tap = w.first + k * w.step + c;
      for (int64_t j = 0; j < n; ++j) u[t][j] += tap[j] * static_cast<A>(x[j]);
    }
  }
}

template <class T>
auto correlation(int64_t width) {
  switch (width) {
    case 3: return correlate_unrolled<3, T>;
    case 4: return correlate_unrolled<4, T>;
    case 5: return correlate_unrolled<5, T>;
    case 7: return correlate_unrolled<7, T>;
    default: return correlate_any<T>;
  }
}

/// Calls f(place, t, u, n) with the sums u of each token i + t of a place over the threads. The first n of its channels
/// are acted on.
template <class T, class F>
void for_each_sum(const Tensor& x, const Conv1dRule& rule, const Runs& runs, F&& f) {
  using A = Accumulator<T>;
  const Taps<A> taps(rule);
  const auto correlate = correlation<T>(taps.width);
  const int64_t C = x.dim(1), worth = x.numel() * 2 * (taps.width + 4);
  for_each_piece(runs, worth, [&](int64_t, const std::vector<Stretch>& stretches) {
    Reach<T> reach(x, rule.left, taps.width);
    for_each_place(stretches, C, [&](const Place& p) {
      A u[kTokens][kBlock];
      correlate(reach(p.i, p.c, p.stretch.run_begin, p.stretch.run_end), taps, p.c, p.n, u);
      const int64_t acted = std::clamp<int64_t>(rule.act_channels - p.c, 0, p.n);
      for (int64_t t = 0; t < p.tokens; ++t) f(p, t, u[t], acted);
    });
  });
}

/// The first `acted` of n sums through F, the others as they are.
template <class F, class T, class A = Accumulator<T>>
void act_on(const A* __restrict__ u, int64_t acted, int64_t n, T* __restrict__ y) {
  for (int64_t j = 0; j < acted; ++j) y[j] = static_cast<T>(F::value(u[j]));
  for (int64_t j = acted; j < n; ++j) y[j] = static_cast<T>(u[j]);
}
/// Their gradient: du = dy F'(u), or dy.
template <class F, class T, class A = Accumulator<T>>
void slope_of(const A* __restrict__ u, int64_t acted, int64_t n, const T* __restrict__ dy, T* __restrict__ du) {
  for (int64_t j = 0; j < acted; ++j) du[j] = static_cast<T>(static_cast<A>(dy[j]) * slope_at<F>(u[j]));
  std::copy(dy + acted, dy + n, du + acted);
}

void clear_padding(const Tensor& y, const Runs& runs) {
  if (!runs.is_full()) fill(y, 0);
}

/// sums[k] += sum_t du[t] x[t + k] over n channels for kTokens neighbours t, and sums[width] += sum_t du[t].
template <class T, class A = Accumulator<T>>
void add_taps(const T* const* du, const T* const* x, int64_t C, int64_t n, int64_t width, A* __restrict__ sums) {
  static_assert(kTokens == 4);
  const T *const d0 = du[0], *const d1 = du[1], *const d2 = du[2], *const d3 = du[3];
  const auto term = [](const T* d, const T* in, int64_t j) { return static_cast<A>(d[j]) * static_cast<A>(in[j]); };
  for (int64_t k = 0; k < width; ++k) {
    const T *const x0 = x[k], *const x1 = x[k + 1], *const x2 = x[k + 2], *const x3 = x[k + 3];
    for (int64_t j = 0; j < n; ++j)
      sums[k * C + j] += (term(d0, x0, j) + term(d1, x1, j)) + (term(d2, x2, j) + term(d3, x3, j));
  }
  const auto wide = [](const T* d, int64_t j) { return static_cast<A>(d[j]); };
  for (int64_t j = 0; j < n; ++j) sums[width * C + j] += (wide(d0, j) + wide(d1, j)) + (wide(d2, j) + wide(d3, j));
}

}  // namespace

void conv1d_forward(const Tensor& x, const Conv1dRule& rule, const Runs& runs, const Tensor& y) {
  clear_padding(y, runs);
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    using A = Accumulator<T>;
    T* const out = y.data<T>();
    const int64_t stride = y.stride(0);
    const auto act = dispatch_activation(rule.act, []<class F>() { return &act_on<F, T>; });
    for_each_sum<T>(x, rule, runs, [&](const Place& p, int64_t t, const A* u, int64_t acted) {
      act(u, acted, p.n, out + (p.i + t) * stride + p.c);
    });
  });
}

void conv1d_slope(const Tensor& x, const Conv1dRule& rule, const Runs& runs, const Tensor& dy, const Tensor& du) {
  clear_padding(du, runs);
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    using A = Accumulator<T>;
    const T* const in = dy.data<T>();
    T* const out = du.data<T>();
    const int64_t in_stride = dy.stride(0), out_stride = du.stride(0);
    const auto slope = dispatch_activation(rule.act, []<class F>() { return &slope_of<F, T>; });
    for_each_sum<T>(x, rule, runs, [&](const Place& p, int64_t t, const A* u, int64_t acted) {
      slope(u, acted, p.n, in + (p.i + t) * in_stride + p.c, out + (p.i + t) * out_stride + p.c);
    });
  });
}

void conv1d_tap_sums(const Tensor& x, const Tensor& du, int64_t left, const Runs& runs, const Tensor& partial) {
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    using A = Accumulator<T>;
    const int64_t C = x.dim(1), width = partial.dim(1) - 1;
    A* const all = partial.data<A>();
    for_each_piece(runs, x.numel() * 2 * (width + 1), [&](int64_t piece, const std::vector<Stretch>& stretches) {
      A* const sums = all + piece * (width + 1) * C;
      std::fill(sums, sums + (width + 1) * C, A(0));
      Reach<T> reach(x, left, width), here(du, 0, 1);
      for_each_place(stretches, C, [&](const Place& p) {
        add_taps(here(p.i, p.c, p.i, p.i + p.tokens), reach(p.i, p.c, p.stretch.run_begin, p.stretch.run_end), C, p.n,
                 width, sums + p.c);
      });
    });
  });
}

}  // namespace matmix::cpu
