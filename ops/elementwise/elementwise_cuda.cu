#include <utility>

#include "ops/elementwise/elementwise_kernels.h"
#include "ops/elementwise/strided.h"
#include "tensor/cuda/launch.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;

/// W neighbours, moved by one instruction.
template <class T, int W>
struct alignas(sizeof(T) * W) Pack {
  T at[W];
};

template <int W, class T>
__device__ Pack<T, W> load(const T* x, int64_t step) {
  if (W > 1 && step == 1) return *reinterpret_cast<const Pack<T, W>*>(x);
  Pack<T, W> out;
#pragma unroll
  for (int w = 0; w < W; ++w) out.at[w] = x[W > 1 ? 0 : w * step];
  return out;
}

__device__ float widen(bfloat16 x) { return x; }
__device__ float widen(float x) { return x; }
__device__ double widen(double x) { return x; }
__device__ bool widen(bool x) { return x; }

template <int W, class F, class Out, class... In>
__device__ void store(F f, Out* y, const Pack<In, W>&... in) {
  Pack<Out, W> out;
#pragma unroll
  for (int w = 0; w < W; ++w) out.at[w] = static_cast<Out>(f(widen(in.at[w])...));
  *reinterpret_cast<Pack<Out, W>*>(y) = out;
}

template <int W, class F, class Out, class... In, size_t... I>
__device__ void map_pack(std::index_sequence<I...>, F f, const Strided<1 + sizeof...(In)>& walk, int64_t row,
                         int64_t col, Out* out, const In*... in) {
  const auto at = walk.offsets(row);
  const auto step = [&](size_t k) { return walk.strides[k][walk.last()]; };
  store<W>(f, out + at[0] + col * step(0), load<W>(in + at[1 + I] + col * step(1 + I), step(1 + I))...);
}

// Pointwise map of strided tensors.    out[i] = f(in[i]...) for every index i of the walk
// Owns:    thread = W neighbours of the last axis: 16 bytes of the output, or one element (W = 1) where alignment, an
// odd
//          size or strides ask for it. An input that is broadcast along the last axis is read as one number.
// Traffic: reads each input once, writes out once; one 32-bit division an axis but the first: bound by memory.
// Syncs:   none.                        Numerics: in float for F32 and BF16, in double for F64.
// Requires: at least one element; for W > 1 steps of the last axis 1 (inputs: or 0), other strides multiples of W.
template <int W, class F, class Out, class... In>
__global__ void __launch_bounds__(kThreads)
    map_kernel(F f, const Strided<1 + sizeof...(In)> walk, int64_t packs, Out* out, const In*... in) {
  const int64_t pack = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pack >= packs) return;
  const int64_t per_row = walk.shape[walk.last()] / W, row = walk.last() > 0 ? divide(pack, per_row) : 0;
  map_pack<W>(std::index_sequence_for<In...>(), f, walk, row, (pack - row * per_row) * W, out, in...);
}

/// Whether tensor k of the walk can be moved in packs of W.
template <int W, class T, size_t N>
bool packs_fit(const Strided<N>& walk, size_t k, const T* x) {
  const int64_t step = walk.strides[k][walk.last()];
  if (step == 0 && k > 0) return true;
  bool fit = step == 1 && reinterpret_cast<uintptr_t>(x) % sizeof(Pack<T, W>) == 0;
  for (int axis = 0; axis < walk.last(); ++axis) fit &= walk.strides[k][axis] % W == 0;
  return fit;
}

/// out = f(in...) element by element; Out and In are the element types.
template <class Out, class... In, class F, class... Tensors>
void apply(F f, const Tensor& out, const Tensors&... in) {
  if (out.numel() == 0) return;
  constexpr int W = 16 / sizeof(Out);
  const auto walk = collapse<1 + sizeof...(In)>(out.shape(), {out.strides(), in.strides()...});
  size_t k = 0;
  bool packs = walk.shape[walk.last()] % W == 0 && packs_fit<W>(walk, k, out.data<Out>());
  ((packs = packs && packs_fit<W>(walk, ++k, in.template data<In>())), ...);
  const int64_t n = out.numel();
  if (packs)
    map_kernel<W, F, Out, In...><<<blocks(n / W, kThreads), kThreads, 0, stream()>>>(f, walk, n / W, out.data<Out>(),
                                                                                     in.template data<In>()...);
  else
    map_kernel<1, F, Out, In...>
        <<<blocks(n, kThreads), kThreads, 0, stream()>>>(f, walk, n, out.data<Out>(), in.template data<In>()...);
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

}  // namespace matmix::cuda
