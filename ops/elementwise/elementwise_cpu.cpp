#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "ops/elementwise/elementwise_kernels.h"
#include "ops/elementwise/strided.h"
#include "tensor/parallel.h"
#include "tensor/wide.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kUnit = 16384;  // elements that a thread takes at a time
constexpr int64_t kBlock = 256;   // elements that are widened at a time: buffers stay in the first-level cache
constexpr int64_t kWorth = 4;     // scalar operations that an element counts for
constexpr size_t kMost = 4;       // tensors in one call

/// out[i] = f(in[i]...): the loop that vectorises, one a functor for float and one for double. All around it knows no
/// types and calls it through a pointer: fifty functors share one walk.
using Loop = void (*)(const void* functor, int64_t n, void* out, const std::array<const void*, kMost>& in);

template <class F, class Out, class... In>
struct LoopOf {
  static void run(const void* functor, int64_t n, void* out, const std::array<const void*, kMost>& in) {
    [&]<size_t... I>(std::index_sequence<I...>) {
      dense(*static_cast<const F*>(functor), n, static_cast<Out*>(out), static_cast<const In*>(in[1 + I])...);
    }
    (std::index_sequence_for<In...>());
  }
  static void dense(const F f, int64_t n, Out* __restrict__ out, const In* __restrict__... in) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(in[i]...);
  }
};

/// out and its inputs, in this order; those that are not there take no steps.
struct Walker {
  Loop loop;
  const void* functor;
  size_t count;
  std::array<DType, kMost> dtypes;
  std::array<std::byte*, kMost> first;
  Strided<kMost> walk;

  int64_t step(size_t k) const { return walk.strides[k][walk.last()]; }
  std::byte* at(size_t k, int64_t offset) const { return first[k] + offset * static_cast<int64_t>(size_of(dtypes[k])); }
  bool writes_in_place() const { return step(0) == 1 && is_wide(dtypes[0]); }

  /// n elements of one row, which starts at these distances from the first elements.
  void row(int64_t n, std::array<int64_t, kMost> offsets) const {
    alignas(64) std::byte buffers[kMost][kBlock * sizeof(double)];
    std::array<const void*, kMost> in;
    for (int64_t m = 0; n > 0; n -= m) {
      m = std::min(kBlock, n);
      for (size_t k = 1; k < count; ++k) in[k] = widened(dtypes[k], at(k, offsets[k]), step(k), m, buffers[k]);
      std::byte* const out = at(0, offsets[0]);
      if (writes_in_place()) {
        loop(functor, m, out, in);
      } else {
        loop(functor, m, buffers[0], in);
        narrow(dtypes[0], buffers[0], m, out, step(0));
      }
      for (size_t k = 0; k < count; ++k) offsets[k] += m * step(k);
    }
  }

  /// Everything, in units of about kUnit elements whatever the thread count.
  void run() const {
    const int64_t n = walk.shape.numel(), C = walk.shape[walk.last()], R = n / C;
    const int64_t cols = std::min(C, kUnit), rows = std::min(R, kUnit / cols);
    const int64_t col_units = (C + cols - 1) / cols, row_units = (R + rows - 1) / rows;
    parallel_for(row_units * col_units, n * kWorth, [&](int64_t unit) {
      const int64_t c = unit % col_units * cols, first_row = unit / col_units * rows;
      for (int64_t r = first_row; r < std::min(R, first_row + rows); ++r) {
        auto offsets = walk.offsets(r);
        for (size_t k = 0; k < count; ++k) offsets[k] += c * step(k);
        row(std::min(cols, C - c), offsets);
      }
    });
  }
};

/// out = f(in...) element by element; Out and In are what f sees of the element types.
template <class Out, class... In, class F, class... Tensors>
void apply(F f, const Tensor& out, const Tensors&... in) {
  check_wide<Out>(out.dtype(), "elementwise");
  (check_wide<In>(in.dtype(), "elementwise"), ...);
  if (out.numel() == 0) return;
  Walker{.loop = LoopOf<F, Out, In...>::run,
         .functor = &f,
         .count = 1 + sizeof...(In),
         .dtypes = {out.dtype(), in.dtype()...},
         .first = {static_cast<std::byte*>(out.raw()), static_cast<std::byte*>(in.raw())...},
         .walk = collapse<kMost>(out.shape(), {out.strides(), in.strides()...})}
      .run();
}

}  // namespace

void unary_forward(int map, const Tensor& x, const Tensor& y) {
  UnaryMaps::dispatch(map, [&]<class F>() {
    dispatch_wide(x.dtype(), "unary", [&]<class A>() { apply<A, A>(UnaryValue<F>{}, y, x); });
  });
}

void unary_backward(int map, const Tensor& kept, const Tensor& dy, const Tensor& dx) {
  UnaryMaps::dispatch(map, [&]<class F>() {
    dispatch_wide(dx.dtype(), "unary", [&]<class A>() { apply<A, A, A>(UnaryGradient<F>{}, dx, kept, dy); });
  });
}

void affine(double scale, double shift, const Tensor& x, const Tensor& y) {
  dispatch_wide(x.dtype(), "affine", [&]<class A>() { apply<A, A>(Affine{scale, shift}, y, x); });
}

void binary_forward(int map, const Tensor& a, const Tensor& b, const Tensor& y) {
  BinaryMaps::dispatch(map, [&]<class F>() {
    dispatch_wide(y.dtype(), "binary", [&]<class A>() { apply<A, A, A>(BinaryValue<F>{}, y, a, b); });
  });
}

void binary_backward(int gradient, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx) {
  BinaryGradients::dispatch(gradient, [&]<class Gradient>() {
    dispatch_wide(dy.dtype(), "binary", [&]<class A>() { apply<A, A, A, A>(Gradient{}, dx, a, b, dy); });
  });
}

void where(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y) {
  dispatch_wide(y.dtype(), "where", [&]<class A>() { apply<A, bool, A, A>(Choice{}, y, condition, a, b); });
}

}  // namespace matmix::cpu
