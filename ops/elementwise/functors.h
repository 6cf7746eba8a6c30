#pragma once

#include <cmath>
#include <utility>

#include "ops/elementwise/activation.h"
#include "ops/elementwise/vector_math.h"
#include "tensor/dtype.h"
#include "tensor/error.h"

// The pointwise maps, each with its derivative beside it: shared by the CPU, CUDA, forward, backward and the fused ops.
// Arguments are float (for F32 and BF16) or double (for F64).
namespace matmix {

/// What a slope is a function of, so what backward keeps: the input, the output, or nothing (a constant slope).
enum class Keeps { kNothing, kInput, kOutput };

struct Identity {
  static constexpr Keeps kKeeps = Keeps::kNothing;
  HOST_DEVICE static auto value(auto x) { return x; }
  HOST_DEVICE static auto slope(auto) { return 1; }
};
struct Exp {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  HOST_DEVICE static auto value(auto x) { return math::exp(x); }
  HOST_DEVICE static auto slope(auto y) { return y; }
};
struct Log {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return std::log(x); }
  HOST_DEVICE static auto slope(auto x) { return 1 / x; }
};
struct Sqrt {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  HOST_DEVICE static auto value(auto x) { return std::sqrt(x); }
  HOST_DEVICE static auto slope(auto y) { return 0.5f / y; }
};
struct Rsqrt {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  HOST_DEVICE static auto value(auto x) { return 1 / std::sqrt(x); }
  HOST_DEVICE static auto slope(auto y) { return -0.5f * y * y * y; }
};
struct Square {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return x * x; }
  HOST_DEVICE static auto slope(auto x) { return 2 * x; }
};
struct Reciprocal {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  HOST_DEVICE static auto value(auto x) { return 1 / x; }
  HOST_DEVICE static auto slope(auto y) { return -y * y; }
};
struct Abs {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return std::fabs(x); }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return x != x ? x : T((x > 0) - (x < 0));
  }
};
struct Sin {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return std::sin(x); }
  HOST_DEVICE static auto slope(auto x) { return std::cos(x); }
};
struct Cos {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return std::cos(x); }
  HOST_DEVICE static auto slope(auto x) { return -std::sin(x); }
};
struct Tanh {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  HOST_DEVICE static auto value(auto x) { return math::tanh(x); }
  HOST_DEVICE static auto slope(auto y) { return 1 - y * y; }
};
struct Sigmoid {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  HOST_DEVICE static auto value(auto x) { return math::sigmoid(x); }
  HOST_DEVICE static auto slope(auto y) { return y * (1 - y); }
};
struct Softplus {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return math::softplus(x); }
  HOST_DEVICE static auto slope(auto x) { return math::sigmoid(x); }
};
struct Relu {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  HOST_DEVICE static auto value(auto x) { return x < 0 ? 0 : x; }  // NaN stays NaN
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return y != y ? y : T(y > 0);
  }
};
/// x, infinities as finite numbers: their product with a weight that has reached 0 is 0, the limit, and not NaN.
template <class T>
HOST_DEVICE T finite_below(T x) {
  return x < T(-1e30f) ? T(-1e30f) : x;
}
template <class T>
HOST_DEVICE T finite(T x) {
  return x > T(1e30f) ? T(1e30f) : finite_below(x);
}

struct Silu {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return finite_below(x) * math::sigmoid(x); }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    const T s = math::sigmoid(x);
    return s + finite(x) * s * (1 - s);
  }
};
struct Gelu {
  static constexpr Keeps kKeeps = Keeps::kInput;
  HOST_DEVICE static auto value(auto x) { return finite_below(x) * math::normal_cdf(x); }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return math::normal_cdf(x) + finite(x) * T(0.39894228040143267794) * math::exp(x * x * T(-0.5));
  }
};
struct Add {
  HOST_DEVICE static auto value(auto a, auto b) { return a + b; }
};
struct Sub {
  HOST_DEVICE static auto value(auto a, auto b) { return a - b; }
};
struct Mul {
  HOST_DEVICE static auto value(auto a, auto b) { return a * b; }
  HOST_DEVICE static auto slope_a(auto, auto b) { return b; }
  HOST_DEVICE static auto slope_b(auto a, auto) { return a; }
};
struct Div {
  HOST_DEVICE static auto value(auto a, auto b) { return a / b; }
  HOST_DEVICE static auto slope_a(auto, auto b) { return 1 / b; }
  HOST_DEVICE static auto slope_b(auto a, auto b) { return -a / (b * b); }
};
struct Maximum {
  HOST_DEVICE static auto value(auto a, auto b) { return a >= b || a != a ? a : b; }
  template <class T>
  HOST_DEVICE static T slope_a(T a, T b) {
    return a != a ? a : T(a >= b);
  }
  template <class T>
  HOST_DEVICE static T slope_b(T a, T b) {
    return a != a ? T(0) : b != b ? b : T(a < b);
  }
};
struct Minimum {
  HOST_DEVICE static auto value(auto a, auto b) { return a <= b || a != a ? a : b; }
  template <class T>
  HOST_DEVICE static T slope_a(T a, T b) {
    return a != a ? a : T(a <= b);
  }
  template <class T>
  HOST_DEVICE static T slope_b(T a, T b) {
    return a != a ? T(0) : b != b ? b : T(a > b);
  }
};

/// F'(x) where only x is at hand, whatever F's slope is stated in.
template <class F, class T>
HOST_DEVICE T slope_at(T x) {
  if constexpr (F::kKeeps == Keeps::kOutput)
    return F::slope(F::value(x));
  else
    return F::slope(x);
}

/// a F(b): a gated linear unit.
template <class F>
struct Gated {
  HOST_DEVICE static auto value(auto a, auto b) { return a * F::value(b); }
  HOST_DEVICE static auto slope_a(auto, auto b) { return F::value(b); }
  HOST_DEVICE static auto slope_b(auto a, auto b) { return a * slope_at<F>(b); }
};

/// Calls f.template operator()<F>() with the functor of an activation, Identity for kNone.
template <class Function>
decltype(auto) dispatch_activation(Activation activation, Function&& f) {
  switch (activation) {
    case Activation::kNone: return f.template operator()<Identity>();
    case Activation::kRelu: return f.template operator()<Relu>();
    case Activation::kSilu: return f.template operator()<Silu>();
    case Activation::kGelu: return f.template operator()<Gelu>();
    case Activation::kTanh: return f.template operator()<Tanh>();
  }
  fail("activation", "must be one of the enumeration, got ", static_cast<int>(activation));
}

}  // namespace matmix
