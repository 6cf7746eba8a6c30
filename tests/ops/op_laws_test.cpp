// What every op promises, for every row of ops/cases.h.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "autograd/backward.h"
#include "autograd/gradcheck.h"
#include "ops/common/cases.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "tensor/accumulate.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

/// Outputs, then gradients of the arguments.
using Results = std::vector<Tensor>;

DType dtype_of(const OpArgument& argument, DType dtype) { return argument.is_master ? accumulator(dtype) : dtype; }

/// The case's arguments with values that dtype can hold.
std::vector<Tensor> drawn(const OpCase& op, DType dtype, Device device = kCpu) {
  std::vector<Tensor> inputs = op.draw();
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = to(cast(inputs[i], dtype_of(op.arguments[i], dtype)), device);
  return inputs;
}

std::vector<Tensor> in_f64(std::vector<Tensor> tensors) {
  for (Tensor& x : tensors) x = cast(x, DType::F64);
  return tensors;
}

/// The gradient that comes from above to output number `slot`, which y is like.
using Seed = std::function<Tensor(const Tensor& y, size_t slot)>;

/// Runs the case and backward from each of its outputs.
Results results_of(const OpCase& op, const std::vector<Var>& inputs, const Seed& seed) {
  Results results;
  const std::vector<Var> outputs = op.function(inputs);
  for (const Var& y : outputs) {
    if (!is_floating(y.dtype())) continue;
    results.push_back(y.value());
    if (y.node()) backward(y, {.seed = seed(y.value(), results.size()), .keep_graph = true});
  }
  for (const Var& x : inputs)
    if (x.leaf()) results.push_back(x.grad());
  return results;
}

/// The same numbers for every case and slot, rounded to `dtype`.
Seed numbers(DType dtype) {
  return
      [=](const Tensor& y, size_t slot) { return cast(random_tensor(y.shape(), slot, dtype, y.device()), y.dtype()); };
}

Results results_of(const OpCase& op, const std::vector<Var>& inputs, DType dtype) {
  return results_of(op, inputs, numbers(dtype));
}

Results results_of(const OpCase& op, const std::vector<Tensor>& inputs, const Seed& seed) {
  std::vector<Var> leaves;
  for (const Tensor& x : inputs) leaves.push_back(leaf(x));
  return results_of(op, leaves, seed);
}

Results results_of(const OpCase& op, const std::vector<Tensor>& inputs, DType dtype) {
  return results_of(op, inputs, numbers(dtype));
}

/// Same values; no stride is that of a contiguous tensor that the argument allows to be another.
Tensor strided(const Tensor& x, OpArgument::Strides kind) {
  if (kind == OpArgument::Strides::kContiguous || x.rank() == 0) return x;
  std::vector<int> order;
  Shape shape;
  if (kind == OpArgument::Strides::kAny)
    for (int i = x.rank() - 1; i >= 0; --i) order.push_back(i);
  else
    for (int i = 0; i < x.rank(); ++i) order.push_back(i);
  for (const int axis : order) shape.push_back(x.dim(axis));
  shape[x.rank() - 1] += 3;
  const Tensor view = full(shape, NAN, x.dtype(), x.device()).narrow(-1, 2, shape[x.rank() - 1] - 3).permute(order);
  copy(view, x);
  return view;
}

/// x between two columns and one of zeros; a number stays as it is.
struct Wide {
  Tensor all;

  explicit Wide(const Tensor& x) : all(x) {
    if (x.rank() == 0) return;
    Shape shape = x.shape();
    shape[x.rank() - 1] += 3;
    all = zeros(shape, x.dtype(), x.device());
    copy(middle(), x);
  }
  Tensor middle() const { return all.rank() == 0 ? all : all.narrow(-1, 2, all.dim(-1) - 3); }
  bool is_zero_beside() const { return is_zero_beside(all); }
  static bool is_zero_beside(const Tensor& wide) {
    if (wide.rank() == 0) return true;
    const Tensor left = wide.narrow(-1, 0, 2), right = wide.narrow(-1, wide.dim(-1) - 1, 1);
    return same_bits(left, zeros(left.shape(), wide.dtype())) && same_bits(right, zeros(right.shape(), wide.dtype()));
  }
};

/// x in F64, every element moved by up to one rounding of `dtype`.
Tensor moved(const Tensor& x, DType dtype, uint64_t seed) {
  const Tensor factor = empty(x.shape(), DType::F64);
  random_uniform(factor, 1 - epsilon(dtype), 1 + epsilon(dtype), {.seed = seed, .stream = stream_of("moved")});
  return mul(cast(to(x, kCpu), DType::F64), factor).value();
}

