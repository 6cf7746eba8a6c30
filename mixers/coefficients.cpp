#include "mixers/coefficients.h"

#include <algorithm>

#include "mixers/mixer.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/linear/linear.h"

namespace matmix::mixers {

Coefficients::Coefficients(std::vector<Stream> streams, Source source, int64_t D)
    : streams_(std::move(streams)), source_(std::move(source)) {
  require(std::ranges::is_sorted(streams_, {}, &Stream::route), "coefficients",
          "streams must be ordered by route: conv and act, conv, direct, from value");
  for (const Stream& s : streams_) {
    nn::Parameter parameter;
    if (const auto* table = std::get_if<Table>(&source_)) {
      require(table->max_len > 0, "coefficients", "a table needs max_len > 0, got ", table->max_len);
      // The diagonal stays a map of the value whatever the source of the other streams.
      if (s.route != Route::kFromValue)
        parameter =
            nn::Parameter(Shape{table->max_len} + s.per_token, table->init.value_or(s.table_init), nn::Decay::kYes);
    } else if (const auto* generated = std::get_if<Generated>(&source_); generated && s.route != Route::kFromValue) {
      generators_.push_back(generated->make(s));
    }
    if (s.route == Route::kFromValue)
      parameter =
          nn::Parameter({s.per_token.numel(), D}, nn::Init::linear_uniform(D), nn::Decay::kYes, nn::Operand::kGemm);
    parameters_.push_back(parameter);
  }
}

int64_t Coefficients::width(Route route) const {
  int64_t sum = 0;
  if (projected())
    for (const Stream& s : streams_)
      if (s.route == route) sum += s.per_token.numel();
  return sum;
}

bool Coefficients::depend_on_input() const {
  return std::ranges::any_of(streams_, [this](const Stream& s) { return projected() || s.route == Route::kFromValue; });
}

int64_t Coefficients::max_len() const {
  const auto* table = std::get_if<Table>(&source_);
  return table && !streams_.empty() ? table->max_len : Traits::kUnlimited;
}

void Coefficients::cut(Streams& out, const Var& joined, std::initializer_list<Route> routes) const {
  std::vector<const Stream*> parts;
  std::vector<int64_t> sizes;
  for (const Stream& s : streams_)
    if (std::ranges::find(routes, s.route) != routes.end()) {
      parts.push_back(&s);
      sizes.push_back(s.per_token.numel());
    }
  if (parts.empty()) return;
  const std::vector<Var> pieces = split(joined, sizes, -1);
  for (size_t i = 0; i < parts.size(); ++i)
    out.put_tokens(parts[i]->name, reshape(pieces[i], Shape{joined.dim(0), joined.dim(1)} + parts[i]->per_token));
}

Streams Coefficients::operator()(const Var& convolved, const Var& direct, const Var& v, const Runs& runs) const {
  Streams out(v.dtype(), v.device());
  if (projected()) {
    cut(out, convolved, {Route::kConvAct, Route::kConv});
    cut(out, direct, {Route::kDirect});
  }
  int64_t longest = 0;
  for (const Run& r : runs.all()) longest = std::max(longest, r.length);
  require(longest <= max_len(), "coefficients", "runs must have at most ", max_len(), " tokens (the table's), got ",
          longest);
  size_t generator = 0;
  for (size_t i = 0; i < streams_.size(); ++i) {
    const Stream& s = streams_[i];
    if (s.route == Route::kFromValue) {
      const Var mapped = linear(v, parameters_[i], {.out_dtype = parameters_[i].master().dtype()});
      out.put_tokens(s.name, reshape(mapped, Shape{v.dim(0), v.dim(1)} + s.per_token));
    } else if (std::holds_alternative<Table>(source_)) {
      out.put_positions(s.name, cast(unsqueeze(parameters_[i], 0), v.dtype()));
    } else if (std::holds_alternative<Generated>(source_)) {
      out.put_positions(s.name, cast(generators_[generator++]->forward(longest), v.dtype()));
    }
  }
  return out;
}

void Coefficients::visit(nn::Visitor& v) {
  for (size_t i = 0; i < streams_.size(); ++i) v(streams_[i].name, parameters_[i]);
  v("generators", generators_);
}

}  // namespace matmix::mixers
