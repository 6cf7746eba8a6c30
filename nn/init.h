#pragma once

#include <string>

#include "tensor/random.h"

namespace matmix::nn {

/// Initial values of one parameter, as data. Drawn on the CPU in F64 and cast, so that models of every dtype and device
/// start from the same values up to rounding.
struct Init {
  enum class Kind { kConstant, kNormal, kUniform, kLogOfUniform, kInverseSoftplusOfLogUniform };
  Kind kind = Kind::kConstant;
  double a = 0, b = 0;

  static Init constant(double value) { return {Kind::kConstant, value, 0}; }
  static Init zeros() { return constant(0); }
  static Init ones() { return constant(1); }
  static Init normal(double stddev, double mean = 0) { return {Kind::kNormal, mean, stddev}; }
  static Init uniform(double low, double high) { return {Kind::kUniform, low, high}; }
  /// U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for Linear and Conv1d.
  static Init linear_uniform(int64_t fan_in);
  /// log of U(low, high): A_log for A in -U(1, 16) as in Mamba-2.
  static Init log_of_uniform(double low, double high) { return {Kind::kLogOfUniform, low, high}; }
  /// softplus^-1 of max(1e-4, exp(U(log low, log high))): dt_bias for dt in [1e-3, 0.1] as in Mamba-2.
  static Init inverse_softplus_of_log_uniform(double low, double high) {
    return {Kind::kInverseSoftplusOfLogUniform, low, high};
  }
};

/// "normal(0, 0.02)".
std::string to_string(const Init& init);

/// Fills `master` (floating, contiguous) with element i from words of `key`.
void initialize(const Tensor& master, const Init& init, const RandomKey& key);

}  // namespace matmix::nn
