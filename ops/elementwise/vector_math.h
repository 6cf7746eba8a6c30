#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "tensor/dtype.h"

/// exp and what is made of it, for float and double, written so that a plain loop over them vectorises (calls of libm
/// do not): no branches, no table, one rounding per operation; always inline, because a call would stop the vectoriser.
/// On the GPU they are CUDA's own functions. Worst errors against long double (tests/ops/vector_math_test.cpp pins
/// them), in units in the last place, for float and double alike: exp 1.1, expm1 1.2, log1p 2, sigmoid 2.5, tanh 2.6,
/// softplus 2.8.
namespace matmix::math {

namespace detail {

/// x = n ln2 + r with n whole and |r| <= ln2 / 2. Adding and subtracting kRound rounds to whole numbers, and leaves
/// that number in the low bits, from where kMantissa shifts it into an exponent. ln2 is split so that n * kLn2High is
/// exact.
template <class T>
struct Reduction;
template <>
struct Reduction<float> {
  using Bits = uint32_t;
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr float kRound = 0x1.8p23f, kMin = -104, kMax = 89;
  static constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;
};
template <>
struct Reduction<double> {
  using Bits = uint64_t;
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr double kRound = 0x1.8p52, kMin = -746, kMax = 710;
  static constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
};

/// The whole number nearest to x.
template <class T>
T nearest(T x) {
  return (x + Reduction<T>::kRound) - Reduction<T>::kRound;
}

/// 2^n for a whole n in the range of normal exponents.
template <class T>
T power_of_two(T n) {
  using R = Reduction<T>;
  const auto low_bits = std::bit_cast<typename R::Bits>(n + R::kRound);
  return std::bit_cast<T>(static_cast<typename R::Bits>((low_bits + R::kBias) << R::kMantissa));
}

/// c0 + x (c1 + x (c2 + ...)).
template <class T, class... More>
HOST_DEVICE T polynomial(T x, double c0, More... more) {
  if constexpr (sizeof...(more) == 0)
    return static_cast<T>(c0);
  else
    return static_cast<T>(c0) + x * polynomial(x, more...);
}

/// e^r - 1 for |r| <= ln2 / 2: Taylor to the degree whose remainder is far below half an ulp.
template <class T>
T expm1_reduced(T r) {
  if constexpr (std::is_same_v<T, float>)
    return r + r * r * polynomial(r, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040);
  else
    return r + r * r *
                   polynomial(r, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880,
                              1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800);
}

template <class T>
T log2_whole(T x) {
  return nearest(x * static_cast<T>(1.4426950408889634));
}
template <class T>
T remainder(T x, T n) {
  return (x - n * Reduction<T>::kLn2High) - n * Reduction<T>::kLn2Low;
}

}  // namespace detail

/// e^x; subnormal results and infinities as they should be, NaN for NaN.
template <class T>
[[gnu::always_inline]] HOST_DEVICE inline T exp(T x) {
#ifdef __CUDA_ARCH__
  return ::exp(x);
#else
  using R = detail::Reduction<T>;
  x = x > R::kMax ? R::kMax : x;
  x = x < R::kMin ? R::kMin : x;
  const T n = detail::log2_whole(x), half = detail::nearest(n * static_cast<T>(0.5));
  const T mantissa = 1 + detail::expm1_reduced(detail::remainder(x, n));
  return mantissa * detail::power_of_two(half) * detail::power_of_two(n - half);
#endif
}

/// e^x - 1 without cancellation, for x <= 0.
template <class T>
[[gnu::always_inline]] HOST_DEVICE inline T expm1_of_negative(T x) {
#ifdef __CUDA_ARCH__
  return ::expm1(x);
#else
  x = x < -40 ? T(-40) : x;  // both give -1
  const T n = detail::log2_whole(x), scale = detail::power_of_two(n);
  return scale * detail::expm1_reduced(detail::remainder(x, n)) + (scale - 1);
#endif
}

/// log(1 + u) for u in [0, 1]:  2 artanh(s), s = u / (2 + u) <= 1/3, by its series.
template <class T>
[[gnu::always_inline]] HOST_DEVICE inline T log1p_of_fraction(T u) {
#ifdef __CUDA_ARCH__
  return ::log1p(u);
#else
  const T s = u / (2 + u), z = s * s;
  if constexpr (std::is_same_v<T, float>)
    return 2 * s + 2 * s * z * detail::polynomial(z, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15);
  else
    return 2 * s + 2 * s * z *
                       detail::polynomial(z, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15, 1. / 17,
                                          1. / 19, 1. / 21, 1. / 23, 1. / 25, 1. / 27, 1. / 29, 1. / 31);
#endif
}

/// 1 / (1 + e^-x), accurate in both tails.
template <class T>
[[gnu::always_inline]] HOST_DEVICE inline T sigmoid(T x) {
  const T e = math::exp(-std::fabs(x));
  return (x >= 0 ? T(1) : e) / (1 + e);
}

template <class T>
[[gnu::always_inline]] HOST_DEVICE inline T tanh(T x) {
#ifdef __CUDA_ARCH__
  return ::tanh(x);
#else
  const T t = expm1_of_negative(-2 * std::fabs(x));
  return std::copysign(t / (t + 2), x);
#endif
}

/// log(1 + e^x) without overflow.
template <class T>
[[gnu::always_inline]] HOST_DEVICE inline T softplus(T x) {
  return (x > 0 ? x : T(0)) + log1p_of_fraction(math::exp(-std::fabs(x)));
}

/// Phi(x), the probability that a standard normal number is below x. In float Q(a) = 1 - Phi(a) for a = |x| is
/// e^(-a^2 / 2) times a polynomial in 1 / (1 + 0.3 a), fitted to relative 4.4e-9 on [0, 14]; double calls libm.
template <class T>
[[gnu::always_inline]] HOST_DEVICE inline T normal_cdf(T x) {
#ifdef __CUDA_ARCH__
  return T(0.5) * ::erfc(x * T(-0.70710678118654752440));
#else
  if constexpr (std::is_same_v<T, double>) return 0.5 * std::erfc(x * -0.70710678118654752440);
  const T a = std::fabs(x), s = 1 / (1 + T(0.3) * a);
  const T q = s * math::exp(a * a * T(-0.5)) *
              detail::polynomial(s, 0.119687693145, 0.119551763229, 0.110405179847, 0.0775890643774, 0.0984807401835,
                                 -0.0837425490162, 0.196940677017, -0.232038482936, 0.114040272074, -0.0209143597288);
  return x > 0 ? 1 - q : q;
#endif
}

}  // namespace matmix::math
