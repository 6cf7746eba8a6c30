#pragma once

#include <string>
#include <utility>
#include <vector>

#include "mixers/registry.h"
#include "tensor/math_mode.h"

namespace matmix::mixers {

struct SpecimenOptions {
  int64_t L = 32, H = 1;
  int64_t state = 8;  ///< N, and the width of q and k
  MathMode mode = MathMode::kF64;
  Device device = kCpu;
  uint64_t seed = 0;
};

/// The matrix of one mixer, twice: F64 on the CPU.
struct Specimen {
  Tensor M;     ///< [copies * H, L, L], written out, in F64 on the CPU
  Tensor fast;  ///< [copies * H, L, L], column j what the fast form makes of the j-th unit vector, as asked
  /// What M is made of, by name, F64 on the CPU: streams [L, ...] and the mixer's parameters.
  std::vector<std::pair<std::string, Tensor>> made_of;
};

/// A mixer with the parameters of a new model and Normal(0, 1) streams, both a function of the seed; both forms are
/// given the same numbers, rounded as the mode rounds them.
Specimen sample_matrix(const MixerRow& row, const SpecimenOptions& options);
/// The first of a batch of matrices, F64 on the CPU: as pictures and figures are made of.
Tensor first_matrix(const Var& M);

}  // namespace matmix::mixers
