#include "ops/cross_entropy/cross_entropy.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "autograd/gradcheck.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

constexpr int64_t kIgnore = -100;

/// The definition in F64, term by term.
struct Expected {
  double total = 0;
  int64_t count = 0, correct = 0;
  std::vector<double> softmax_minus_onehot;  // 0 in rows that do not count

  Expected(const Tensor& logits, const Tensor& targets) {
    const auto x = to_vector<double>(logits);
    const auto target = to_vector<int64_t>(targets);
    const auto V = static_cast<size_t>(logits.dim(1));
    softmax_minus_onehot.resize(x.size());
    for (size_t t = 0; t < target.size(); ++t) {
      if (target[t] == kIgnore) continue;
      const auto row = x.begin() + static_cast<int64_t>(t * V);
      const auto top = std::max_element(row, row + static_cast<int64_t>(V));
      double sum = 0;
      for (size_t j = 0; j < V; ++j) sum += std::exp(row[static_cast<int64_t>(j)] - *top);
      for (size_t j = 0; j < V; ++j)
        softmax_minus_onehot[t * V + j] = std::exp(row[static_cast<int64_t>(j)] - *top) / sum;
      softmax_minus_onehot[t * V + static_cast<size_t>(target[t])] -= 1;
      total += std::log(sum) + (*top - row[target[t]]);
      ++count;
      correct += top - row == target[t];
    }
  }

  Tensor gradient(const Shape& shape, double weight) const {
    auto values = softmax_minus_onehot;
    for (double& value : values) value *= weight;
    return from_vector(values, shape);
  }
};

/// Every third row is ignored; in every third the target is the maximum, where it is free to be.
Tensor mixed_targets(const Tensor& logits) {
  const auto x = to_vector<double>(logits);
  const int64_t V = logits.dim(1);
  std::vector<int64_t> targets;
  for (int64_t t = 0; t < logits.dim(0); ++t) {
    const auto row = x.begin() + t * V;
    targets.push_back(t % 3 == 0 ? kIgnore : t % 3 == 1 ? std::max_element(row, row + V) - row : t * 7 % V);
  }
  return from_vector(targets);
}

void check_against_definition(const Tensor& logits, const Tensor& targets, Device device) {
  CAPTURE(to_string(logits));
  CAPTURE(to_string(device));
  const Expected want(logits, targets);
  const Var x = leaf(to(logits, device));
  const auto [loss, total, count, correct] = cross_entropy(x, to(targets, device));
  const DType sums = accumulator(logits.dtype());
  const double V = static_cast<double>(logits.dim(1)), n = static_cast<double>(std::max<int64_t>(want.count, 1));
  CHECK(loss.shape() == Shape{});
  CHECK(loss.dtype() == sums);
  CHECK(relative_error(total, from_vector<double>({want.total})) <= tolerance(sums, V));
  CHECK(relative_error(loss.value(), from_vector<double>({want.total / n}, {})) <= tolerance(sums, V));
  CHECK(item<int64_t>(count) == want.count);
  CHECK(item<int64_t>(correct) == want.correct);
  backward(loss);
  CHECK(relative_error(x.grad(), want.gradient(logits.shape(), 1 / n)) <= tolerance(logits.dtype(), V));
}

TEST_CASE("cross_entropy: loss, counts and gradient by the definition") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const int64_t V : {1, 2, 7, 33, 1000, 2051}) {
        const Tensor logits = random_tensor({10, V}, 1, dtype);
        check_against_definition(logits, mixed_targets(logits), device);
      }
}

TEST_CASE("cross_entropy: huge logits lose no digits") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const double size : {1e4, -1e4}) {
        auto values = to_vector<double>(random_tensor({12, 50}, 2));
        for (double& value : values) value += size;
        const Tensor logits = cast(from_vector(values, {12, 50}), dtype);
        check_against_definition(logits, mixed_targets(logits), device);
      }
}

TEST_CASE("cross_entropy: nothing counts") {
  for (const Device device : test_devices())
    for (const int64_t T : {0, 3}) {
      const Var logits = leaf(full({T, 5}, NAN, DType::F32, device));
      const auto [loss, total, count, correct] = cross_entropy(logits, full({T}, kIgnore, DType::I64, device));
      CHECK(item<float>(loss.value()) == 0);
      CHECK(item<double>(total) == 0);
      CHECK(item<int64_t>(count) == 0);
      CHECK(item<int64_t>(correct) == 0);
      backward(loss);
      CHECK(to_vector<float>(logits.grad()) == std::vector<float>(static_cast<size_t>(T * 5), 0));
    }
}

TEST_CASE("cross_entropy: another ignore_index comes before its class") {
  const Tensor logits = random_tensor({3, 4}, 3), targets = from_vector<int64_t>({2, 0, 1});
  const auto result = cross_entropy(logits, targets, {.ignore_index = 0});
  const auto want = cross_entropy(logits, from_vector<int64_t>({2, kIgnore, 1}));
  CHECK(same_bits(result.loss.value(), want.loss.value()));
  CHECK(item<int64_t>(result.count) == 2);
}

TEST_CASE("cross_entropy: a scale replaces the mean") {
  for (const Device device : test_devices()) {
    const Tensor logits = random_tensor({9, 20}, 4), targets = mixed_targets(logits);
    const Expected want(logits, targets);
    const Var x = leaf(to(logits, device));
    const Var loss = cross_entropy(x, to(targets, device), {.scale = full({1}, 0.25, DType::F64, device)}).loss;
    CHECK(relative_error(loss.value(), from_vector<double>({want.total * 0.25}, {})) <= tolerance(DType::F64, 20));
    backward(loss, {.seed = full({}, 3, DType::F64, device)});
    CHECK(relative_error(x.grad(), want.gradient({9, 20}, 0.75)) <= tolerance(DType::F64, 20));
  }
}

