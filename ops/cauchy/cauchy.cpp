#include "ops/cauchy/cauchy.h"

#include <algorithm>

#include "autograd/node.h"
#include "ops/cauchy/cauchy_check.h"
#include "ops/cauchy/cauchy_kernels.h"
#include "ops/common/views.h"
#include "ops/elementwise/elementwise.h"
#include "tensor/create.h"

namespace matmix {
namespace {

constexpr const char* kCauchy = "cauchy";
constexpr int64_t kMostTerms = 64;

/// Rational terms that cost no more than the entries one by one:  n E P against L (P + 2 E) / 2.
int64_t terms_that_pay(int64_t L, int64_t E, int64_t P) {
  return std::min(kMostTerms, L * (P + 2 * E) / std::max<int64_t>(1, 2 * E * P));
}

CauchyPlan plan_of(const Tensor& a, const Tensor& b, int64_t P, const CauchyOptions& options) {
  const int64_t B = a.dim(0), L = a.dim(1), H = a.dim(2), E = a.dim(3);
  const int64_t J = options.max_terms < 0 ? terms_that_pay(L, E, P) : options.max_terms;
  const double usual = a.dtype() == DType::F64 ? 1e-10 : 1e-7;
  const CauchyPlan plan{.rank = empty({B, H}, DType::I64, a.device()),
                        .shift = empty({B, H, E}, a.dtype(), a.device()),
                        .nodes = empty({B, H, E, J}, a.dtype(), a.device()),
                        .accuracy = options.accuracy > 0 ? options.accuracy : usual};
  kCauchyPlan(a.device(), a, b, plan);
  return plan;
}

/// sum_i f(x_i) w_i' of one side.
Tensor collected(const Tensor& x, bool is_a, const Tensor& w, const CauchyPlan& plan) {
  const Tensor Z = empty(plan.nodes.shape() + Shape{w.dim(3)}, x.dtype(), x.device());
  if (Z.numel() > 0) kCauchyCollect(x.device(), x, is_a, w, plan, Z);
  return Z;
}

/// What a call keeps for its gradients.
struct CauchyCall {
  enum Input { kA, kB, kV };

  Saved a, b, v, rank, shift, nodes, Z;
  double accuracy, scale;

