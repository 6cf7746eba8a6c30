#include "ops/low_rank/low_rank.h"

#include <algorithm>

#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/gather/gather.h"
#include "ops/layout/layout.h"
#include "ops/low_rank/low_rank_check.h"
#include "ops/matmul/matmul.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

constexpr const char* kLowRank = "low_rank";
constexpr int64_t kChunk = 128;  ///< tokens: the states of chunks stay small beside the tokens

/// Runs laid out as the rows of a batch of their own: chunks of at most Q tokens, none across two runs.
class Chunks {
 public:
  Chunks(const Runs& runs, Device device) : B_(runs.B()), L_(runs.L()) {
    for (const Run& run : runs.all()) Q_ = std::max(Q_, std::min(run.length, kChunk));
    const Tensor table = runs.chunks(Q_, kCpu);  // (row, start, length, first chunk of the run, one past its last)
    count_ = table.dim(0);
    std::vector<int64_t> token(static_cast<size_t>(count_ * Q_), B_ * L_),
        place(static_cast<size_t>(B_ * L_), count_ * Q_), first;
    for (int64_t c = 0; c < count_; ++c) {
      const int64_t* chunk = table.data<int64_t>() + c * 5;
      first.push_back(chunk[3]);
      for (int64_t i = 0; i < chunk[2]; ++i) {
        const int64_t from = chunk[0] * L_ + chunk[1] + i, to = c * Q_ + i;
        token[static_cast<size_t>(to)] = from;
        place[static_cast<size_t>(from)] = to;
      }
    }
    token_ = to(from_vector(token, {count_, Q_}), device);
    place_ = to(from_vector(place, {B_, L_}), device);
    first_ = to(from_vector(first), device);
  }

  /// x [B or 1, L, H, W] -> [chunks, Q, H, W], 0 behind the end of a short chunk.
  Var cut(const Var& x) const { return rows(expand(x, {B_, L_, x.dim(2), x.dim(3)}), token_); }
  /// y [chunks, Q, H, W] -> [B, L, H, W], 0 at padding.
  Var lay_out(const Var& y) const { return rows(y, place_); }
  /// z [chunks, ...] -> for every chunk the sum over those of its run.
  Var by_run(const Var& z) const {
    const int64_t width = z.numel() / count_;
    const Tensor index = first_.unsqueeze(1).expand({count_, width});
    return reshape(embedding(scatter(reshape(z, {count_, width}), 0, index, count_), first_), z.shape());
  }

 private:
  /// x [n, m, H, W] as n m rows, and one of zeros behind them: those of `index`.
  static Var rows(const Var& x, const Tensor& index) {
    const int64_t H = x.dim(2), W = x.dim(3);
    const Var flat = reshape(x, {x.dim(0) * x.dim(1), H * W});
    const Tensor zero = zeros({1, H * W}, x.dtype(), x.device());
    return reshape(embedding(concat({flat, zero}, 0), index), index.shape() + Shape{H, W});
  }

  int64_t B_, L_, Q_ = 1, count_ = 0;
  Tensor token_, place_, first_;
};

Var by_head(const Var& x) { return permute(x, {0, 2, 1, 3}); }

/// The product over the rows of a batch, or over chunks of runs.
Var product(const Var& q, const Var& k, const Var& v, const LowRankOptions& options, const Chunks* chunks) {
  const Var queries = by_head(q), keys = by_head(k);
  const auto applied = [&](const Var& value) {
    const Var z = matmul(keys, by_head(value), {.transpose_a = true});
    return matmul(queries, chunks ? chunks->by_run(z) : z, {.scale = options.scale});
  };
  Var y = applied(v);
  if (options.normalise) {
    const Tensor ones = full({1, 1, 1, 1}, 1, v.dtype(), v.device()).expand({v.dim(0), v.dim(1), v.dim(2), 1});
    y = y / affine(applied(ones), 1, options.eps);
  }
  return by_head(y);
}

}  // namespace

void check_low_rank(const Var& q, const Var& k, int64_t B, const LowRankOptions& options) {
  require(q.defined() && q.rank() == 4 && is_floating(q.dtype()) && (q.dim(0) == B || q.dim(0) == 1), kLowRank,
          "q must be floating [", B, " or 1, L, H, E], got ", q);
  require(k.defined() && k.rank() == 4 && (k.dim(0) == B || k.dim(0) == 1) && k.dim(1) == q.dim(1) &&
              k.dim(2) == q.dim(2) && k.dim(3) == q.dim(3) && k.dtype() == q.dtype() && k.device() == q.device(),
          kLowRank, "k must be as q, which is ", q, ", got ", k);
  require(options.eps >= 0, kLowRank, "eps must not be negative, got ", options.eps);
  if (options.runs)
    require(options.runs->B() == B && options.runs->L() == q.dim(1), kLowRank, "runs must be of ", B, " rows of ",
            q.dim(1), " tokens, got ", options.runs->B(), " of ", options.runs->L());
}

Var low_rank(const Var& q, const Var& k, const Var& v, const LowRankOptions& options) {
  require(v.defined() && v.rank() == 4, kLowRank, "v must be [B, L, H, P], got ", v);
  check_low_rank(q, k, v.dim(0), options);
  require(v.dim(1) == q.dim(1) && v.dim(2) == q.dim(2) && v.dtype() == q.dtype() && v.device() == q.device(), kLowRank,
          "v must be [", v.dim(0), ", ", q.dim(1), ", ", q.dim(2),
          ", P] in the dtype and on the device of q, which is ", q, ", got ", v);
  if (!options.runs || options.runs->is_full()) return product(q, k, v, options, nullptr);
  if (options.runs->all().empty()) return zeros(v.shape(), v.dtype(), v.device());
  const Chunks chunks(*options.runs, v.device());
  return chunks.lay_out(product(chunks.cut(q), chunks.cut(k), chunks.cut(v), options, &chunks));
}

}  // namespace matmix
