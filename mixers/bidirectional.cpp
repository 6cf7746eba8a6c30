#include "mixers/bidirectional.h"

#include <algorithm>

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "tensor/create.h"

namespace matmix::mixers {
namespace {

/// The streams of one of the two under its own names.
Streams part(const Streams& c, const Mixer& mixer, const std::string& suffix) {
  Streams own(c.dtype(), c.device());
  for (const Stream& s : mixer.streams()) own.put_tokens(s.name, c[s.name + suffix]);
  return own;
}

/// Runs of L tokens, as many as the streams have rows; a stream with one row serves any number, none included.
Runs rows_of(const Streams& c, const Mixer& mixer, int64_t L) {
  int64_t n = 1;
  for (const Stream& s : mixer.streams())
    if (c[s.name].dim(0) != 1) n = c[s.name].dim(0);
  return Runs::full(n, L);
}

std::optional<int64_t> joined_rank(Join join, const std::optional<int64_t>& a, const std::optional<int64_t>& b) {
  if (!a || !b) return std::nullopt;
  return join == Join::kAdd ? *a + *b : std::max(*a, *b);
}

}  // namespace

Bidirectional::Bidirectional(const BlockShape& shape, std::unique_ptr<Mixer> forward, std::unique_ptr<Mixer> backward,
                             Join join)
    : shape_(shape), forward_(std::move(forward)), backward_(std::move(backward)), join_(join) {
  require(forward_->traits().copies == 1 && backward_->traits().copies == 1, traits().name,
          "both mixers must have one copy of the heads");
}

Traits Bidirectional::traits() const {
  const Traits f = forward_->traits(), b = backward_->traits();
  return {.name = join_ == Join::kAdd ? "add" : "concat",
          .causal = f.causal && b.causal,
          .sequence_aligned = f.sequence_aligned && b.sequence_aligned,
          .max_len = std::min(f.max_len, b.max_len),
          .copies = join_ == Join::kAdd ? 1 : 2,
          .rank_below = joined_rank(join_, f.rank_below, b.rank_below),
          .rank_above = joined_rank(join_, f.rank_above, b.rank_above),
          .explicit_cost = "2 " + f.explicit_cost,
          .fast_cost = "2 " + f.fast_cost};
}

std::vector<Stream> Bidirectional::streams() const {
  std::vector<Stream> all;
  for (const auto& [mixer, suffix] : {std::pair{forward_.get(), "_f"}, std::pair{backward_.get(), "_b"}})
    for (Stream s : mixer->streams()) {
      s.name += suffix;
      all.push_back(s);
    }
  std::ranges::stable_sort(all, {}, &Stream::route);
  return all;
}

void Bidirectional::visit(nn::Visitor& v) {
  v("forward", forward_);
  v("backward", backward_);
}

Var Bidirectional::joined(const Var& forward, const Var& backward, int heads_axis) const {
  return join_ == Join::kAdd ? forward + backward : concat({forward, backward}, heads_axis);
}

Var Bidirectional::do_matrix(const Streams& c, int64_t L) const {
  const Runs rows = rows_of(c, *this, L);
  return joined(forward_->matrix(part(c, *forward_, "_f"), rows), backward_->matrix(part(c, *backward_, "_b"), rows),
                1);
}

std::optional<Var> Bidirectional::do_offset(const Streams& c, int64_t L) const {
  const Runs rows = rows_of(c, *this, L);
  const Tensor v = zeros({rows.B(), L, shape_.H, shape_.P}, c.dtype(), c.device());
  return joined(forward_->offset(part(c, *forward_, "_f"), rows, v),
                backward_->offset(part(c, *backward_, "_b"), rows, v), 2);
}

Var Bidirectional::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  const Streams tokens = c.by_token(runs);
  return joined(forward_->mix(part(tokens, *forward_, "_f"), v, runs),
                backward_->mix(part(tokens, *backward_, "_b"), v, runs), 2);
}

std::unique_ptr<MixerBlock> make_bidirectional_block(BlockOptions options, const MixerMaker& forward,
                                                     const MixerMaker& backward, Combine combine) {
  options.multiply_copies = combine == Combine::kMultiply;
  return std::make_unique<MixerBlock>(options, [&](const BlockShape& shape) {
    return std::make_unique<Bidirectional>(shape, forward(shape), backward(shape),
                                           combine == Combine::kAdd ? Join::kAdd : Join::kConcat);
  });
}

}  // namespace matmix::mixers
