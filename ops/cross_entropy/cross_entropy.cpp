#include "ops/cross_entropy/cross_entropy.h"

#include "autograd/node.h"
#include "ops/cross_entropy/cross_entropy_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

void check(const Tensor& logits, const Tensor& targets, const Tensor& scale) {
  require(logits.rank() == 2 && is_floating(logits.dtype()) && logits.has_dense_rows() && logits.dim(1) >= 1,
          "cross_entropy", "logits must be a floating matrix with dense rows of at least one column, got ", logits);
  require(
      targets.dtype() == DType::I64 && targets.shape() == Shape{logits.dim(0)} && targets.device() == logits.device(),
      "cross_entropy", "targets must be I64 [", logits.dim(0), "] on ", logits.device(), ", got ", targets);
  require(!scale.defined() ||
              (scale.dtype() == DType::F64 && scale.shape() == Shape{1} && scale.device() == logits.device()),
          "cross_entropy", "scale must be F64 [1] on ", logits.device(), ", got ", scale);
}

/// On the CPU, where looking costs nothing.
void check_range(const Tensor& targets, int64_t V, int64_t ignore_index) {
  const int64_t* target = targets.data<int64_t>();
  for (int64_t t = 0; t < targets.numel(); ++t)
    require(target[t] == ignore_index || counts(target[t], V, ignore_index), "cross_entropy", "targets must be in [0, ",
            V, ") or ", ignore_index, ", got ", target[t], " at element ", t);
}

}  // namespace

CrossEntropyResult cross_entropy(const Var& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  const Tensor& x = logits.value();
  check(x, targets, options.scale);
  const int64_t T = x.dim(0), ignore_index = options.ignore_index;
  const Device device = x.device();
  const DType sums = accumulator(x.dtype());
  const CrossEntropyRows rows{x, contiguous(targets), empty({2, T}, sums, device), ignore_index};
  if (!device.is_cuda()) check_range(rows.targets, x.dim(1), ignore_index);

  const Tensor losses = empty({T}, DType::F64, device), hits = empty({T}, DType::U8, device);
  kCrossEntropyRows(device, rows, losses, hits);
  const CrossEntropyTotals totals{empty({1}, DType::F64, device), empty({1}, DType::I64, device),
                                  empty({1}, DType::I64, device), empty({1}, DType::F64, device),
                                  empty({}, sums, device)};
  kCrossEntropyTotals(device, rows, losses, hits, options.scale, totals);

  const Var loss = record(
      "cross_entropy", {logits}, totals.loss,
      [x = Saved(x, "logits"), targets = Saved(rows.targets, "targets"), stats = Saved(rows.stats, "row statistics"),
       weight = Saved(totals.weight, "weight"), ignore_index](Backward& b) {
        const Tensor place = b.target(0), &logits = x;
        const Tensor dx = place.dtype() == logits.dtype() ? place : empty_like(logits);
        kCrossEntropyBackward(logits.device(), {logits, targets, stats, ignore_index}, weight, b.dy(), dx);
        b.give(0, dx);
      });
  return {loss, totals.total, totals.count, totals.correct};
}

}  // namespace matmix
