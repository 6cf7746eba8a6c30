#include <algorithm>

#include "ops/conv1d/conv1d_kernels.h"
#include "ops/elementwise/functors.h"
#include "tensor/create.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kLanes = 64;  // channels at a time: their sums stay in the first cache

template <class T>
using Sums = Accumulator<T>;

/// Tokens [begin, end) of one run, which is tokens [run_begin, run_end) of row `row`.
struct Stretch {
  int64_t row, begin, end, run_begin, run_end;
};

/// The runs cut where the flat batch is, every kConv1dPiece tokens: what each piece holds, in order.
std::vector<std::vector<Stretch>> pieces_of(const Runs& runs) {
  const int64_t tokens = runs.B() * runs.L();
  std::vector<std::vector<Stretch>> pieces(static_cast<size_t>((tokens + kConv1dPiece - 1) / kConv1dPiece));
  for (const Run& r : runs.all()) {
    const int64_t run_end = r.start + r.length;
    for (int64_t i = r.start, end; i < run_end; i = end) {
      const int64_t flat = r.row * runs.L() + i;
      end = std::min(run_end, i + kConv1dPiece - flat % kConv1dPiece);
      pieces[static_cast<size_t>(flat / kConv1dPiece)].push_back({r.row, i, end, r.start, run_end});
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

/// A [B, L, C] tensor with dense rows.
template <class T>
struct Rows {
  explicit Rows(const Tensor& x) : data(x.data<T>()), row(x.stride(0)), token(x.stride(1)) {}
  T* at(int64_t b, int64_t i) const { return data + b * row + i * token; }
  T* data;
  int64_t row, token;
};

/// Taps [first, last) of token i lie in its run.
struct TapRange {
  TapRange(const Stretch& s, int64_t i, int64_t left, int64_t width)
      : first(std::max<int64_t>(0, s.run_begin - (i - left))), last(std::min(width, s.run_end - (i - left))) {}
  int64_t first, last;
};

/// u[c] for `lanes` channels from c on: bias plus the taps that lie in the run.
template <class T>
void correlate(const Rows<T>& x, const Tensor& taps, const Sums<T>* bias, const Stretch& s, int64_t i, int64_t left,
               int64_t c, int64_t lanes, Sums<T>* __restrict__ u) {
  const TapRange range(s, i, left, taps.dim(0));
  for (int64_t l = 0; l < lanes; ++l) u[l] = bias[c + l];
  for (int64_t k = range.first; k < range.last; ++k) {
    const T* __restrict__ in = x.at(s.row, i + k - left) + c;
    const Sums<T>* __restrict__ w = taps.data<Sums<T>>() + k * taps.dim(1) + c;
    for (int64_t l = 0; l < lanes; ++l) u[l] += w[l] * static_cast<Sums<T>>(in[l]);
  }
}

/// Calls f(stretch, i, c, lanes, acted) over the threads for every token and block of channels, which the activation
/// covers or not.
template <class F>
void for_each_block(const Runs& runs, int64_t C, int64_t act_channels, int64_t worth, F&& f) {
  for_each_piece(runs, worth, [&](int64_t, const std::vector<Stretch>& stretches) {
    const auto channels = [&](int64_t begin, int64_t end, auto acted) {
      for (int64_t c = begin; c < end; c += kLanes)
        for (const Stretch& s : stretches)
          for (int64_t i = s.begin; i < s.end; ++i) f(s, i, c, std::min(kLanes, end - c), acted);
    };
    channels(0, act_channels, std::true_type());
    channels(act_channels, C, std::false_type());
  });
}

void clear_padding(const Tensor& y, const Runs& runs) {
  if (!runs.is_full()) fill(y, 0);
}

int64_t worth(const Tensor& x, const Tensor& taps) { return x.numel() * 2 * taps.dim(0); }

}  // namespace

void conv1d_forward(const Tensor& x, const Tensor& taps, const Tensor& bias, const Conv1dTaps& g, const Runs& runs,
                    const Tensor& y) {
  clear_padding(y, runs);
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    dispatch_activation(g.act, [&]<class F>() {
      const Rows<T> in(x), out(y);
      const auto block = [&](const Stretch& s, int64_t i, int64_t c, int64_t lanes, auto acted) {
        Sums<T> u[kLanes];
        correlate(in, taps, bias.data<Sums<T>>(), s, i, g.left, c, lanes, u);
        T* __restrict__ to = out.at(s.row, i) + c;
        for (int64_t l = 0; l < lanes; ++l) to[l] = static_cast<T>(acted ? F::value(u[l]) : u[l]);
      };
      for_each_block(runs, x.dim(2), g.act_channels, worth(x, taps), block);
    });
  });
}

void conv1d_slope(const Tensor& x, const Tensor& taps, const Tensor& bias, const Conv1dTaps& g, const Runs& runs,
                  const Tensor& dy, const Tensor& du) {
  clear_padding(du, runs);
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    dispatch_activation(g.act, [&]<class F>() {
      const Rows<T> in(x), from(dy), out(du);
      const auto block = [&](const Stretch& s, int64_t i, int64_t c, int64_t lanes, auto acted) {
        Sums<T> u[kLanes];
        if constexpr (acted) correlate(in, taps, bias.data<Sums<T>>(), s, i, g.left, c, lanes, u);
        const T* __restrict__ d = from.at(s.row, i) + c;
        T* __restrict__ to = out.at(s.row, i) + c;
        for (int64_t l = 0; l < lanes; ++l) {
          const Sums<T> slope = acted ? Sums<T>(slope_at<F>(u[l])) : Sums<T>(1);
          to[l] = static_cast<T>(static_cast<Sums<T>>(d[l]) * slope);
        }
      };
      for_each_block(runs, x.dim(2), g.act_channels, worth(x, taps), block);
    });
  });
}

void conv1d_tap_sums(const Tensor& x, const Tensor& du, const Conv1dTaps& g, const Runs& runs, const Tensor& partial) {
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    using S = Sums<T>;
    const Rows<T> in(x), from(du);
    const int64_t C = x.dim(2), width = partial.dim(1) - 1;
    const auto add_token = [&](const Stretch& s, int64_t i, int64_t c, int64_t lanes, S* sums) {
      const T* __restrict__ d = from.at(s.row, i) + c;
      const TapRange range(s, i, g.left, width);
      for (int64_t k = range.first; k < range.last; ++k) {
        const T* __restrict__ at = in.at(s.row, i + k - g.left) + c;
        S* __restrict__ sum = sums + k * C;
        for (int64_t l = 0; l < lanes; ++l) sum[l] += static_cast<S>(d[l]) * static_cast<S>(at[l]);
      }
      S* __restrict__ total = sums + width * C;
      for (int64_t l = 0; l < lanes; ++l) total[l] += static_cast<S>(d[l]);
    };
    for_each_piece(runs, x.numel() * 2 * (width + 1), [&](int64_t p, const std::vector<Stretch>& stretches) {
      S* const sums = partial.data<S>() + p * (width + 1) * C;
      std::fill(sums, sums + (width + 1) * C, S(0));
      for (int64_t c = 0; c < C; c += kLanes)
        for (const Stretch& s : stretches)
          for (int64_t i = s.begin; i < s.end; ++i) add_token(s, i, c, std::min(kLanes, C - c), sums + c);
    });
  });
}

}  // namespace matmix::cpu
