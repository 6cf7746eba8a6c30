#include "ops/elementwise/elementwise.h"

#include <doctest/doctest.h>

#include <functional>

#include "autograd/backward.h"
#include "autograd/node.h"
#include "autograd/trace.h"
#include "ops/elementwise/functors.h"
#include "ops/layout/layout.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

using Unary = Var (*)(const Var&);
using Binary = Var (*)(const Var&, const Var&);

struct NamedUnary {
  std::string name;
  Unary f;
  double (*exact)(double);
};

double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

const NamedUnary kUnary[] = {
    {"neg", neg, [](double x) { return -x; }},
    {"exp", exp, std::exp},
    {"log", log, std::log},
    {"sqrt", sqrt, std::sqrt},
    {"rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }},
    {"square", square, [](double x) { return x * x; }},
    {"reciprocal", reciprocal, [](double x) { return 1 / x; }},
    {"abs", abs, std::fabs},
    {"sin", sin, std::sin},
    {"cos", cos, std::cos},
    {"tanh", tanh, std::tanh},
    {"sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
    {"softplus", softplus, [](double x) { return std::log1p(std::exp(x)); }},
    {"relu", relu, [](double x) { return std::max(x, 0.0); }},
    {"silu", silu, [](double x) { return x / (1 + std::exp(-x)); }},
    {"gelu", gelu, [](double x) { return x * phi(x); }},
};

const std::pair<Binary, double (*)(double, double)> kBinary[] = {
    {add, [](double a, double b) { return a + b; }},
    {sub, [](double a, double b) { return a - b; }},
    {mul, [](double a, double b) { return a * b; }},
    {div, [](double a, double b) { return a / b; }},
    {maximum, [](double a, double b) { return std::max(a, b); }},
    {minimum, [](double a, double b) { return std::min(a, b); }},
    {glu, [](double a, double b) { return a / (1 + std::exp(-b)); }},
    {[](const Var& a, const Var& b) { return gated(a, b, Activation::kNone); },
     [](double a, double b) { return a * b; }},
    {[](const Var& a, const Var& b) { return gated(a, b, Activation::kRelu); },
     [](double a, double b) { return a * std::max(b, 0.0); }},
    {[](const Var& a, const Var& b) { return gated(a, b, Activation::kSilu); },
     [](double a, double b) { return a * b / (1 + std::exp(-b)); }},
    {[](const Var& a, const Var& b) { return gated(a, b, Activation::kGelu); },
     [](double a, double b) { return a * b * phi(b); }},
    {[](const Var& a, const Var& b) { return gated(a, b, Activation::kTanh); },
     [](double a, double b) { return a * std::tanh(b); }},
};

/// x where it is broadcast to an index of a larger shape.
double broadcast_at(const Tensor& x, const Shape& index) {
  Shape own;
  for (int i = 0; i < x.rank(); ++i) own.push_back(x.dim(i) == 1 ? 0 : index[index.rank() - x.rank() + i]);
  return element<double>(x, own);
}

TEST_CASE("elementwise: every unary map is its definition, of every dtype and stride") {
  for (const Device device : test_devices())
    for (const auto& [name, f, exact] : kUnary)
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
        CAPTURE(name);
        // 300 columns: more than one block of the CPU's loops, and no whole number of packs of the GPU's.
        const Tensor positive = abs(random_tensor({3, 301}, 1)).value();
        const Tensor x = cast(affine(positive, 1, 0.01).value(), dtype);
        const Tensor want = clone(cast(x, DType::F64));
        for_each_index(x.shape(), [&](const Shape& i) { element<double>(want, i) = exact(element<double>(want, i)); });
        const Tensor there = to(x, device), other = contiguous(there.transpose(0, 1)).transpose(0, 1);
        const Var y = f(there);
        CHECK(y.dtype() == dtype);
        CHECK(y.value().is_contiguous());
        CHECK(relative_error(y.value(), want) <= tolerance(dtype));
        CHECK(same_bits(f(other).value(), y.value()));
        CHECK(same_bits(f(there.narrow(1, 1, 299)).value(), contiguous(y.value().narrow(1, 1, 299))));
      }
}

TEST_CASE("elementwise: stable at both ends") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
      const Tensor x = to(cast(from_vector<double>({-1000, -1, 0, 1, 1000}), dtype), device);
      for (const Unary f : {sigmoid, softplus, tanh, silu, gelu, relu}) {
        const Var v = leaf(x);
        const Var y = f(v);
        backward(y, {.seed = full({5}, 1, dtype, device)});
        const auto values = to_vector<double>(y.value()), slopes = to_vector<double>(v.grad());
        for (size_t i = 0; i < 5; ++i) CHECK((std::isfinite(values[i]) && std::isfinite(slopes[i])));
        CHECK((values[4] == 1000 || values[4] == 1));
        CHECK((slopes[4] == 1 || values[4] == 1));
      }
      CHECK(to_vector<double>(softplus(from_vector<float>({25})).value())[0] == 25);
    }
}

