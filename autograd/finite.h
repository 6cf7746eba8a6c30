#pragma once

#include "tensor/tensor.h"

namespace matmix {

/// What an active Tripwire does: throws Error "<op> in <path>: <what> is <value> at <index>; ..." if a floating x has a
/// NaN or an infinity. Reads the whole tensor on the host.
void check_finite(const char* op, const std::string& path, const char* what, const Tensor& x);

}  // namespace matmix
