#include "mixers/monarch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/create.h"

namespace matmix::mixers {
namespace {

int64_t bits_of(int64_t max_len) { return std::bit_width(static_cast<uint64_t>(max_len - 1)); }
int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t product_of(std::span<const int64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}
std::string name_of(size_t a) { return text("factor_", a + 1); }

/// max_len as a product: the bits of its numbers in equal parts, the first axis cut to what is needed.
std::vector<int64_t> sizes_of(const MonarchMixerOptions& o) {
  std::vector<int64_t> sizes;
  const int64_t bits = bits_of(o.max_len);
  for (int64_t a = 0; a < o.order; ++a) sizes.push_back(int64_t{1} << (bits * (a + 1) / o.order - bits * a / o.order));
  sizes[0] = quotient_up(o.max_len, product_of(std::span(sizes).subspan(1)));
  return sizes;
}

}  // namespace

/// The sizes that the digits of L tokens need, n tokens in all; cut from the front, where digits are 0.
struct Monarch::Axes {
  std::vector<int64_t> sizes;
  int64_t n = 1;

  int64_t outer(size_t a) const { return product_of(std::span(sizes).first(a)); }
  int64_t inner(size_t a) const { return product_of(std::span(sizes).subspan(a + 1)); }
};

Monarch::Axes Monarch::axes(int64_t L) const {
  Axes axes{sizes_};
  for (size_t a = 0; a < sizes_.size(); ++a) {
    axes.sizes[a] = quotient_up(L, axes.inner(a));
    if (axes.sizes[a] > 1) break;
  }
  axes.n = product_of(axes.sizes);
  return axes;
}

Monarch::Monarch(const BlockShape& shape, const MonarchMixerOptions& o)
    : shape_(shape), options_(o), scale_(1 / std::sqrt(static_cast<double>(o.max_len))) {
  require(o.max_len > 0, "monarch", "max_len must be positive, got ", o.max_len);
  require(o.order >= 2 && o.order <= finest_order(o.max_len), "monarch", "order must be in [2, ",
          finest_order(o.max_len), "] for max_len ", o.max_len, ", got ", o.order);
  sizes_ = sizes_of(o);
}

int64_t Monarch::finest_order(int64_t max_len) { return std::max<int64_t>(2, bits_of(max_len)); }

Traits Monarch::traits() const {
  const bool finest = options_.order == finest_order(options_.max_len);
  return {.name = finest && options_.order > 2 ? "butterfly" : "monarch",
          .sequence_aligned = options_.order == 2,
          .max_len = options_.max_len,
          .monarch_block = product_of(std::span(sizes_).subspan(1)),
          .explicit_cost = "L^2 P",
          .fast_cost = finest ? "L log L P" : text("L^(1+1/", options_.order, ") P")};
}

std::vector<Stream> Monarch::streams() const {
  std::vector<Stream> streams;
  for (size_t a = 0; a < sizes_.size(); ++a)
    streams.push_back({.name = name_of(a), .per_token = {shape_.H, sizes_[a]}, .table_init = nn::Init::normal(1)});
  return streams;
}

/// What n tokens bring for axis a: [B or 1, outer, tokens, inner, H, digits].
Var Monarch::factor(const Streams& c, const Axes& axes, size_t a) const {
  const int64_t size = axes.sizes[a];
  const Var own = narrow(c[name_of(a)], -1, 0, size);
  return reshape(pad(own, 1, 0, axes.n - own.dim(1)), {own.dim(0), axes.outer(a), size, axes.inner(a), shape_.H, size});
}

/// Factor a's part of every entry: [B or 1, H, n, n].
Var Monarch::entries(const Streams& c, const Axes& axes, size_t a) const {
  const int64_t O = axes.outer(a), s = axes.sizes[a], I = axes.inner(a);
  const bool first_applied = a + 1 == sizes_.size();
  // Row digits (outer, a, inner), then column digits. Token t_a has the column's outer digits.
  const Var by_token =
      permute(factor(c, axes, a), first_applied ? std::vector{0, 4, 5, 3, 1, 2} : std::vector{0, 4, 2, 3, 1, 5});
  const Var placed = reshape(by_token, {by_token.dim(0), shape_.H, 1, s, I, O, s, 1});
  return reshape(expand(placed, {by_token.dim(0), shape_.H, O, s, I, O, s, I}),
                 {by_token.dim(0), shape_.H, axes.n, axes.n});
}

Var Monarch::do_matrix(const Streams& c, int64_t L) const {
  if (L == 0) return zeros({1, shape_.H, 0, 0}, c.dtype(), c.device());
  const Axes axes = this->axes(L);
  Var M = affine(entries(c, axes, 0), scale_);
  for (size_t a = 1; a < sizes_.size(); ++a) M = M * entries(c, axes, a);
  return narrow(narrow(M, 2, 0, L), 3, 0, L);
}

/// One factor after the other, each a batch of small products over tokens that differ in one digit.
Var Monarch::product(const Streams& c, const Var& v) const {
  const int64_t B = v.dim(0), L = v.dim(1), H = v.dim(2), P = v.dim(3);
  const Axes axes = this->axes(L);
  Var y = pad(v, 1, 0, axes.n - L);
  for (size_t a = sizes_.size(); a-- > 0;) {
    const std::vector<int> tokens_last{0, 1, 3, 4, 2, 5}, tokens_third{0, 1, 4, 2, 3, 5};
    const Var x = permute(reshape(y, {B, axes.outer(a), axes.sizes[a], axes.inner(a), H, P}), tokens_last);
    const Var mixed = matmul(permute(factor(c, axes, a), tokens_last), x,
                             {.transpose_a = a + 1 == sizes_.size(), .scale = a == 0 ? scale_ : 1});
    y = reshape(permute(mixed, tokens_third), {B, axes.n, H, P});
  }
  return narrow(y, 1, 0, L);
}

Var Monarch::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams& cut, const Var& part) { return product(cut, part); });
}

}  // namespace matmix::mixers