TEST_CASE("elementwise: NaN goes through every map and both sides of maximum and minimum") {
  for (const Device device : test_devices()) {
    const Tensor nan = full({3}, NAN, DType::F32, device), one = full({3}, 1, DType::F32, device);
    for (const auto& entry : kUnary) CHECK(std::isnan(to_vector<double>(entry.f(nan).value())[0]));
    for (const auto& entry : kBinary) {
      CHECK(std::isnan(to_vector<double>(entry.first(nan, one).value())[1]));
      CHECK(std::isnan(to_vector<double>(entry.first(one, nan).value())[1]));
    }
  }
}

TEST_CASE("elementwise: binary maps broadcast by NumPy's rule") {
  const std::pair<Shape, Shape> kShapes[] = {
      {{}, {}},   {{4}, {}},     {{}, {2, 3}},  {{2, 300}, {300}},         {{2, 1}, {2, 300}},     {{2, 1, 3}, {4, 1}},
      {{1}, {5}}, {{3, 0}, {1}}, {{0, 4}, {4}}, {{2, 3, 4, 5}, {3, 1, 5}}, {{7, 1, 2}, {1, 8, 1}}, {{1, 1}, {1}},
  };
  for (const Device device : test_devices())
    for (const auto& [shape_a, shape_b] : kShapes)
      for (const auto& [f, exact] : kBinary) {
        const Tensor a = random_tensor(shape_a, 1), b = random_tensor(shape_b, 2);
        const Tensor want = empty(broadcast_shapes(shape_a, shape_b, "test"), DType::F64);
        for_each_index(want.shape(), [&](const Shape& i) {
          element<double>(want, i) = exact(broadcast_at(a, i), broadcast_at(b, i));
        });
        CHECK(relative_error(f(to(a, device), to(b, device)).value(), want) <= tolerance(DType::F64));
      }
}

TEST_CASE("elementwise: the result has the wider dtype, each gradient its own") {
  for (const Device device : test_devices()) {
    const DType kDtypes[] = {DType::F64, DType::F32, DType::BF16};
    for (const DType da : kDtypes)
      for (const DType db : kDtypes) {
        const Var a = leaf(random_tensor({3, 4}, 1, da, device)), b = leaf(random_tensor({4}, 2, db, device));
        const Var y = a * b;
        CHECK(y.dtype() == std::min(da, db));
        backward(y, {.seed = full({3, 4}, 1, y.dtype(), device)});
        CHECK(a.grad().dtype() == da);
        CHECK(b.grad().dtype() == db);
        CHECK(relative_error(a.grad(), b.value().expand({3, 4})) <= tolerance(da));
      }
  }
}

TEST_CASE("elementwise: a slope at NaN is NaN where the value is") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
      const auto constant = [&](double x) { return leaf(full({3}, x, dtype, device)); };
      const Tensor seed = full({3}, 1, dtype, device);
      for (const auto& entry : kUnary) {
        if (entry.f == Unary{neg}) continue;  // its slope is a constant
        const Var x = constant(NAN);
        const Var y = entry.f(x);
        backward(y, {.seed = seed});
        CHECK(std::isnan(to_vector<double>(x.grad())[1]));
      }
      for (const Binary f : {maximum, minimum, mul, div, glu})
        for (const bool nan_first : {true, false}) {
          const Var a = constant(nan_first ? NAN : 1), b = constant(nan_first ? 1 : NAN);
          backward(f(a, b), {.seed = seed});
          const bool either = std::isnan(to_vector<double>(a.grad())[1]) || std::isnan(to_vector<double>(b.grad())[1]);
          CHECK(either);
        }
    }
}

