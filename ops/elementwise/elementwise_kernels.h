#pragma once

#include "ops/elementwise/functors.h"
#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Functors by number: how a kernel row is told which map to run.
template <class... F>
struct Maps {
  template <class Map>
  static constexpr int id() {
    int i = 0;
    (void)((std::is_same_v<Map, F> || (++i, false)) || ...);
    return i;
  }
  /// Calls f.template operator()<F>() with the functor of that number.
  template <class Function>
  static void dispatch(int id, Function&& f) {
    int i = 0;
    (void)((i++ == id && (f.template operator()<F>(), true)) || ...);
  }
};
/// What the kernels do to one element of each input.
template <class F>
struct UnaryValue {
  HOST_DEVICE auto operator()(auto x) const { return F::value(x); }
};
template <class F>
struct UnaryGradient {
  HOST_DEVICE auto operator()(auto kept, auto dy) const { return F::slope(kept) * dy; }
};
template <class F>
struct BinaryValue {
  HOST_DEVICE auto operator()(auto a, auto b) const { return F::value(a, b); }
};
template <class F>
struct GradientOfA {
  HOST_DEVICE auto operator()(auto a, auto b, auto dy) const { return F::slope_a(a, b) * dy; }
};
template <class F>
struct GradientOfB {
  HOST_DEVICE auto operator()(auto a, auto b, auto dy) const { return F::slope_b(a, b) * dy; }
};
using UnaryMaps =
    Maps<Exp, Log, Sqrt, Rsqrt, Square, Reciprocal, Abs, Sin, Cos, Tanh, Sigmoid, Softplus, Relu, Silu, Gelu>;
using BinaryMaps =
    Maps<Add, Sub, Mul, Div, Maximum, Minimum, Gated<Sigmoid>, Gated<Relu>, Gated<Silu>, Gated<Gelu>, Gated<Tanh>>;
using BinaryGradients =
    Maps<GradientOfA<Mul>, GradientOfB<Mul>, GradientOfA<Div>, GradientOfB<Div>, GradientOfA<Maximum>,
         GradientOfB<Maximum>, GradientOfA<Minimum>, GradientOfB<Minimum>, GradientOfA<Gated<Sigmoid>>,
         GradientOfB<Gated<Sigmoid>>, GradientOfA<Gated<Relu>>, GradientOfB<Gated<Relu>>, GradientOfA<Gated<Silu>>,
         GradientOfB<Gated<Silu>>, GradientOfA<Gated<Gelu>>, GradientOfB<Gated<Gelu>>, GradientOfA<Gated<Tanh>>,
         GradientOfB<Gated<Tanh>>>;

struct Affine {
  double scale, shift;
  template <class T>
  HOST_DEVICE T operator()(T x) const {
    return static_cast<T>(scale) * x + static_cast<T>(shift);
  }
};
struct Choice {
  HOST_DEVICE auto operator()(bool condition, auto a, auto b) const { return condition ? a : b; }
};

// `map` and `gradient` are numbers in the lists above. Shapes are equal, dtypes too (but condition is Bool, and dx of
// binary_backward may be F32 for BF16); any strides.
// Outputs must not overlap inputs.
using UnaryForwardEntry = void(int map, const Tensor& x, const Tensor& y);
using UnaryBackwardEntry = void(int map, const Tensor& kept, const Tensor& dy, const Tensor& dx);
using AffineEntry = void(double scale, double shift, const Tensor& x, const Tensor& y);
using BinaryForwardEntry = void(int map, const Tensor& a, const Tensor& b, const Tensor& y);
using BinaryBackwardEntry = void(int gradient, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx);
using WhereEntry = void(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y);
namespace cpu {
UnaryForwardEntry unary_forward;
UnaryBackwardEntry unary_backward;
AffineEntry affine;
BinaryForwardEntry binary_forward;
BinaryBackwardEntry binary_backward;
WhereEntry where;
}  // namespace cpu
namespace cuda {
UnaryForwardEntry unary_forward;
UnaryBackwardEntry unary_backward;
AffineEntry affine;
BinaryForwardEntry binary_forward;
BinaryBackwardEntry binary_backward;
WhereEntry where;
}  // namespace cuda
inline constexpr Kernel kUnaryForward{"unary_forward", cpu::unary_forward, IF_CUDA(cuda::unary_forward)};
inline constexpr Kernel kUnaryBackward{"unary_backward", cpu::unary_backward, IF_CUDA(cuda::unary_backward)};
inline constexpr Kernel kAffine{"affine", cpu::affine, IF_CUDA(cuda::affine)};
inline constexpr Kernel kBinaryForward{"binary_forward", cpu::binary_forward, IF_CUDA(cuda::binary_forward)};
inline constexpr Kernel kBinaryBackward{"binary_backward", cpu::binary_backward, IF_CUDA(cuda::binary_backward)};
inline constexpr Kernel kWhere{"where", cpu::where, IF_CUDA(cuda::where)};

}  // namespace matmix
