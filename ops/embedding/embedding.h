#pragma once

#include "autograd/var.h"

namespace matmix {

/// Rows of a table:  y[t, :] = table[ids[t], :].   Also gathers rows of activations (masked positions).
///   table [V, D] dense rows, any floating dtype       ids I64 or I32, any shape, on the table's device
/// Returns ids.shape + [D] in the table's dtype. An id outside [0, V) is an Error on the CPU that names its position;
/// on CUDA it gives a row of NaN (no device value is read on the host) and receives no gradient.
/// Gradient: dtable[v, :] += sum over t with ids[t] = v of dy[t, :], in a fixed order (F32 for BF16): same bits every
/// run. Keeps ids.
Var embedding(const Var& table, const Tensor& ids);

}  // namespace matmix
