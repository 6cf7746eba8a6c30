#include "ops/embedding/embedding.h"

#include "autograd/node.h"
#include "ops/embedding/embedding_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

/// On the CPU, where looking costs nothing.
void check_range(const Tensor& ids, int64_t V) {
  with_ids(ids, [&](const auto* id) {
    for (int64_t t = 0; t < ids.numel(); ++t)
      require(id[t] >= 0 && id[t] < V, "embedding", "ids must be in [0, ", V, "), got ", id[t], " at element ", t);
  });
}

}  // namespace

Var embedding(const Var& table, const Tensor& ids) {
  const Tensor& w = table.value();
  require(w.rank() == 2 && is_floating(w.dtype()) && w.has_dense_rows(), "embedding",
          "table must be a floating matrix with dense rows, got ", w);
  require(ids.dtype() == DType::I64 || ids.dtype() == DType::I32, "embedding", "ids must be I64 or I32, got ", ids);
  require(ids.device() == w.device(), "embedding", "ids must be on the table's device, ", w.device(), ", got ", ids);

  const int64_t T = ids.numel(), D = w.dim(1);
  const Tensor flat = contiguous(ids).reshape({T});
  if (!w.device().is_cuda()) check_range(flat, w.dim(0));
  const Tensor y = empty({T, D}, w.dtype(), w.device());
  kEmbeddingForward(w.device(), w, flat, y);

  return record("embedding", {table}, y.reshape(ids.shape() + Shape{D}), [=, ids = Saved(flat, "ids")](Backward& b) {
    const Tensor dy = contiguous(b.dy()).reshape({T, D});
    const std::optional<Tensor> sum = b.sum(0);
    const Tensor dtable = sum ? *sum : b.target(0);
    if (!sum) fill(dtable, 0);
    kEmbeddingBackward(dy.device(), dy, ids, dtable);
    if (!sum) b.give(0, dtable);
  });
}

}  // namespace matmix
