#pragma once

#include "tensor/create.h"
#include "tensor/random.h"
#include "tensor/transfer.h"

namespace matmix::testing {

/// Normal(0, 1) values that depend on seed alone, rounded to dtype.
inline Tensor random_tensor(const Shape& shape, uint64_t seed, DType dtype = DType::F64, Device device = kCpu) {
  Tensor x = empty(shape, DType::F64);
  random_normal(x, 0, 1, {.seed = seed});
  return to(cast(x, dtype), device);
}

}  // namespace matmix::testing
