#include "ops/gather/gather.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

/// Indices in [0, n) that depend on the place alone.
Tensor draw_index(const Shape& shape, int64_t n) {
  std::vector<int64_t> index;
  for (int64_t i = 0; i < shape.numel(); ++i) index.push_back(i * 2654435761 % 1000003 % n);
  return from_vector(index, shape);
}

double dot(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = to_vector<double>(a), y = to_vector<double>(b);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

}  // namespace

TEST_CASE("gather follows its definition along every axis, broadcast indices too") {
  for (const Device device : test_devices())
    for (const int axis : {0, 1, 2}) {
      const Tensor x = random_tensor({3, 5, 4}, 1);
      Shape shape = x.shape();
      shape[axis] = 7;
      for (const bool broadcast : {false, true}) {
        Shape given = shape;
        if (broadcast) given[axis == 2 ? 1 : 2] = 1;
        const Tensor index = draw_index(given, x.dim(axis)).expand(shape);
        const Tensor y = to(gather(to(x, device), axis, to(index, device)).value(), kCpu);
        for_each_index(shape, [&](const Shape& at) {
          Shape from = at;
          from[axis] = element<int64_t>(index, at);
          CHECK(element<double>(y, at) == element<double>(x, from));
        });
      }
    }
}

TEST_CASE("scatter is gather's adjoint, and each is the other's gradient") {
  for (const Device device : test_devices())
    for (const int axis : {0, 1, 2}) {
      Shape shape{4, 6, 5};
      const int64_t n = 3;
      const Tensor index = to(draw_index(shape, n), device);
      Shape gathered = shape;
      gathered[axis] = n;
      const Tensor x = random_tensor(shape, 1, DType::F64, device), y = random_tensor(gathered, 2, DType::F64, device);
      const Tensor scattered = scatter(x, axis, index, n).value();
      CHECK(dot(scattered, y) == doctest::Approx(dot(x, gather(y, axis, index).value())));
      const Var source = leaf(y);
      backward(gather(source, axis, index), {.seed = x});
      CHECK(same_bits(source.grad(), scattered));
      const Var parts = leaf(x);
      backward(scatter(parts, axis, index, n), {.seed = y});
      CHECK(same_bits(parts.grad(), gather(y, axis, index).value()));
    }
}

TEST_CASE("sums of many BF16 terms are carried in F32, and do not depend on threads") {
  const int64_t m = 3000;
  for (const Device device : test_devices()) {
    const Tensor ones = full({m, 200}, 1, DType::BF16, device);
    const Tensor index = full({m, 200}, 1, DType::I64, device);
    const std::vector<double> sums = to_vector<double>(scatter(ones, 0, index, 3).value());
    CHECK(sums[0] == 0);
    CHECK(sums[200] == doctest::Approx(3000).epsilon(tolerance(DType::BF16)));
  }
  const Tensor x = random_tensor({m, 300}, 1, DType::F32), index = draw_index({m, 300}, 17);
  const int before = thread_count();
  set_thread_count(1);
  const Tensor one = scatter(x, 0, index, 17).value();
  set_thread_count(3);
  CHECK(same_bits(scatter(x, 0, index, 17).value(), one));
  set_thread_count(before);
}

TEST_CASE("nothing to gather, nothing to scatter") {
  CHECK(gather(zeros({2, 3}, DType::F32), 1, zeros({2, 0}, DType::I64)).shape() == Shape{2, 0});
  CHECK(gather(zeros({2, 0}, DType::F32), 1, zeros({2, 0}, DType::I64)).shape() == Shape{2, 0});
  CHECK(to_vector<double>(scatter(zeros({0, 2}, DType::F32), 0, zeros({0, 2}, DType::I64), 1).value()) ==
        std::vector<double>{0, 0});
}

TEST_CASE("what does not fit is said in one sentence") {
  const Tensor x = zeros({2, 3}, DType::F32);
  CHECK_THROWS_WITH_AS(gather(x, 1, from_vector<int64_t>({0, 3}, {2, 1})),
                       "gather: index must be in [0, 3), got 3 at element 1", Error);
  CHECK_THROWS_WITH_AS(
      gather(x, 1, zeros({1, 3}, DType::I64)),
      "gather: index must have x's shape but for axis 1, got I64 [1, 3] on CPU; x is F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(gather(x, 1, zeros({2, 3}, DType::I32)),
                       "gather: index must be I64 on x's device, CPU, got I32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(scatter(x, 0, zeros({2, 2}, DType::I64), 4),
                       "scatter: index must have x's shape, got I64 [2, 2] on CPU; x is F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(scatter(x, 0, full({2, 3}, -1, DType::I64), 4),
                       "scatter: index must be in [0, 4), got -1 at element 0", Error);
  CHECK_THROWS_WITH_AS(scatter(x, 0, zeros({2, 3}, DType::I64), -1), "scatter: n must not be negative, got -1", Error);
}