TEST_CASE("cross_entropy: a hit is a first maximum at the target") {
  for (const Device device : test_devices())
    for (const int64_t V : {4, 1500}) {
      Tensor logits = full({4, V}, 1, DType::F32);
      fill(logits.select(0, 3).narrow(0, V - 1, 1), 2);
      const Tensor targets = from_vector<int64_t>({0, 1, V - 1, V - 1}, {4}, device);
      CHECK(item<int64_t>(cross_entropy(to(logits, device), targets).correct) == 2);
    }
}

TEST_CASE("cross_entropy: classes at minus infinity have no weight, and NaN is not hidden") {
  for (const Device device : test_devices())
    for (const int64_t V : {6, 1600}) {
      Tensor logits = random_tensor({1, V}, 5, DType::F32);
      fill(logits.narrow(1, 0, V / 2), -INFINITY);
      const Tensor targets = from_vector<int64_t>({V - 1}), rest = contiguous(logits.narrow(1, V / 2, V - V / 2));
      const Expected want(rest, from_vector<int64_t>({rest.dim(1) - 1}));
      const Var x = leaf(to(logits, device));
      const Var loss = cross_entropy(x, to(targets, device)).loss;
      CHECK(relative_error(loss.value(), from_vector<double>({want.total}, {})) <=
            tolerance(DType::F32, static_cast<double>(V)));
      backward(loss);
      CHECK(to_vector<float>(x.grad().narrow(1, 0, V / 2)) == std::vector<float>(static_cast<size_t>(V / 2), 0));
      fill(logits.narrow(1, 1, 1), NAN);
      CHECK(std::isnan(item<float>(cross_entropy(to(logits, device), to(targets, device)).loss.value())));
    }
}

TEST_CASE("cross_entropy: rows with a stride, at any alignment") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F32, DType::BF16})
      for (const int64_t start : {0, 1, 3, 8}) {
        const Tensor wide = random_tensor({7, 1300}, 6, dtype, device), part = wide.narrow(1, start, 1203);
        const Tensor targets = to(mixed_targets(part), device);
        const Var strided = leaf(part), dense = leaf(contiguous(part));
        for (const Var& x : {strided, dense}) backward(cross_entropy(x, targets).loss);
        CHECK(relative_error(strided.grad(), dense.grad()) <= tolerance(dtype, 1203));
      }
}

TEST_CASE("cross_entropy: gradcheck") {
  const Tensor targets = from_vector<int64_t>({2, kIgnore, 0, 4});
  const auto report = gradcheck(
      "cross_entropy", [&](const std::vector<Var>& x) { return std::vector{cross_entropy(x[0], targets).loss}; },
      {random_tensor({4, 5}, 7)}, {.names = {"logits"}});
  CHECK_MESSAGE(report.worst() <= kGradcheck, report.text());
}

TEST_CASE("cross_entropy: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F32, DType::BF16}) {
      const Tensor logits = random_tensor({70, 1201}, 8, dtype, device), targets = to(mixed_targets(logits), device);
      std::vector<Tensor> losses, gradients;
      for (const int count : {1, 2, 2}) {
        set_thread_count(count);
        const Var x = leaf(logits);
        const Var loss = cross_entropy(x, targets).loss;
        backward(loss);
        losses.push_back(loss.value());
        gradients.push_back(x.grad());
      }
      set_thread_count(threads);
      for (size_t i = 1; i < 3; ++i) {
        CHECK(same_bits(losses[i], losses[0]));
        CHECK(same_bits(gradients[i], gradients[0]));
      }
    }
}

TEST_CASE("cross_entropy: on CUDA an unknown target does not count") {
  for (const Device device : test_devices()) {
    if (!device.is_cuda()) continue;
    const Tensor logits = random_tensor({3, 4}, 9, DType::F32, device);
    const auto result = cross_entropy(logits, from_vector<int64_t>({1, 4, -1}, {3}, device));
    const auto want = cross_entropy(logits, from_vector<int64_t>({1, kIgnore, kIgnore}, {3}, device));
    CHECK(same_bits(result.loss.value(), want.loss.value()));
    CHECK(item<int64_t>(result.count) == 1);
  }
}

TEST_CASE("cross_entropy: what it refuses") {
  const Tensor logits = zeros({2, 3}, DType::F32), targets = zeros({2}, DType::I64);
  CHECK_THROWS_WITH_AS(
      cross_entropy(zeros({2, 0}, DType::F32), targets),
      "cross_entropy: logits must be a floating matrix with dense rows of at least one column, got F32 [2, 0] on CPU",
      Error);
  CHECK_THROWS_WITH_AS(
      cross_entropy(logits.transpose(0, 1), targets),
      "cross_entropy: logits must be a floating matrix with dense rows of at least one column, got F32 [3, 2] on CPU",
      Error);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, cast(targets, DType::I32)),
                       "cross_entropy: targets must be I64 [2] on CPU, got I32 [2] on CPU", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, zeros({3}, DType::I64)),
                       "cross_entropy: targets must be I64 [2] on CPU, got I64 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, targets, {.scale = zeros({1}, DType::F32)}),
                       "cross_entropy: scale must be F64 [1] on CPU, got F32 [1] on CPU", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, from_vector<int64_t>({0, 3})),
                       "cross_entropy: targets must be in [0, 3) or -100, got 3 at element 1", Error);
}

}  // namespace
}  // namespace matmix::testing
