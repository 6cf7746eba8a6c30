#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/var.h"

namespace matmix {

/// What is promised of gradcheck: max |analytic - numeric| / max |numeric|.
inline constexpr double kGradcheck = 1e-8;

/// The worst element of one argument.
struct GradError {
  std::string op, argument;
  std::string index;  ///< "[1, 0, 3]", "direction 2" in projection mode, "none" for an argument without elements
  double analytic = 0, numeric = 0;
  double error = 0;  ///< max |analytic - numeric| over the argument / max |numeric| (absolute if numeric is all 0)
};

struct GradcheckOptions {
  std::vector<std::string> names = {};  ///< of the arguments, for the report; default "input 0", ...
  double step = 1e-3;                   ///< times max(1, |x|)
  /// Arguments with more elements are checked along `directions` random directions instead of every element.
  int64_t full_up_to = 4096;
  int directions = 8;
  uint64_t seed = 0;
};

struct GradcheckReport {
  std::vector<GradError> arguments;
  /// The largest error; infinity if one is not a number.
  double worst() const;
  /// A table: op, argument, index, analytic, numeric, error.
  std::string text() const;
};

/// Compares backward with central differences (five-point stencil) for loss = sum of <output, fixed random weights>
/// over all floating outputs of f. Each of `inputs` is perturbed. Runs forward and backward twice and reports a
/// difference in bits between the two gradients as an infinite error. Throws Error if an input or output is not F64.
GradcheckReport gradcheck(const std::string& op, const std::function<std::vector<Var>(const std::vector<Var>&)>& f,
                          const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace matmix