/// How far F64's results move, each as a share of itself, where arguments and gradients from above move by a rounding
/// of `dtype`: what the best that works in it errs by. The largest of a few draws, since that of few numbers is luck.
std::vector<double> movement(const OpCase& op, DType dtype) {
  constexpr uint64_t kDraws = 4, kSeeds = 100;
  const std::vector<Tensor> inputs = in_f64(drawn(op, dtype));
  const Results exact = results_of(op, inputs, dtype);
  std::vector<double> most(exact.size());
  for (uint64_t first = 0; first < kDraws * kSeeds; first += kSeeds) {
    std::vector<Tensor> nearby;
    for (size_t i = 0; i < inputs.size(); ++i)
      nearby.push_back(moved(inputs[i], dtype_of(op.arguments[i], dtype), first + i));
    const Seed seed = [&](const Tensor& y, size_t slot) {
      return moved(numbers(dtype)(y, slot), dtype, first + kSeeds / 2 + slot);
    };
    const Results results = results_of(op, nearby, seed);
    for (size_t i = 0; i < exact.size(); ++i) most[i] = std::max(most[i], relative_error(results[i], exact[i]));
  }
  return most;
}

void check_close(const OpCase& op, const Results& got, const Results& want, DType dtype) {
  CAPTURE(op.name());
  CAPTURE(to_string(dtype));
  REQUIRE(got.size() == want.size());
  const std::vector<double> movements = movement(op, dtype);
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(got[i], want[i]) <= tolerance_of_movement(dtype, movements[i]));
  }
}

TEST_CASE("law of ops: gradients are those of finite differences") {
  for (const OpCase& op : op_cases()) {
    GradcheckOptions options;
    for (const OpArgument& argument : op.arguments) options.names.push_back(argument.name);
    const GradcheckReport report = gradcheck(op.name(), op.function, op.draw(), options);
    CHECK_MESSAGE(report.worst() <= kGradcheck, report.text());
  }
}

TEST_CASE("law of ops: F32 and BF16 follow F64") {
  for (const OpCase& op : op_cases())
    for (const DType dtype : {DType::F32, DType::BF16}) {
      const std::vector<Tensor> inputs = drawn(op, dtype);
      check_close(op, results_of(op, inputs, dtype), results_of(op, in_f64(inputs), dtype), dtype);
    }
}

TEST_CASE("law of ops: every device computes the same values") {
  for (const OpCase& op : op_cases())
    for (const Device device : test_devices())
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
        if (device == kCpu) continue;
        check_close(op, results_of(op, drawn(op, dtype, device), dtype), results_of(op, drawn(op, dtype), dtype),
                    dtype);
      }
}

TEST_CASE("law of ops: the same bits every time") {
  for (const OpCase& op : op_cases())
    for (const Device device : test_devices())
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
        CAPTURE(op.name());
        const Results once = results_of(op, drawn(op, dtype, device), dtype);
        const Results again = results_of(op, drawn(op, dtype, device), dtype);
        for (size_t i = 0; i < once.size(); ++i) CHECK(same_bits(once[i], again[i]));
      }
}

TEST_CASE("law of ops: strides change nothing") {
  for (const OpCase& op : op_cases())
    for (const Device device : test_devices())
      for (const DType dtype : {DType::F64, DType::BF16}) {
        const std::vector<Tensor> inputs = drawn(op, dtype, device);
        std::vector<Tensor> views;
        for (size_t i = 0; i < inputs.size(); ++i) views.push_back(strided(inputs[i], op.arguments[i].strides));
        check_close(op, results_of(op, views, dtype), results_of(op, inputs, dtype), dtype);
      }
}

TEST_CASE("law of ops: the strides of the gradient from above change nothing") {
  const Seed one_number = [](const Tensor& y, size_t) {
    return full({}, 0.75, y.dtype(), y.device()).expand(y.shape());
  };
  for (const OpCase& op : op_cases())
    for (const Device device : test_devices())
      for (const DType dtype : {DType::F64, DType::BF16}) {
        const std::vector<Tensor> inputs = drawn(op, dtype, device);
        const auto check_strides = [&](const Seed& view, const Seed& dense) {
          check_close(op, results_of(op, inputs, view), results_of(op, inputs, dense), dtype);
        };
        const Seed dense = numbers(dtype);
        check_strides([&](const Tensor& y, size_t i) { return strided(dense(y, i), OpArgument::Strides::kAny); },
                      dense);
        check_strides(one_number, [&](const Tensor& y, size_t i) { return clone(one_number(y, i)); });
      }
}

