#include "mixers/mixer.h"

#include <map>

#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::mixers {
namespace {

/// Runs by length, each list in (row, start) order.
std::map<int64_t, std::vector<Run>> by_length(const Runs& runs) {
  std::map<int64_t, std::vector<Run>> groups;
  for (const Run& r : runs.all()) groups[r.length].push_back(r);
  return groups;
}

/// Collects rows of width-w values for tokens, then lays them out over [B, L], zeros elsewhere.
class TokenLayout {
 public:
  explicit TokenLayout(const Runs& runs) : runs_(runs), row_of_(static_cast<size_t>(runs.B() * runs.L()), -1) {}

  /// y [n, length, ...] of runs of equal length.
  void place(const Var& y, const std::vector<Run>& equal) {
    const int64_t n = y.dim(0) * y.dim(1);
    tail_ = Shape(std::span(y.shape().begin() + 2, static_cast<size_t>(y.rank() - 2)));
    parts_.push_back(reshape(y, {n, tail_.numel()}));
    for (const Run& r : equal)
      for (int64_t i = 0; i < r.length; ++i) row_of_[static_cast<size_t>(r.row * runs_.L() + r.start + i)] = rows_++;
  }

  Var result() {
    const Var first = parts_.front();  // a copy: the list grows below
    parts_.push_back(zeros({1, first.dim(1)}, first.dtype(), first.device()));
    for (int64_t& row : row_of_)
      if (row < 0) row = rows_;
    const Tensor index = to(from_vector(row_of_, {runs_.B(), runs_.L()}), first.device());
    return reshape(embedding(concat(parts_, 0), index), Shape{runs_.B(), runs_.L()} + tail_);
  }

 private:
  const Runs& runs_;
  std::vector<int64_t> row_of_;
  std::vector<Var> parts_;
  Shape tail_;
  int64_t rows_ = 0;
};

/// heads = copies * H matrices against H heads of v: [B, copies*H, L, L] x [B, L, H, P] -> [B, L, copies*H, P].
Var apply_matrix(const Var& M, const Var& v) {
  const int64_t copies = M.dim(1) / v.dim(2);
  Var heads = permute(v, {0, 2, 1, 3});
  if (copies > 1) heads = concat(std::vector<Var>(static_cast<size_t>(copies), heads), 1);
  return permute(matmul(M, heads), {0, 2, 1, 3});
}

}  // namespace

void Mixer::check(const Runs& runs) const {
  const Traits t = traits();
  for (const Run& r : runs.all())
    require(r.length <= t.max_len, t.name, "runs must have at most ", t.max_len, " tokens, got ", r.length);
}

Var Mixer::matrix(const Streams& c, const Runs& runs) const {
  check(runs);
  const int64_t B = runs.B(), L = runs.L();
  if (runs.is_full()) {
    const Var M = do_matrix(c.whole_rows(L), L);
    return M.dim(0) == B ? M : expand(M, {B, M.dim(1), L, L});
  }
  require(!runs.all().empty(), traits().name, "a matrix needs at least one run, got a batch of padding");
  // Row i of M as the value of token i: heads and columns are its width.
  TokenLayout rows(runs);
  for (const auto& [length, equal] : by_length(runs)) {
    const int64_t n = static_cast<int64_t>(equal.size());
    Var M = do_matrix(c.of_runs(runs, equal), length);
    M = permute(M.dim(0) == n ? M : expand(M, {n, M.dim(1), length, length}), {0, 2, 1, 3});
    // Each run's columns start at its own place in the row, so runs are padded one by one.
    for (int64_t k = 0; k < n; ++k) {
      const Run& r = equal[static_cast<size_t>(k)];
      rows.place(pad(narrow(M, 0, k, 1), 3, r.start, L - r.start - length), {r});
    }
  }
  return permute(rows.result(), {0, 2, 1, 3});
}

Tensor Mixer::empty_result(const Var& v) const {
  return zeros({v.dim(0), v.dim(1), traits().copies * v.dim(2), v.dim(3)}, v.dtype(), v.device());
}

Var Mixer::offset(const Streams& c, const Runs& runs, const Var& v) const {
  check(runs);
  const Tensor none = empty_result(v);
  if (runs.all().empty()) return none;
  bool any = true;
  const Var r = by_runs(c, v, runs, [&](const Streams& cut, const Var& part) -> Var {
    const std::optional<Var> found = do_offset(cut, part.dim(1));
    const Shape shape{part.dim(0), part.dim(1), none.dim(2), none.dim(3)};
    any = found.has_value();
    return any ? expand(*found, shape) : Var(zeros(shape, v.dtype(), v.device()));
  });
  return any ? r : none;
}

Var Mixer::mix(const Streams& c, const Var& v, const Runs& runs) const {
  check(runs);
  require(v.rank() == 4 && v.dim(0) == runs.B() && v.dim(1) == runs.L(), traits().name, "v must be [", runs.B(), ", ",
          runs.L(), ", H, P], got ", v);
  if (runs.all().empty()) return empty_result(v);
  return do_mix(c, v, runs);
}

Var Mixer::matrix_by_mix(const Streams& c, const Runs& runs, int64_t H, int64_t P) const {
  const int64_t B = runs.B(), L = runs.L();
  const Tensor ones = eye(L + P, c.dtype(), c.device()).narrow(0, 0, L);  // columns from L on are 0
  std::vector<Var> columns;
  for (int64_t first = 0; first < L; first += P) {
    const Var v = contiguous(expand(reshape(Var(ones.narrow(1, first, P)), {1, L, 1, P}), {B, L, H, P}));
    columns.push_back(transpose(mix(c, v, runs) - offset(c, runs, v), 1, 2));
  }
  return narrow(concat(columns, 3), 3, 0, L);
}

Var Mixer::by_runs(const Streams& c, const Var& v, const Runs& runs, const RunFunction& f) {
  if (runs.is_full()) return f(c.whole_rows(runs.L()), v);
  TokenLayout tokens(runs);
  for (const auto& [length, equal] : by_length(runs))
    tokens.place(f(c.of_runs(runs, equal), gather_runs(v, runs, equal)), equal);
  return tokens.result();
}

Var Mixer::by_matrix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams& cut, const Var& part) {
    const Var y = apply_matrix(do_matrix(cut, part.dim(1)), part);
    const std::optional<Var> r = do_offset(cut, part.dim(1));
    return r ? y + *r : y;
  });
}

}  // namespace matmix::mixers
