#include "ops/embedding/embedding.h"

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

/// A frequent id (more than a third), ids of a small range, and ids of the whole table, in a mixed order.
Tensor mixed_ids(int64_t T, int64_t V, DType dtype = DType::I64) {
  std::vector<int64_t> ids;
  RandomStream random({.seed = 5});
  for (int64_t t = 0; t < T; ++t) {
    const int64_t kind = random.below(3);
    ids.push_back(kind == 0 ? V / 2 : random.below(kind == 1 ? std::min<int64_t>(V, 4) : V));
  }
  return cast(from_vector(ids), dtype);
}

/// sum over t with ids[t] = v of dy[t, :], term by term.
Tensor expected_gradient(const Tensor& dy, const Tensor& ids, int64_t V) {
  const int64_t D = dy.dim(-1);
  const auto id = to_vector<int64_t>(ids);
  const auto values = to_vector<double>(dy);
  std::vector<double> sum(static_cast<size_t>(V * D));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto t = static_cast<int64_t>(i) / D;
    sum[static_cast<size_t>(id[static_cast<size_t>(t)] * D) + i % static_cast<size_t>(D)] += values[i];
  }
  return from_vector(sum, {V, D});
}

Tensor gradient(const Tensor& table, const Tensor& ids, const Tensor& dy) {
  const Var leaf_table = leaf(table);
  backward(embedding(leaf_table, ids), {.seed = dy});
  return leaf_table.grad();
}

TEST_CASE("embedding: a row of the table for each id") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const DType id_dtype : {DType::I64, DType::I32})
        for (const int64_t D : {1, 7, 8, 129}) {
          const Tensor table = random_tensor({11, D}, 1, dtype), ids = mixed_ids(70, 11, id_dtype).reshape({7, 10});
          const Tensor y = to(embedding(to(table, device), to(ids, device)).value(), kCpu);
          REQUIRE(y.shape() == Shape{7, 10, D});
          const auto id = to_vector<int64_t>(ids);
          for (int64_t t = 0; t < 70; ++t)
            CHECK(same_bits(y.reshape({70, D}).select(0, t), table.select(0, id[static_cast<size_t>(t)])));
        }
}

TEST_CASE("embedding: tables with a row stride, scalar ids, no ids, no columns") {
  for (const Device device : test_devices()) {
    const Tensor wide = random_tensor({6, 12}, 2, DType::F32, device), table = wide.narrow(1, 3, 5);
    const Tensor ids = to(mixed_ids(9, 6), device);
    CHECK(same_bits(embedding(table, ids).value(), embedding(contiguous(table), ids).value()));
    const Tensor every_second = to(mixed_ids(18, 6), device).reshape({9, 2}).select(1, 1);
    CHECK(same_bits(embedding(table, every_second).value(), embedding(table, contiguous(every_second)).value()));
    CHECK(same_bits(embedding(wide, from_vector<int64_t>({4}, {}, device)).value(), wide.select(0, 4)));
    CHECK(embedding(wide, empty({0, 2}, DType::I32, device)).shape() == Shape{0, 2, 12});
    CHECK(embedding(wide.narrow(1, 0, 0), ids).shape() == Shape{9, 0});
    CHECK(to_vector<float>(gradient(table, empty({0}, DType::I64, device), empty({0, 5}, DType::F32, device))) ==
          std::vector<float>(30, 0));
  }
}

TEST_CASE("embedding: the gradient sums dy over the tokens of each id") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const int64_t V : {1, 5, 600})
        for (const int64_t D : {1, 9, 260})
          for (const int64_t T : {1, 64, 65, 700}) {
            CAPTURE(to_string(device));
            CAPTURE(to_string(dtype));
            CAPTURE(V);
            CAPTURE(D);
            CAPTURE(T);
            const Tensor dy = random_tensor({T, D}, 3, dtype), ids = mixed_ids(T, V);
            const Tensor dtable = gradient(zeros({V, D}, dtype, device), to(ids, device), to(dy, device));
            CHECK(dtable.dtype() == dtype);
            CHECK(relative_error(dtable, expected_gradient(dy, ids, V)) <= tolerance(dtype, static_cast<double>(T)));
          }
}