TEST_CASE("elementwise: silu and gelu have their limits at infinity, and so have their slopes") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const Unary f : {silu, gelu}) {
        const Var x = leaf(to(cast(from_vector<double>({-INFINITY, INFINITY, -3e38, 3e38}), dtype), device));
        const Var y = f(x);
        backward(y, {.seed = full({4}, 1, dtype, device)});
        const double large = to_vector<double>(x.value())[3];
        CHECK(to_vector<double>(y.value()) == std::vector<double>{0, INFINITY, 0, large});
        CHECK(to_vector<double>(x.grad()) == std::vector<double>{0, 1, 0, 1});
      }
}

TEST_CASE("zero_padding: 0 whatever stood there, x itself if nothing is padding") {
  for (const Device device : test_devices()) {
    const Tensor x = full({2, 3, 2}, NAN, DType::F32, device);
    fill(x.narrow(0, 0, 1).narrow(1, 1, 2), 7);
    const Var in = leaf(x);
    const Var y = zero_padding(in, Runs::of(2, 3, {{0, 1, 2}}));
    CHECK(to_vector<double>(y.value()) == std::vector<double>{0, 0, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0});
    backward(y, {.seed = full({2, 3, 2}, 5, DType::F32, device)});
    CHECK(to_vector<double>(in.grad()) == std::vector<double>{0, 0, 5, 5, 5, 5, 0, 0, 0, 0, 0, 0});
    CHECK(zero_padding(in, Runs::full(2, 3)).value().same_view_as(x));
  }
  CHECK_THROWS_WITH_AS(zero_padding(zeros({2, 3}, DType::F32), Runs::full(2, 4)),
                       "zero_padding: x must be [2, 4, ...], got F32 [2, 3] on CPU", Error);
}

TEST_CASE("elementwise: a tie of maximum and minimum sends the gradient to a") {
  for (const Binary f : {maximum, minimum}) {
    const Var a = leaf(from_vector<double>({1, 2})), b = leaf(from_vector<double>({1, 2}));
    backward(f(a, b), {.seed = from_vector<double>({3, 4})});
    CHECK(to_vector<double>(a.grad()) == std::vector<double>{3, 4});
    CHECK(to_vector<double>(b.grad()) == std::vector<double>{0, 0});
  }
}

TEST_CASE("elementwise: the slope of abs and relu at 0 is 0") {
  for (const Unary f : {abs, relu}) {
    const Var x = leaf(from_vector<double>({0, -0.0}));
    backward(f(x), {.seed = from_vector<double>({1, 1})});
    CHECK(to_vector<double>(x.grad()) == std::vector<double>{0, 0});
  }
}

TEST_CASE("elementwise: the same tensor on both sides") {
  const Var x = leaf(from_vector<double>({3, -2}));
  backward(x * x + x, {.seed = from_vector<double>({1, 1})});
  CHECK(to_vector<double>(x.grad()) == std::vector<double>{7, -3});
}

TEST_CASE("elementwise: gradients go in place into the buffer that parts share") {
  for (const Device device : test_devices()) {
    const Var x = leaf(random_tensor({3, 10}, 1, DType::F64, device));
    const auto parts = split(x, {4, 6}, 1);
    const Var y = concat({exp(parts[0]), parts[1] * parts[1]}, 1);
    backward(y, {.seed = full({3, 10}, 1, DType::F64, device)});
    const Tensor want = empty({3, 10}, DType::F64, device);
    copy(want.narrow(1, 0, 4), exp(x.value().narrow(1, 0, 4)).value());
    copy(want.narrow(1, 4, 6), affine(x.value().narrow(1, 4, 6), 2).value());
    CHECK(relative_error(x.grad(), want) <= tolerance(DType::F64));
  }
}

