#include "mixers/streams.h"

#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::mixers {
namespace {

Shape per_token(const Var& x) { return Shape(std::span(x.shape().begin() + 2, static_cast<size_t>(x.rank() - 2))); }

/// Rows `index` (I64, any shape) of x seen as [rows, width]: index.shape + per_token.
Var gather_rows(const Var& x, const Tensor& index) {
  const Shape width = per_token(x);
  const Var flat = reshape(x, {x.dim(0) * x.dim(1), width.numel()});
  return reshape(embedding(flat, to(index, x.device())), index.shape() + width);
}

Tensor flat_positions(const Runs& runs, const std::vector<Run>& equal) {
  const int64_t length = equal.front().length;
  std::vector<int64_t> index;
  for (const Run& r : equal)
    for (int64_t i = 0; i < length; ++i) index.push_back(r.row * runs.L() + r.start + i);
  return from_vector(index, {static_cast<int64_t>(equal.size()), length});
}

}  // namespace

const Var& Streams::operator[](std::string_view name) const {
  std::string known;
  for (const Part& p : parts_) {
    if (p.name == name) return p.value;
    known += text(known.empty() ? "" : ", ", p.name);
  }
  fail("streams", "there is no '", name, "'; there are: ", known);
}

bool Streams::contains(std::string_view name) const {
  for (const Part& p : parts_)
    if (p.name == name) return true;
  return false;
}

Streams Streams::by_token(const Runs& runs) const {
  Streams out(dtype_, device_);
  for (const Part& p : parts_) {
    Var x = p.value;
    if (p.positional)
      x = runs.is_full() ? expand(narrow(x, 1, 0, runs.L()), Shape{runs.B(), runs.L()} + per_token(x))
                         : gather_rows(x, runs.position(x.device()));
    out.put_tokens(p.name, x);
  }
  return out;
}

Streams Streams::whole_rows(int64_t L) const {
  Streams out(dtype_, device_);
  for (const Part& p : parts_) {
    if (p.positional)
      out.put_positions(p.name, narrow(p.value, 1, 0, L));
    else
      out.put_tokens(p.name, p.value);
  }
  return out;
}

Streams Streams::of_runs(const Runs& runs, const std::vector<Run>& equal) const {
  Streams out(dtype_, device_);
  for (const Part& p : parts_) {
    if (p.positional)
      out.put_positions(p.name, narrow(p.value, 1, 0, equal.front().length));
    else
      out.put_tokens(p.name, gather_runs(p.value, runs, equal));
  }
  return out;
}

Var gather_runs(const Var& x, const Runs& runs, const std::vector<Run>& equal) {
  return gather_rows(x, flat_positions(runs, equal));
}

}  // namespace matmix::mixers
