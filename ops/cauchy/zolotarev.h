#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/dtype.h"

namespace matmix {

/// Numbers p_1 < .. < p_n in [1, R] that make max |prod (x - p_i) / (x + p_i)| over [1, R] least:  R dn((2j - 1) K /
/// 2n) of the modulus sqrt(1 - 1 / R^2). The maximum is close to 2 e^(-pi^2 n / 2 ln(4 R)).
class Zolotarev {
 public:
  HOST_DEVICE explicit Zolotarev(double R)
      : R_(R), K_(quarter_period(1 / R)), K1_(quarter_period(::sqrt((1 - 1 / R) * (1 + 1 / R)))) {}

  /// p_{j+1} of n, as a sum of solitons: dn(u) = pi / 2 K' sum_m sech(pi (u - 2 m K) / 2 K').
  HOST_DEVICE double node(int64_t j, int64_t n) const {
    const double u = static_cast<double>(2 * (n - j) - 1) * K_ / static_cast<double>(2 * n), unit = kPi / (2 * K1_);
    double sum = 0;
    for (int m = -kSolitons; m <= kSolitons; ++m) {
      const double z = ::fabs(unit * (u - 2 * m * K_)), e = ::exp(-z);
      sum += 2 * e / (1 + e * e);
    }
    return R_ * unit * sum;
  }

  /// How many make every 1 / (a + b) and its derivatives right to a share of `accuracy`. The square of the maximum is
  /// the error of the value; a factor of 128 is what its slope at the ends of the interval asks for.
  HOST_DEVICE static double terms(double R, double accuracy) {
    return ::ceil(::log(4 * R) * ::log(4 * 128 / accuracy) / (kPi * kPi));
  }

 private:
  static constexpr double kPi = 3.14159265358979323846;
  static constexpr int kSolitons = 12;  ///< enough for R >= 2

  /// K of the modulus whose complement this is:  pi / 2 agm(1, complement).
  HOST_DEVICE static double quarter_period(double complement) {
    double a = 1, b = complement;
    for (int i = 0; i < 64 && a - b > 1e-15 * a; ++i) {
      const double mean = (a + b) / 2;
      b = ::sqrt(a * b);
      a = mean;
    }
    return kPi / (2 * a);
  }

  double R_, K_, K1_;
};

}  // namespace matmix
