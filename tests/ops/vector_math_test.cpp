#include "ops/elementwise/vector_math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

namespace matmix::testing {
namespace {

/// |got - want| in units in the last place of the nearest T; infinite if only one of them is finite.
template <class T>
double ulps(T got, long double want) {
  const T nearest = static_cast<T>(want);
  if (!std::isfinite(nearest) || !std::isfinite(got)) return got == nearest ? 0 : INFINITY;
  const T size = std::max(std::fabs(nearest), std::numeric_limits<T>::min());
  const T ulp = size - std::nextafter(size, T(0));
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / ulp);
}

/// The largest error over many points of [low, high], and over the same points scaled towards 0.
template <class T>
double worst(T (*f)(T), long double (*exact)(long double), double low, double high) {
  constexpr int kPoints = 40000;
  double error = 0;
  for (int i = 0; i <= kPoints; ++i) {
    const double even = low + (high - low) * i / kPoints;
    for (const double x : {even, even * std::exp(-20.0 * i / kPoints)})
      error = std::max(error, ulps(f(static_cast<T>(x)), exact(static_cast<long double>(static_cast<T>(x)))));
  }
  return error;
}

long double exact_sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double exact_softplus(long double x) { return std::max(x, 0.0L) + std::log1p(std::exp(-std::fabs(x))); }
long double exact_normal_cdf(long double x) { return std::erfc(-x / std::sqrt(2.0L)) / 2; }

TEST_CASE_TEMPLATE("vector_math: errors stay within what the header promises", T, float, double) {
  const double end = sizeof(T) == 4 ? 88.7 : 709.7;
  CHECK(worst<T>(math::exp, std::exp, -1, 1) <= 1.1);
  CHECK(worst<T>(math::exp, std::exp, -end, end) <= 1.1);
  CHECK(worst<T>(math::expm1_of_negative, std::expm1, -1, 0) <= 1.2);
  CHECK(worst<T>(math::expm1_of_negative, std::expm1, -60, 0) <= 1.2);
  CHECK(worst<T>(math::log1p_of_fraction, std::log1p, 0, 1) <= 2);
  CHECK(worst<T>(math::sigmoid, exact_sigmoid, -5, 5) <= 2.5);
  CHECK(worst<T>(math::sigmoid, exact_sigmoid, -80, 80) <= 2.5);
  CHECK(worst<T>(math::tanh, std::tanh, -1, 1) <= 2.6);
  CHECK(worst<T>(math::tanh, std::tanh, -30, 30) <= 2.6);
  CHECK(worst<T>(math::softplus, exact_softplus, -5, 5) <= 2.8);
  CHECK(worst<T>(math::softplus, exact_softplus, -80, 80) <= 2.8);
  CHECK(worst<T>(math::normal_cdf, exact_normal_cdf, -2, 10) <= 8);
  CHECK(worst<T>(math::normal_cdf, exact_normal_cdf, -12, -2) <= 220);
}

TEST_CASE_TEMPLATE("vector_math: the ends of the range", T, float, double) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(math::exp(T(0)) == 1);
  CHECK(math::exp(-inf) == 0);
  CHECK(math::exp(inf) == inf);
  CHECK(math::exp(T(1000)) == inf);
  CHECK(std::isnan(math::exp(nan)));
  const T low = sizeof(T) == 4 ? T(-103) : T(-744);  // e^low is subnormal
  CHECK(math::exp(low) == static_cast<T>(std::exp(static_cast<long double>(low))));
  CHECK(math::exp(2 * low) == 0);

  CHECK(math::expm1_of_negative(-inf) == -1);
  CHECK(math::sigmoid(-inf) == 0);
  CHECK(math::sigmoid(inf) == 1);
  CHECK(math::sigmoid(T(0)) == T(0.5));
  CHECK(std::isnan(math::sigmoid(nan)));
  CHECK(math::tanh(inf) == 1);
  CHECK(math::tanh(-inf) == -1);
  CHECK(std::signbit(math::tanh(T(-0.0))));
  CHECK(std::isnan(math::tanh(nan)));
  CHECK(math::softplus(-inf) == 0);
  CHECK(math::softplus(inf) == inf);
  CHECK(std::isnan(math::softplus(nan)));
  CHECK(math::softplus(T(50)) == 50);
  CHECK(math::normal_cdf(-inf) == 0);
  CHECK(math::normal_cdf(inf) == 1);
  CHECK(math::normal_cdf(T(0)) == T(0.5));
  CHECK(std::isnan(math::normal_cdf(nan)));
}

}  // namespace
}  // namespace matmix::testing
