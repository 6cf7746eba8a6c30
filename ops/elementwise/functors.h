#pragma once

#include <cmath>
#include <utility>

#include "ops/elementwise/activation.h"
#include "ops/elementwise/vector_math.h"
#include "tensor/dtype.h"
#include "tensor/error.h"

// The pointwise maps, each with its derivative beside it, for the CPU, CUDA, forward, backward and the fused ops.
// T is float (for F32 and BF16) or double (for F64).
namespace matmix {

/// What a slope is a function of, so what backward keeps: the input, the output, or nothing (a constant slope).
enum class Keeps { kNothing, kInput, kOutput };

struct Identity {
  static constexpr Keeps kKeeps = Keeps::kNothing;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return x;
  }
  template <class T>
  HOST_DEVICE static T slope(T) {
    return 1;
  }
};
struct Neg {
  static constexpr Keeps kKeeps = Keeps::kNothing;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return -x;
  }
  template <class T>
  HOST_DEVICE static T slope(T) {
    return -1;
  }
};
struct Exp {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return math::exp(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return y;
  }
};
struct Log {
  static constexpr Keeps kKeeps = Keeps::kInput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return std::log(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return 1 / x;
  }
};
struct Sqrt {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return std::sqrt(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return T(0.5) / y;
  }
};
struct Rsqrt {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return 1 / std::sqrt(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return T(-0.5) * y * y * y;
  }
};
struct Square {
  static constexpr Keeps kKeeps = Keeps::kInput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return x * x;
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return 2 * x;
  }
};
struct Reciprocal {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return 1 / x;
  }
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return -y * y;
  }
};
struct Abs {
  static constexpr Keeps kKeeps = Keeps::kInput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return std::fabs(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return static_cast<T>((x > 0) - (x < 0));
  }
};
struct Sin {
  static constexpr Keeps kKeeps = Keeps::kInput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return std::sin(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return std::cos(x);
  }
};
struct Cos {
  static constexpr Keeps kKeeps = Keeps::kInput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return std::cos(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return -std::sin(x);
  }
};
struct Tanh {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return math::tanh(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return 1 - y * y;
  }
};
struct Sigmoid {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return math::sigmoid(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return y * (1 - y);
  }
};
struct Softplus {
  static constexpr Keeps kKeeps = Keeps::kInput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return math::softplus(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return math::sigmoid(x);
  }
};
struct Relu {
  static constexpr Keeps kKeeps = Keeps::kOutput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return x < 0 ? T(0) : x;
  }  // NaN stays NaN
  template <class T>
  HOST_DEVICE static T slope(T y) {
    return static_cast<T>(y > 0);
  }
};
struct Silu {
  static constexpr Keeps kKeeps = Keeps::kInput;
  template <class T>
  HOST_DEVICE static T value(T x) {
    return x * math::sigmoid(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    const T s = math::sigmoid(x);
    return s + x * s * (1 - s);
  }
};
struct Gelu {
  static constexpr Keeps kKeeps = Keeps::kInput;
  static constexpr double kSqrtHalf = 0.70710678118654752440, kSqrtHalfOverPi = 0.39894228040143267794;
  template <class T>
  HOST_DEVICE static T phi(T x) {
    return T(0.5) * std::erfc(x * static_cast<T>(-kSqrtHalf));
  }
  template <class T>
  HOST_DEVICE static T value(T x) {
    return x * phi(x);
  }
  template <class T>
  HOST_DEVICE static T slope(T x) {
    return phi(x) + x * static_cast<T>(kSqrtHalfOverPi) * math::exp(x * x * T(-0.5));
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