  CauchyPlan plan() const { return {.rank = rank, .shift = shift, .nodes = nodes, .accuracy = accuracy}; }
};

void give_gradients(const Backward& b, const CauchyCall& kept) {
  using enum CauchyCall::Input;
  const Tensor &v = kept.v, dy = dense_rows(b.dy());
  const int64_t B = v.dim(0);
  const Tensor a_rows = over_batch(kept.a, B), b_rows = over_batch(kept.b, B), values = dense_rows(v);
  const CauchyPlan plan = kept.plan();
  const auto wanted = [&](int input, const Tensor& like) {
    return b.needs(input) ? empty(like.shape(), like.dtype(), like.device()) : Tensor();
  };
  const Tensor da = wanted(kA, a_rows), db = wanted(kB, b_rows), dv = wanted(kV, v);
  if (db.defined() || dv.defined())
    kCauchyApply(v.device(),
                 {.own = b_rows,
                  .other = a_rows,
                  .own_is_a = false,
                  .w = dy,
                  .x = values,
                  .y = dv,
                  .down = db,
                  .scale = kept.scale},
                 plan, collected(a_rows, true, dy, plan));
  if (da.defined())
    kCauchyApply(v.device(),
                 {.own = a_rows,
                  .other = b_rows,
                  .own_is_a = true,
                  .w = values,
                  .x = dy,
                  .y = {},
                  .down = da,
                  .scale = kept.scale},
                 plan, kept.Z);
  const std::pair<int, Tensor> given[] = {{kA, da}, {kB, db}, {kV, dv}};
  for (const auto& [input, gradient] : given)
    if (gradient.defined()) b.give(input, gradient);
}

/// The product of a and b themselves.
Var product(const Var& a, const Var& b, const Var& v, const CauchyOptions& options) {
  const Tensor a_rows = over_batch(a.value(), v.dim(0)), b_rows = over_batch(b.value(), v.dim(0));
  const Tensor values = dense_rows(v.value());
  const CauchyPlan plan = plan_of(a_rows, b_rows, v.dim(3), options);
  const Tensor Z = collected(b_rows, false, values, plan), y = empty(v.shape(), v.dtype(), v.device());
  kCauchyApply(v.device(),
               {.own = a_rows,
                .other = b_rows,
                .own_is_a = true,
                .w = values,
                .x = {},
                .y = y,
                .down = {},
                .scale = options.scale},
               plan, Z);
  const CauchyCall kept{.a = {a.value(), "a"},
                        .b = {b.value(), "b"},
                        .v = {v.value(), "v"},
                        .rank = {plan.rank, "rank"},
                        .shift = {plan.shift, "shift"},
                        .nodes = {plan.nodes, "nodes"},
                        .Z = {Z, "Z"},
                        .accuracy = plan.accuracy,
                        .scale = options.scale};
  return record(kCauchy, {a, b, v}, y, [kept](Backward& back) { give_gradients(back, kept); });
}

}  // namespace

void check_cauchy(const Var& q, const Var& k, const Var& bias, const CauchyOptions& options) {
  require(q.defined() && q.rank() == 4 && is_floating(q.dtype()) && q.dim(2) > 0 && q.dim(3) > 0, kCauchy,
          "q must be floating [B, L, H, E] with H and E positive, got ", q);
  require(k.defined() && k.rank() == 4 && (k.dim(0) == q.dim(0) || k.dim(0) == 1 || q.dim(0) == 1) &&
              k.dim(1) == q.dim(1) && k.dim(2) == q.dim(2) && k.dim(3) == q.dim(3) && k.dtype() == q.dtype() &&
              k.device() == q.device(),
          kCauchy, "k must be as q, which is ", q, ", got ", k);
  if (bias.defined())
    require(is_floating(bias.dtype()) && bias.device() == q.device() && bias.rank() <= 4, kCauchy,
            "bias must be floating and broadcast with q, which is ", q, ", got ", bias);
  require(options.eps >= 0, kCauchy, "eps must not be negative, got ", options.eps);
  require(options.accuracy >= 0 && options.accuracy < 1, kCauchy, "accuracy must be in [0, 1), got ", options.accuracy);
}

std::pair<Var, Var> cauchy_poles(const Var& q, const Var& k, const Var& bias, const CauchyOptions& options) {
  const DType dtype = accumulator(q.dtype());
  const Var largest = full({}, dtype == DType::F64 ? 700 : 80, dtype, q.device());
  const auto pole = [&](const Var& x) {
    const Var e = affine(exp(minimum(cast(x, dtype), largest)), 1, options.eps / 2);
    return bias.defined() ? e + abs(cast(bias, dtype)) : e;
  };
  return {pole(q), pole(k)};
}

Var cauchy(const Var& q, const Var& k, const Var& v, const Var& bias, const CauchyOptions& options) {
  check_cauchy(q, k, bias, options);
  require(v.defined() && v.rank() == 4 && v.dim(1) == q.dim(1) && v.dim(2) == q.dim(2) && v.dim(3) > 0 &&
              v.dtype() == q.dtype() && v.device() == q.device() && (q.dim(0) == 1 || q.dim(0) == v.dim(0)) &&
              (k.dim(0) == 1 || k.dim(0) == v.dim(0)),
          kCauchy, "v must be [B, L, H, P] in the dtype and on the device of q, which is ", q, ", got ", v);
  const auto [a, b] = cauchy_poles(q, k, bias, options);
  if (v.numel() == 0) return v;
  return product(a, b, v, options);
}

}  // namespace matmix
