#include <algorithm>
#include <tuple>
#include <utility>

#include "ops/elementwise/elementwise_kernels.h"
#include "ops/elementwise/strided.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kUnit = 16384;  // elements that a thread takes at a time
constexpr int64_t kBlock = 256;   // elements that are gathered at a time: buffers stay in the first-level cache
constexpr int64_t kWorth = 4;     // scalar operations that an element counts for

/// What a functor sees of a T.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;

/// n elements, `step` apart, as dense Wide numbers: where they are, or in buffer.
template <class T>
const Wide<T>* gathered(const T* x, int64_t step, int64_t n, Wide<T>* __restrict__ buffer) {
  if (step == 1) {
    if constexpr (std::is_same_v<T, Wide<T>>) return x;
    for (int64_t i = 0; i < n; ++i) buffer[i] = x[i];
  } else if (step == 0) {
    std::fill_n(buffer, n, static_cast<Wide<T>>(*x));
  } else {
    for (int64_t i = 0; i < n; ++i) buffer[i] = x[i * step];
  }
  return buffer;
}

/// Not zeroed, as a member of a tuple otherwise would be.
template <class T>
struct Buffer {
  Wide<T> at[kBlock];
  Buffer() {}  // NOLINT
};

template <class T>
void scatter(const Wide<T>* __restrict__ buffer, int64_t step, int64_t n, T* y) {
  if (step == 1)
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(buffer[i]);
  else
    for (int64_t i = 0; i < n; ++i) y[i * step] = static_cast<T>(buffer[i]);
}

/// out[i] = f(in[i]...): the loop that vectorises, one a functor for float and one for double. The walk around it knows
/// only the types, and calls it through a pointer: fifty functors share one walk.
template <class Out, class... In>
using Loop = void (*)(const void* functor, int64_t n, Out* out, const In*... in);

template <class F, class Out, class... In>
struct LoopOf {
  static void run(const void* functor, int64_t n, Out* __restrict__ out, const In* __restrict__... in) {
    const F f = *static_cast<const F*>(functor);
    for (int64_t i = 0; i < n; ++i) out[i] = f(in[i]...);
  }
};

template <class Out, class... In>
struct Walker {
  static constexpr size_t kTensors = 1 + sizeof...(In);
  Loop<Wide<Out>, Wide<In>...> loop;
  const void* functor;
  Strided<kTensors> walk;
  std::array<int64_t, kTensors> steps;  // strides of the last axis

  /// n elements of one row.
  template <size_t... I>
  void row(std::index_sequence<I...>, int64_t n, Out* out, const In*... in) const {
    Buffer<Out> result;
    std::tuple<Buffer<In>...> buffers;
    for (int64_t start = 0; start < n; start += kBlock) {
      const int64_t m = std::min(kBlock, n - start);
      const bool in_place = std::is_same_v<Out, Wide<Out>> && steps[0] == 1;
      Wide<Out>* to = in_place ? reinterpret_cast<Wide<Out>*>(out + start) : result.at;
      loop(functor, m, to, gathered(in + start * steps[1 + I], steps[1 + I], m, std::get<I>(buffers).at)...);
      if (!in_place) scatter(result.at, steps[0], m, out + start * steps[0]);
    }
  }

  /// Everything, in units of about kUnit elements whatever the thread count.
  template <size_t... I>
  void run(std::index_sequence<I...> inputs, Out* out, const In*... in) const {
    const int64_t n = walk.shape.numel(), C = walk.shape[walk.last()], R = n / C;
    const int64_t cols = std::min(C, kUnit), rows = std::min(R, kUnit / cols);
    const int64_t col_units = (C + cols - 1) / cols, row_units = (R + rows - 1) / rows;
    parallel_for(row_units * col_units, n * kWorth, [&](int64_t unit) {
      const int64_t c = unit % col_units * cols, first = unit / col_units * rows;
      for (int64_t r = first; r < std::min(R, first + rows); ++r) {
        const auto at = walk.offsets(r);
        row(inputs, std::min(cols, C - c), out + at[0] + c * steps[0], in + at[1 + I] + c * steps[1 + I]...);
      }
    });
  }
};

/// out = f(in...) element by element; Out and In are the element types.
template <class Out, class... In, class F, class... Tensors>
void apply(F f, const Tensor& out, const Tensors&... in) {
  if (out.numel() == 0) return;
  Walker<Out, In...> walker{LoopOf<F, Wide<Out>, Wide<In>...>::run,
                            &f,
                            collapse<1 + sizeof...(In)>(out.shape(), {out.strides(), in.strides()...}),
                            {}};
  for (size_t k = 0; k < walker.kTensors; ++k) walker.steps[k] = walker.walk.strides[k][walker.walk.last()];
  walker.run(std::index_sequence_for<In...>(), out.data<Out>(), static_cast<const In*>(in.template data<In>())...);
}

}  // namespace

void unary_forward(int map, const Tensor& x, const Tensor& y) {
  UnaryMaps::dispatch(map, [&]<class F>() {
    dispatch_float(x.dtype(), "unary", [&]<class T>() { apply<T, T>(UnaryValue<F>{}, y, x); });
  });
}

void unary_backward(int map, const Tensor& kept, const Tensor& dy, const Tensor& dx) {
  UnaryMaps::dispatch(map, [&]<class F>() {
    dispatch_float(dx.dtype(), "unary", [&]<class T>() { apply<T, T, T>(UnaryGradient<F>{}, dx, kept, dy); });
  });
}

void affine(double scale, double shift, const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "affine", [&]<class T>() { apply<T, T>(Affine{scale, shift}, y, x); });
}

void binary_forward(int map, const Tensor& a, const Tensor& b, const Tensor& y) {
  BinaryMaps::dispatch(map, [&]<class F>() {
    dispatch_float(y.dtype(), "binary", [&]<class T>() { apply<T, T, T>(BinaryValue<F>{}, y, a, b); });
  });
}

void binary_backward(int gradient, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx) {
  BinaryGradients::dispatch(gradient, [&]<class Gradient>() {
    dispatch_float(dy.dtype(), "binary", [&]<class T>() {
      if (dx.dtype() == dy.dtype()) return apply<T, T, T, T>(Gradient{}, dx, a, b, dy);
      apply<Accumulator<T>, T, T, T>(Gradient{}, dx, a, b, dy);
    });
  });
}

void where(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y) {
  dispatch_float(y.dtype(), "where", [&]<class T>() { apply<T, bool, T, T>(Choice{}, y, condition, a, b); });
}

}  // namespace matmix::cpu
