#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/var.h"

namespace matmix {

/// A differentiable tensor that a case is called with.
struct OpArgument {
  /// Which strides the op takes; every kind also takes contiguous tensors.
  enum class Strides { kContiguous, kDenseRows, kAny };

  std::string name;
  Shape shape;
  double low = -2, high = 2;  ///< drawn uniformly from here: inside the domain, away from poles
  Strides strides = Strides::kDenseRows;
  bool is_master = false;  ///< stays F32 where the other arguments are BF16, as parameters do
  bool is_spread = false;  ///< elements keep away from each other, for ops with kinks where two are equal
};

/// One way to call an op: what `matmix gradcheck` and the laws of tests/laws walk. A new op, and every new option of an
/// old one, adds a row and is judged from then on: gradients, dtypes, devices, strides, repeatability.
struct OpCase {
  std::string op;       ///< as its history calls it: "linear"
  std::string variant;  ///< what is special here: "bias, gelu"
  std::vector<OpArgument> arguments;
  /// Pure. Tensors that are no arguments (ids, masks) are made inside, on the device of the first argument.
  std::function<std::vector<Var>(const std::vector<Var>&)> function;

  /// "linear (bias, gelu)".
  std::string name() const;
  /// Values for the arguments on the CPU, F64; they depend on the name and the argument's place alone.
  std::vector<Tensor> draw() const;
};

/// Sizes for cases of ops on tokens: chunks of 2 or 3 leave a rest, and groups serve more than one head.
namespace case_sizes {
inline constexpr int64_t kB = 2, kL = 7, kH = 4, kP = 3, kG = 2, kN = 4;
}

/// Every case of every op.
std::vector<OpCase> op_cases();

// The rows of one op each, in ops/<op>/<op>_cases.cpp.
std::vector<OpCase> attention_cases();
std::vector<OpCase> cauchy_cases();
std::vector<OpCase> conv1d_cases();
std::vector<OpCase> cross_entropy_cases();
std::vector<OpCase> dropout_cases();
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> embedding_cases();
std::vector<OpCase> fft_cases();
std::vector<OpCase> gather_cases();
std::vector<OpCase> layout_cases();
std::vector<OpCase> linear_cases();
std::vector<OpCase> low_rank_cases();
std::vector<OpCase> matmul_cases();
std::vector<OpCase> norm_cases();
std::vector<OpCase> quasiseparable_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> scan_cases();
std::vector<OpCase> softmax_cases();
std::vector<OpCase> ssd_cases();
std::vector<OpCase> toeplitz_cases();
std::vector<OpCase> topk_cases();
std::vector<OpCase> vandermonde_cases();

}  // namespace matmix
