#include "mixers/laws/tokens.h"

#include <algorithm>
#include <numeric>

#include "tensor/create.h"
#include "tensor/random.h"
#include "tensor/transfer.h"

namespace matmix::mixers::laws {
namespace {

Shape tail(const Tensor& x, int from) {
  return Shape(std::span(x.shape().begin() + from, static_cast<size_t>(x.rank() - from)));
}

/// Calls f(token of the sequences, place in the batch) for all tokens.
template <class F>
void for_each_token(const Layout& layout, F&& f) {
  int64_t token = 0;
  for (const Run& r : layout.places)
    for (int64_t i = 0; i < r.length; ++i) f(token++, r.row * layout.L + r.start + i);
}

int64_t total(const std::vector<int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
}

}  // namespace

Runs Layout::runs() const {
  std::vector<Run> present;
  std::ranges::copy_if(places, std::back_inserter(present), [](const Run& r) { return r.length > 0; });
  const bool is_full = std::ranges::all_of(places, [this](const Run& r) { return r.start == 0 && r.length == L; });
  return is_full && static_cast<int64_t>(places.size()) == B ? Runs::full(B, L) : Runs::of(B, L, present);
}

Layout full_layout(const std::vector<int64_t>& lengths) {
  Layout layout{"full", static_cast<int64_t>(lengths.size()), lengths.front(), {}};
  for (int64_t row = 0; row < layout.B; ++row) layout.places.push_back({row, 0, layout.L});
  return layout;
}

Layout padded_layout(const std::vector<int64_t>& lengths, Padding side) {
  const int64_t before = side == Padding::kRight ? 0 : 2, after = side == Padding::kLeft ? 0 : 3;
  const int64_t longest = *std::ranges::max_element(lengths);
  const char* name = side == Padding::kLeft ? "left" : side == Padding::kRight ? "right" : "both";
  Layout layout{name, static_cast<int64_t>(lengths.size()), before + longest + after, {}};
  for (const int64_t length : lengths) {
    const int64_t start = side == Padding::kLeft ? layout.L - length : before;
    layout.places.push_back({static_cast<int64_t>(layout.places.size()), start, length});
  }
  return layout;
}

Layout packed_layout(const std::vector<int64_t>& lengths) {
  Layout layout{"packed", 2, 0, {}};
  int64_t at[2] = {0, 1};
  for (size_t k = 0; k < lengths.size(); ++k) {
    const int row = at[1] < at[0];
    layout.places.push_back({row, at[row], lengths[k]});
    at[row] += lengths[k] + static_cast<int64_t>(k % 2);  // every other sequence has a gap behind it
  }
  layout.L = std::max(at[0], at[1]);
  return layout;
}

Tokens Tokens::only(size_t k) const {
  const int64_t start = std::accumulate(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(k), int64_t{0});
  const auto cut = [&](const Tensor& x) { return contiguous(x.narrow(0, start, lengths[k])); };
  Tokens one{{lengths[k]}, streams, cut(v), cut(dy)};
  for (NamedTensor& s : one.streams)
    if (s.per_token) s.value = cut(s.value);
  return one;
}

Tensor lay_out(const Tensor& x, const Layout& layout, double fill) {
  const Shape per_token = tail(x, 1);
  const int64_t width = per_token.numel();
  const std::vector<double> values = to_vector<double>(x);
  std::vector<double> batch(static_cast<size_t>(layout.B * layout.L * width), fill);
  for_each_token(layout, [&](int64_t token, int64_t place) {
    std::copy_n(values.begin() + token * width, width, batch.begin() + place * width);
  });
  return from_vector(batch, Shape{layout.B, layout.L} + per_token);
}

Tensor collect(const Tensor& batch, const Layout& layout) {
  const Shape per_token = tail(batch, 2);
  const int64_t width = per_token.numel();
  const std::vector<double> values = to_vector<double>(batch);
  std::vector<int64_t> lengths;
  for (const Run& r : layout.places) lengths.push_back(r.length);
  std::vector<double> tokens(static_cast<size_t>(total(lengths) * width));
  for_each_token(layout, [&](int64_t token, int64_t place) {
    std::copy_n(values.begin() + place * width, width, tokens.begin() + token * width);
  });
  return from_vector(tokens, Shape{total(lengths)} + per_token);
}

bool zero_at_padding(const Tensor& batch, const Layout& layout) {
  std::vector<bool> covered(static_cast<size_t>(layout.B * layout.L));
  for_each_token(layout, [&](int64_t, int64_t place) { covered[static_cast<size_t>(place)] = true; });
  const int64_t width = tail(batch, 2).numel();
  const std::vector<double> values = to_vector<double>(batch);
  for (size_t i = 0; i < values.size(); ++i)
    if (!covered[i / static_cast<size_t>(width)] && values[i] != 0) return false;  // NaN is not 0
  return true;
}

Tensor draw(const Shape& shape, DType dtype, uint64_t seed, const std::string& use) {
  const Tensor x = empty(shape, DType::F64);
  random_normal(x, 0, 1, {.seed = seed, .stream = stream_of(use)});
  return cast(cast(x, dtype), DType::F64);
}

}  // namespace matmix::mixers::laws
