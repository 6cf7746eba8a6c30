#include "mixers/coefficients.h"

#include <doctest/doctest.h>

#include "mixers/mixer.h"
#include "nn/parameter_store.h"
#include "ops/layout/layout.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

const std::vector<Stream> kStreams{{"B", {2, 3}, Route::kConvAct},
                                   {"q", {4}, Route::kConv},
                                   {"dt", {2}, Route::kDirect},
                                   {"delta", {2}, Route::kFromValue}};

/// The filter position + i.
struct Ramp final : Generator {
  explicit Ramp(const Stream& s) : width(s.per_token) {}
  Var forward(int64_t L) const override {
    const Tensor ramp = arange(L * width.numel(), DType::F64).reshape(Shape{1, L} + width);
    return ramp;
  }
  void visit(nn::Visitor&) override {}
  Shape width;
};

}  // namespace

TEST_CASE("projected: widths by route, and the parts in order") {
  Coefficients c(kStreams, Projected{}, 5);
  CHECK(c.conv_width() == 10);
  CHECK(c.act_width() == 6);
  CHECK(c.direct_width() == 2);
  CHECK(c.max_len() == Traits::kUnlimited);
  const nn::ParameterStore store(c, kCpu, MathMode::kF64, 1);
  CHECK(store.entries().size() == 1);
  CHECK(store.entries()[0].path == "delta");

  const Tensor conv = random_tensor({2, 3, 10}, 1), direct = random_tensor({2, 3, 2}, 2),
               v = random_tensor({2, 3, 5}, 3);
  const Streams s = c(conv, direct, v, Runs::full(2, 3));
  CHECK(same_bits(s["B"].value(), conv.narrow(2, 0, 6).reshape({2, 3, 2, 3})));
  CHECK(same_bits(s["q"].value(), conv.narrow(2, 6, 4)));
  CHECK(same_bits(s["dt"].value(), direct));
  CHECK(s["delta"].shape() == Shape{2, 3, 2});
}

TEST_CASE("table: learned rows by position, refused beyond its length") {
  Coefficients c(kStreams, Table{4}, 5);
  CHECK(c.conv_width() == 0);
  CHECK(c.direct_width() == 0);
  CHECK(c.max_len() == 4);
  const nn::ParameterStore store(c, kCpu, MathMode::kF64, 1);
  CHECK(store.entries().size() == 4);
  const Tensor v = random_tensor({1, 5, 5}, 3);
  const Streams s = c({}, {}, v, Runs::of_lengths(5, {4}));
  CHECK(s["B"].shape() == Shape{1, 4, 2, 3});
  CHECK_THROWS_WITH_AS(c({}, {}, v, Runs::full(1, 5)),
                       "coefficients: runs must have at most 4 tokens (the table's), got 5", Error);
}

TEST_CASE("generated: any length") {
  Coefficients c({{"q", {2}, Route::kConv}}, Generated{[](const Stream& s) { return std::make_unique<Ramp>(s); }}, 5);
  const nn::ParameterStore store(c, kCpu, MathMode::kF64, 1);
  const Streams s = c({}, {}, random_tensor({1, 3, 5}, 3), Runs::full(1, 3));
  CHECK(to_vector<double>(s["q"].value()) == std::vector<double>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("streams out of order are refused") {
  CHECK_THROWS_WITH_AS(Coefficients({{"a", {1}, Route::kDirect}, {"b", {1}, Route::kConv}}, Projected{}, 1),
                       "coefficients: streams must be ordered by route: conv and act, conv, direct, from value", Error);
}
