#pragma once

#include "ops/attention/attention.h"

namespace matmix {

/// Throws Error unless q and k are floating [B or 1, L, H, E] of one dtype and the runs are of B rows of L tokens.
void check_attention(const Var& q, const Var& k, int64_t B, const AttentionOptions& options);
/// The scale of the products.
double attention_scale(const Var& q, const AttentionOptions& options);

}  // namespace matmix
