#include "mixers/implicit_filter.h"

#include <numbers>

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "tensor/create.h"

namespace matmix::mixers {

ImplicitFilter::ImplicitFilter(const Shape& per_token, const ImplicitFilterOptions& o)
    : per_token_(per_token),
      options_(o),
      in_(1 + 2 * o.bands, o.width),
      hidden_(o.width, o.width),
      out_(o.width, per_token.numel(), {.bias = false}),
      rate_({per_token.numel()}, nn::Init::log_of_uniform(0.5, 8), nn::Decay::kNo) {
  require(o.width > 0 && o.bands >= 0 && o.scale_len > 0, "implicit_filter",
          "width and scale_len must be positive and bands not negative, got ", o.width, ", ", o.scale_len, " and ",
          o.bands);
}

Var ImplicitFilter::forward(int64_t L) const {
  const nn::ModuleScope scope(*this);
  const Var &weight = in_.weight, &rate = rate_;
  // Positions and their angles in F64: a long sequence has many turns.
  const auto axis = [&](int64_t n) { return Var(arange(n, DType::F64, weight.device())); };
  const Var place = affine(unsqueeze(axis(L), 1), 1 / static_cast<double>(options_.scale_len));  // [L, 1]
  const Var angle = affine(affine(axis(options_.bands), 1, 1) * place, 2 * std::numbers::pi);    // [L, bands]
  const Var seen = cast(concat({place, cos(angle), sin(angle)}, 1), weight.dtype());
  const Var filter = out_.forward(sin(hidden_.forward(sin(in_.forward(seen)))));
  const Var window = exp(neg(exp(rate) * cast(place, rate.dtype())));
  return reshape(filter * window, Shape{1, L} + per_token_);
}

void ImplicitFilter::visit(nn::Visitor& v) {
  v("in", in_);
  v("hidden", hidden_);
  v("out", out_);
  v("rate", rate_);
}

Generated implicit_filters(const ImplicitFilterOptions& options) {
  return {[options](const Stream& s) { return std::make_unique<ImplicitFilter>(s.per_token, options); }};
}

}  // namespace matmix::mixers
