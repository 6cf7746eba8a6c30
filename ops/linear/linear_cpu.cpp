#include <algorithm>

#include "ops/elementwise/functors.h"
#include "ops/linear/linear_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

/// Calls f(row) for all rows of N values, a handful at a time over the threads.
template <class F>
void for_each_row(int64_t rows, int64_t N, F&& f) {
  constexpr int64_t kValues = 16384, kWorth = 8;
  const int64_t height = std::max<int64_t>(1, kValues / std::max<int64_t>(1, N));
  parallel_for((rows + height - 1) / height, rows * N * kWorth, [&](int64_t piece) {
    for (int64_t row = piece * height; row < std::min(rows, (piece + 1) * height); ++row) f(row);
  });
}

template <class F, class T>
void forward_row(const T* u, const Accumulator<T>* __restrict__ bias, T* y, int64_t N) {
  for (int64_t j = 0; j < N; ++j) y[j] = static_cast<T>(F::value(static_cast<Accumulator<T>>(u[j]) + bias[j]));
}

template <class F, class T>
void backward_row(const T* __restrict__ dy, const T* __restrict__ kept, const Accumulator<T>* __restrict__ bias,
                  T* __restrict__ du, int64_t N) {
  using A = Accumulator<T>;
  for (int64_t j = 0; j < N; ++j) {
    A at = static_cast<A>(kept[j]);
    if constexpr (F::kKeeps == Keeps::kInput) at += bias[j];
    du[j] = static_cast<T>(static_cast<A>(dy[j]) * F::slope(at));
  }
}

}  // namespace

void bias_act_forward(const Tensor& u, const Tensor& bias, Activation act, const Tensor& y) {
  dispatch_float(u.dtype(), "linear", [&]<class T>() {
    const auto of_row = dispatch_activation(act, []<class F>() { return &forward_row<F, T>; });
    for_each_row(u.dim(0), u.dim(1), [&](int64_t row) {
      of_row(u.data<T>() + row * u.stride(0), bias.data<Accumulator<T>>(), y.data<T>() + row * y.stride(0), u.dim(1));
    });
  });
}

void bias_act_backward(const Tensor& dy, const Tensor& kept, const Tensor& bias, Activation act, const Tensor& du) {
  dispatch_float(dy.dtype(), "linear", [&]<class T>() {
    const Accumulator<T>* const b = bias.defined() ? bias.data<Accumulator<T>>() : nullptr;
    const auto of_row = dispatch_activation(act, []<class F>() { return &backward_row<F, T>; });
    for_each_row(dy.dim(0), dy.dim(1), [&](int64_t row) {
      of_row(dy.data<T>() + row * dy.stride(0), kept.data<T>() + row * kept.stride(0), b,
             du.data<T>() + row * du.stride(0), dy.dim(1));
    });
  });
}

}  // namespace matmix::cpu