TEST_CASE("embedding: gradcheck") {
  const Tensor ids = from_vector<int64_t>({3, 0, 3, 1, 3}, {5});
  const auto report =
      gradcheck("embedding", [&](const std::vector<Var>& x) { return std::vector{embedding(x[0], ids)}; },
                {random_tensor({4, 3}, 4)}, {.names = {"table"}});
  CHECK_MESSAGE(report.worst() <= kGradcheck, report.text());
}

TEST_CASE("embedding: a parameter's F32 gradient is added to in place, from every use of the table") {
  for (const Device device : test_devices()) {
    const Tensor flat = full({2 + 40 * 6}, 0.5, DType::F32, device);
    const Var table = leaf(random_tensor({40, 6}, 6, DType::BF16, device), "table", DType::F32);
    table.leaf()->grad = flat.narrow(0, 2, 240).reshape({40, 6});
    const Tensor ids = mixed_ids(90, 40), dy = random_tensor({90, 6}, 7, DType::BF16);
    for (int use = 0; use < 2; ++use) backward(embedding(table, to(ids, device)), {.seed = to(dy, device)});
    auto want = to_vector<double>(expected_gradient(dy, ids, 40));
    for (double& x : want) x = 0.5 + 2 * x;
    CHECK(relative_error(table.grad(), from_vector(want, {40, 6})) <= tolerance(DType::F32, 90));
    CHECK(table.grad().shares_storage_with(flat));
    CHECK(to_vector<float>(flat.narrow(0, 0, 2)) == std::vector<float>{0.5, 0.5});
  }
}

TEST_CASE("embedding: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F32, DType::BF16}) {
      const Tensor ids = to(mixed_ids(3000, 600), device), dy = random_tensor({3000, 200}, 8, dtype, device);
      const Tensor table = random_tensor({600, 200}, 9, dtype, device);
      std::vector<Tensor> values, gradients;
      for (const int count : {1, 2, 2}) {
        set_thread_count(count);
        values.push_back(embedding(table, ids).value());
        gradients.push_back(gradient(table, ids, dy));
      }
      set_thread_count(threads);
      for (size_t i = 1; i < 3; ++i) {
        CHECK(same_bits(values[i], values[0]));
        CHECK(same_bits(gradients[i], gradients[0]));
      }
    }
}

TEST_CASE("embedding: on CUDA an unknown id gives a row of NaN and no gradient") {
  for (const Device device : test_devices()) {
    if (!device.is_cuda()) continue;
    const Tensor ids = from_vector<int32_t>({1, -1, 1, 3, 2}, {5}, device);
    const Var table = leaf(random_tensor({3, 4}, 10, DType::F32, device));
    const Var y = embedding(table, ids);
    const auto values = to_vector<double>(y.value());
    for (size_t i = 0; i < values.size(); ++i) CHECK(std::isnan(values[i]) == (i / 4 == 1 || i / 4 == 3));
    backward(y, {.seed = full({5, 4}, 1, DType::F32, device)});
    CHECK(to_vector<double>(table.grad()) == std::vector<double>{0, 0, 0, 0, 2, 2, 2, 2, 1, 1, 1, 1});
  }
}

TEST_CASE("embedding: what it refuses") {
  const Tensor table = zeros({3, 2}, DType::F32), ids = zeros({2}, DType::I64);
  CHECK_THROWS_WITH_AS(embedding(table.transpose(0, 1), ids),
                       "embedding: table must be a floating matrix with dense rows, got F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(embedding(zeros({3}, DType::F32), ids),
                       "embedding: table must be a floating matrix with dense rows, got F32 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(embedding(cast(table, DType::I64), ids),
                       "embedding: table must be a floating matrix with dense rows, got I64 [3, 2] on CPU", Error);
  CHECK_THROWS_WITH_AS(embedding(table, cast(ids, DType::U8)), "embedding: ids must be I64 or I32, got U8 [2] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(embedding(table, from_vector<int64_t>({0, 2, 3, 1}, {2, 2})),
                       "embedding: ids must be in [0, 3), got 3 at element 2", Error);
  CHECK_THROWS_WITH_AS(embedding(table, from_vector<int32_t>({-1})),
                       "embedding: ids must be in [0, 3), got -1 at element 0", Error);
}

}  // namespace
}  // namespace matmix::testing