TEST_CASE("law of ops: an argument's gradient does not depend on who else wants one") {
  for (const OpCase& op : op_cases()) {
    const std::vector<Tensor> inputs = drawn(op, DType::F64);
    const Results all = results_of(op, inputs, DType::F64);
    const size_t outputs = all.size() - inputs.size();
    for (size_t wanted = 0; wanted < inputs.size(); ++wanted) {
      std::vector<Var> vars(inputs.begin(), inputs.end());
      vars[wanted] = leaf(inputs[wanted]);
      const Results alone = results_of(op, vars, DType::F64);
      Results got = all;
      std::copy(alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(outputs), got.begin());
      got[outputs + wanted] = alone.back();
      check_close(op, got, all, DType::F64);
    }
  }
}

TEST_CASE("law of ops: gradients are added to what a leaf holds, in its dtype") {
  for (const OpCase& op : op_cases())
    for (const Device device : test_devices()) {
      const std::vector<Tensor> inputs = drawn(op, DType::F32, device);
      std::vector<Var> fresh, filled;
      for (const Tensor& x : inputs) {
        fresh.push_back(leaf(x, "fresh", DType::F64));
        filled.push_back(leaf(x, "filled", DType::F64));
        filled.back().leaf()->grad = full(x.shape(), 1, DType::F64, device);
      }
      const Results got = results_of(op, filled, DType::F32);
      Results want = results_of(op, fresh, DType::F32);
      for (size_t i = want.size() - inputs.size(); i < want.size(); ++i) {
        REQUIRE(got[i].dtype() == DType::F64);
        const Tensor sum = full(want[i].shape(), 1, DType::F64, device);
        accumulate(sum, want[i]);
        want[i] = sum;
      }
      check_close(op, got, want, DType::F32);
    }
}

TEST_CASE("law of ops: a leaf's gradient may be part of a wider tensor, whose other columns stay") {
  for (const OpCase& op : op_cases())
    for (const Device device : test_devices()) {
      const std::vector<Tensor> inputs = drawn(op, DType::F64, device);
      std::vector<Var> leaves;
      std::vector<Wide> grads;
      for (const Tensor& x : inputs) {
        leaves.push_back(leaf(x));
        grads.emplace_back(zeros_like(x));
        leaves.back().leaf()->grad = grads.back().middle();
      }
      const Results got = results_of(op, leaves, DType::F64);
      check_close(op, got, results_of(op, inputs, DType::F64), DType::F64);
      for (const Wide& grad : grads) CHECK(grad.is_zero_beside());
    }
}

TEST_CASE("law of ops: an argument may be part of a split, and its gradient of the split's") {
  for (const OpCase& op : op_cases())
    for (const Device device : test_devices()) {
      const std::vector<Tensor> inputs = drawn(op, DType::F64, device);
      std::vector<Var> sources, parts;
      for (size_t i = 0; i < inputs.size(); ++i) {
        const bool splits = inputs[i].rank() > 0 && op.arguments[i].strides != OpArgument::Strides::kContiguous;
        sources.push_back(leaf(splits ? Wide(inputs[i]).all : inputs[i]));
        parts.push_back(splits ? split(sources.back(), {2, inputs[i].dim(-1), 1}, -1)[1] : sources.back());
      }
      Results got = results_of(op, parts, DType::F64), want = results_of(op, inputs, DType::F64);
      got.resize(want.size() - inputs.size());
      for (size_t i = 0; i < inputs.size(); ++i) {
        const Tensor& grad = sources[i].grad();
        const bool is_whole = grad.shape() == inputs[i].shape();
        got.push_back(is_whole ? grad : grad.narrow(-1, 2, inputs[i].dim(-1)));
        if (!is_whole) CHECK(Wide::is_zero_beside(grad));
      }
      check_close(op, got, want, DType::F64);
    }
}

TEST_CASE("law of ops: inputs are not changed") {
  for (const OpCase& op : op_cases()) {
    CAPTURE(op.name());
    const std::vector<Tensor> inputs = drawn(op, DType::F32);
    results_of(op, inputs, DType::F32);
    const std::vector<Tensor> before = drawn(op, DType::F32);
    for (size_t i = 0; i < inputs.size(); ++i) CHECK(same_bits(inputs[i], before[i]));
  }
}

}  // namespace
}  // namespace matmix::testing
