#pragma once

#include "autograd/node.h"
#include "tensor/runs.h"

namespace matmix {

/// Where the gradient of `input`, of the shape and dtype of `like`, is written by an op on tokens: its place in the
/// shared buffer of a split if it has one that fits, else a new tensor; dense rows. Zeros where tokens outside the runs
/// will not be written. Undefined if `like` is.
Tensor gradient_place(const Backward& b, int input, const Tensor& like, const Runs& runs);

}  // namespace matmix
