#pragma once

#include "autograd/var.h"

namespace matmix {

struct CrossEntropyOptions {
  int64_t ignore_index = -100;
  /// F64 [1] on the logits' device: loss = scale[0] * sum, read when the kernel runs (StepState: 1 / count over all
  /// ranks). Undefined: the mean over the targets that count.
  Tensor scale = {};
};

struct CrossEntropyResult {
  Var loss;        ///< scalar: F64 for F64 logits, else F32
  Tensor total;    ///< F64 [1]: the sum of the losses in nats
  Tensor count;    ///< I64 [1]: targets that count
  Tensor correct;  ///< I64 [1]: of them, how many logits have their maximum (the first) at the target
};

/// loss = mean (or scaled sum), over t with targets[t] != ignore_index, of logsumexp(x) - x[targets[t]], where x is
/// row t of logits.
///   logits   [T, V] dense rows, V >= 1; BF16 logits are summed in F32
///   targets  I64 [T] in [0, V) or ignore_index (others: Error on the CPU, ignored on CUDA)
/// No valid target: loss 0 and gradient 0. Everything stays on the device.
/// Gradient: dlogits = (softmax - onehot) * weight * dloss, exactly 0 in ignored rows. Keeps logits and two numbers a
/// row (the maximum m and log sum exp(x - m): apart, so that logits of 1e4 lose no digits). Fixed order of summation
/// over t.
CrossEntropyResult cross_entropy(const Var& logits, const Tensor& targets, const CrossEntropyOptions& options = {});

}  // namespace matmix