TEST_CASE("elementwise: the same bits for one thread and two") {
  const Tensor x = random_tensor({300, 401}, 1, DType::F32), row = random_tensor({401}, 2, DType::F32);
  const auto run = [&](int threads) {
    set_thread_count(threads);
    const Var a = leaf(x), b = leaf(row);
    const Var y = silu(a * b) + exp(a);
    backward(y, {.seed = x});
    return std::vector<Tensor>{y.value(), a.grad(), b.grad()};
  };
  const int before = thread_count();
  const auto one = run(1), two = run(2);
  set_thread_count(before);
  for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], two[i]));
}

TEST_CASE("elementwise: keeps what the slope needs, x or y, and nothing for sums") {
  const Var x = leaf(random_tensor({100}, 1));
  const auto kept = [&](const std::function<Var()>& f) {
    reset_saved_bytes();
    const Var y = f();
    return saved_bytes().at(y.node()->op()).bytes;
  };
  CHECK(kept([&] { return exp(x); }) == 800);
  CHECK(kept([&] { return silu(x); }) == 800);
  CHECK(kept([&] { return affine(x, 2); }) == 0);
  CHECK(kept([&] { return x + x; }) == 0);
  CHECK(kept([&] { return x - x; }) == 0);
  CHECK(kept([&] { return cast(x, DType::F32); }) == 0);
}

TEST_CASE("activate: the map of that name, and x itself for none") {
  const Var x = random_tensor({5}, 1);
  CHECK(activate(x, Activation::kNone).value().same_view_as(x.value()));
  CHECK(same_bits(activate(x, Activation::kRelu).value(), relu(x).value()));
  CHECK(same_bits(activate(x, Activation::kSilu).value(), silu(x).value()));
  CHECK(same_bits(activate(x, Activation::kGelu).value(), gelu(x).value()));
  CHECK(same_bits(activate(x, Activation::kTanh).value(), tanh(x).value()));
}

TEST_CASE("activations: names and back, and a slope from x alone") {
  for (const Activation a :
       {Activation::kNone, Activation::kRelu, Activation::kSilu, Activation::kGelu, Activation::kTanh}) {
    CHECK(parse_activation(to_string(a)) == a);
    dispatch_activation(a, [&]<class F>() {
      for (const double x : {-1.5, 0.3, 2.0})
        CHECK(slope_at<F>(x) == doctest::Approx((F::value(x + 1e-6) - F::value(x - 1e-6)) / 2e-6).epsilon(1e-8));
    });
  }
  CHECK_THROWS_WITH_AS(parse_activation("swish"), "activation: must be none, relu, silu, gelu or tanh, got 'swish'",
                       Error);
}

TEST_CASE("cast: rounds, returns x itself where there is nothing to do, and casts the gradient back") {
  const Var x = leaf(random_tensor({4}, 1, DType::F32));
  CHECK(cast(x, DType::F32).value().same_view_as(x.value()));
  const Var y = cast(x, DType::BF16);
  CHECK(same_bits(y.value(), cast(x.value(), DType::BF16)));
  const Tensor dy = random_tensor({4}, 2, DType::BF16);
  backward(y, {.seed = dy});
  CHECK(same_bits(x.grad(), cast(dy, DType::F32)));
}

TEST_CASE("elementwise: what is refused") {
  const Tensor x = random_tensor({2, 3}, 1), ids = arange(3, DType::I64);
  CHECK_THROWS_WITH_AS(exp(ids), "exp: x must be a floating tensor, got I64 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(exp(Var()), "exp: x must be a floating tensor, got undefined", Error);
  CHECK_THROWS_WITH_AS(affine(ids, 2), "affine: x must be a floating tensor, got I64 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(mul(x, ids), "mul: b must be a floating tensor, got I64 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(add(x, random_tensor({2}, 2)), "add: shapes [2, 3] and [2] do not broadcast", Error);
  CHECK_THROWS_WITH_AS(where(x, x, x), "where: condition must be Bool, got F64 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(cast(Var(x), DType::I64), "cast: dtype must be F64, F32 or BF16, got I64", Error);
}

}  // namespace
}  // namespace matmix::testing
