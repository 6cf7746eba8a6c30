#pragma once

#include "tensor/tensor.h"

namespace matmix::experiments {

/// ||got - want|| / ||want|| in double; absolute where want is 0; infinity if a value is not finite or the shapes
/// differ.
double relative_error(const Tensor& got, const Tensor& want);

/// Same shape, dtype and bytes of every element.
bool same_bits(const Tensor& a, const Tensor& b);

/// The relative error allowed to sums of n terms in dtype's accumulator: c (eps(dtype) + sqrt(n) eps(accumulator)), c
/// = 8.
double rounding_tolerance(DType dtype, double n);

}  // namespace matmix::experiments
