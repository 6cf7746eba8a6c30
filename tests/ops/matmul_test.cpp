#include "ops/matmul/matmul.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "ops/layout/layout.h"
#include "ops/matmul/gemm.h"
#include "tensor/accumulate.h"
#include "tensor/compare.h"
#include "tensor/math_mode.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

constexpr DType kFloating[] = {DType::F64, DType::F32, DType::BF16};

/// alpha a b + beta c, term by term in double, for matrices.
Tensor expected(const Tensor& a, const Tensor& b, const Tensor& c, double alpha, double beta) {
  const int64_t M = a.dim(0), K = a.dim(1), N = b.dim(1);
  const auto x = to_vector<double>(a), y = to_vector<double>(b);
  auto z = to_vector<double>(c);
  for (int64_t i = 0; i < M; ++i)
    for (int64_t j = 0; j < N; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += x[static_cast<size_t>(i * K + k)] * y[static_cast<size_t>(k * N + j)];
      double& at = z[static_cast<size_t>(i * N + j)];
      at = alpha * sum + (beta == 0 ? 0 : beta * at);
    }
  return from_vector(z, {M, N});
}

/// A matrix in one of the layouts that gemm takes: by rows, by columns, both with gaps or not.
Tensor laid_out(const Tensor& values, int layout, Device device) {
  const int64_t R = values.dim(0), C = values.dim(1), gap = layout >= 2 ? 3 : 0;
  const bool by_columns = layout % 2 == 1;
  const Tensor room = full(by_columns ? Shape{C, R + gap} : Shape{R, C + gap}, NAN, values.dtype(), device);
  const Tensor x = by_columns ? room.transpose(0, 1).narrow(0, 0, R) : room.narrow(1, 0, C);
  copy(x, to(values, device));
  return x;
}

TEST_CASE("gemm: every layout of the three matrices, dtypes, alpha and beta") {
  for (const Device device : test_devices())
    for (const DType dtype : kFloating)
      for (int layouts = 0; layouts < 64; ++layouts) {
        CAPTURE(layouts);
        const Tensor a = random_tensor({5, 9}, 1, dtype), b = random_tensor({9, 7}, 2, dtype);
        const DType out = dtype == DType::BF16 && layouts % 3 == 0 ? DType::F32 : dtype;
        const Tensor start = random_tensor({5, 7}, 3, out);
        const double beta = layouts % 2 == 0 ? 1 : -0.5;
        const Tensor c = laid_out(start, layouts / 16, device);
        gemm(laid_out(a, layouts % 4, device), laid_out(b, layouts / 4 % 4, device), c, 1.5, beta);
        CHECK(relative_error(c, expected(a, b, start, 1.5, beta)) <= tolerance(out, 9));
      }
}

TEST_CASE("gemm: any sizes, through every way of cutting them") {
  for (const Device device : test_devices())
    for (const auto [M, N, K] : {std::array<int64_t, 3>{1, 1, 1},
                                 {1, 300, 2},
                                 {300, 1, 5},
                                 {2, 3, 300},
                                 {129, 130, 17},
                                 {257, 33, 3},
                                 {31, 513, 8},
                                 {600, 600, 1},
                                 {700, 300, 40}}) {
      CAPTURE(Shape({M, N, K}));
      const Tensor a = random_tensor({M, K}, 1, DType::F32), b = random_tensor({K, N}, 2, DType::F32);
      const Tensor c = full({M, N}, NAN, DType::F32, device);
      gemm(to(a, device), to(b, device), c);
      CHECK(relative_error(c, expected(a, b, zeros({M, N}, DType::F64), 1, 0)) <=
            tolerance(DType::F32, static_cast<double>(K)));
    }
}

TEST_CASE("gemm: beta = 0 does not read c, and no terms give 0") {
  for (const Device device : test_devices())
    for (const DType dtype : kFloating) {
      const Tensor a = random_tensor({2, 4, 3}, 1, dtype, device), b = random_tensor({2, 3, 5}, 2, dtype, device);
      const Tensor c = full({2, 4, 5}, NAN, dtype, device), clean = zeros({2, 4, 5}, dtype, device);
      gemm(a, b, c);
      gemm(a, b, clean);
      CHECK(same_bits(c, clean));
      fill(c, NAN);
      gemm(a.narrow(2, 0, 0), b.narrow(1, 0, 0), c);
      CHECK(same_bits(c, zeros({2, 4, 5}, dtype)));
      fill(c, 3);
      gemm(a.narrow(2, 0, 0), b.narrow(1, 0, 0), c, 1, -2);
      CHECK(same_bits(c, full({2, 4, 5}, -6, dtype)));
    }
}

TEST_CASE("gemm: batches in any order, with gaps, broadcast, of one tall product") {
  for (const Device device : test_devices()) {
    const Tensor a = random_tensor({3, 2, 4, 6}, 1, DType::F64, device);
    const Tensor b = random_tensor({2, 3, 6, 5}, 2, DType::F64, device).transpose(0, 1);
    const auto check = [](const Tensor& a, const Tensor& b) {
      const Tensor c = full({3, 5, 2, 4}, NAN, DType::F64, a.device()).permute({0, 2, 3, 1});
      gemm(a, b, c);
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < 2; ++j) {
          const auto matrix = [&](const Tensor& x) { return x.select(0, i).select(0, j); };
          CHECK(relative_error(matrix(c), expected(matrix(a), matrix(b), zeros({4, 5}, DType::F64), 1, 0)) <=
                tolerance(DType::F64, 6));
        }
    };
    check(a, b);
    check(a, b.narrow(1, 0, 1).expand({3, 2, 6, 5}));
    check(a, b.select(0, 1).select(0, 1).expand({3, 2, 6, 5}));
    check(a.select(0, 0).expand({3, 2, 4, 6}), b);
    check(a.narrow(2, 1, 1).expand({3, 2, 4, 6}), b);  // rows that repeat
  }
}

TEST_CASE("gemm: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Device device : test_devices())
    for (const DType dtype : kFloating) {
      const Tensor a = random_tensor({3, 300, 200}, 1, dtype, device),
                   b = random_tensor({3, 200, 520}, 2, dtype, device);
      std::vector<Tensor> results;
      for (const int count : {1, 2, 2}) {
        set_thread_count(count);
        results.push_back(empty({3, 300, 520}, dtype, device));
        gemm(a, b, results.back());
      }
      CHECK(same_bits(results[1], results[0]));
      CHECK(same_bits(results[2], results[0]));
    }
  set_thread_count(threads);
}

TEST_CASE("gemm: F32 is strict unless TF32 is allowed") {
  for (const Device device : test_devices()) {
    const Tensor a = random_tensor({64, 512}, 1, DType::F32), b = random_tensor({512, 64}, 2, DType::F32);
    const Tensor want = expected(a, b, zeros({64, 64}, DType::F64), 1, 0);
    const Tensor c = empty({64, 64}, DType::F32, device);
    gemm(to(a, device), to(b, device), c);
    CHECK(relative_error(c, want) <= tolerance(DType::F32, 512));
    const Tf32Scope allow(true);
    gemm(to(a, device), to(b, device), c);
    CHECK(relative_error(c, want) <= 0x1p-9);
  }
}

TEST_CASE("gemm: BF16 sums in F32 and rounds once") {
  // 256 + 1 + ... + 1: in BF16 the ones would be lost one by one.
  for (const Device device : test_devices()) {
    const Tensor a = full({1, 513}, 1, DType::BF16, device), b = full({513, 1}, 1, DType::BF16, device);
    fill(a.narrow(1, 0, 1), 256);
    const Tensor wide = empty({1, 1}, DType::F32, device), narrow = empty({1, 1}, DType::BF16, device);
    gemm(a, b, wide);
    gemm(a, b, narrow);
    CHECK(item<double>(wide) == 768);
    CHECK(item<double>(narrow) == 768);
  }
}

TEST_CASE("gemm: what it refuses") {
  const Tensor a = zeros({2, 3}, DType::F32), b = zeros({3, 4}, DType::F32), c = zeros({2, 4}, DType::F32);
  CHECK_THROWS_WITH_AS(
      gemm(a, a, c),
      "gemm: a b must have the shape of c, got a F32 [2, 3] on CPU, b F32 [2, 3] on CPU, c F32 [2, 4] on CPU", Error);
  CHECK_THROWS_WITH_AS(gemm(cast(a, DType::BF16), b, c),
                       "gemm: cannot multiply BF16 by F32 into F32 [2, 4] on CPU with strides [4, 1]", Error);
  CHECK_THROWS_WITH_AS(gemm(a, b, zeros({1, 4}, DType::F32).expand({2, 4})),
                       "gemm: cannot multiply F32 by F32 into F32 [2, 4] on CPU with strides [0, 1]", Error);
  CHECK_THROWS_WITH_AS(gemm(zeros({2, 3, 2}, DType::F32).select(2, 0), b, c),
                       "gemm: rows or columns must be dense, got strides [6, 2] of F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(gemm(a.select(0, 0), b, c), "gemm: a, b and c must be matrices, got F32 [3] on CPU", Error);
  const uint64_t version = c.version();
  gemm(a, b, c);
  CHECK(c.version() > version);
}

/// C of two leaves and their gradients under the seed dc.
struct Product {
  Var a, b, c;
  Product(const Tensor& a_value, const Tensor& b_value, const MatmulOptions& options, const Tensor& dc)
      : a(leaf(a_value)), b(leaf(b_value)), c(matmul(a, b, options)) {
    backward(c, {.seed = dc});
  }
};

TEST_CASE("matmul: a broadcast axis is the sum of the products one by one") {
  for (const Device device : test_devices()) {
    const Tensor a = random_tensor({3, 1, 4, 6}, 1, DType::F64, device);
    const Tensor b = random_tensor({2, 6, 5}, 2, DType::F64, device);
    const Tensor dc = random_tensor({3, 2, 4, 5}, 3, DType::F64, device);
    const Product whole(a, b, {.scale = 2}, dc);
    const Tensor da = zeros_like(a), db = zeros_like(b);
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 2; ++j) {
        const Product one(a.select(0, i).select(0, 0), b.select(0, j), {.scale = 2}, dc.select(0, i).select(0, j));
        CHECK(relative_error(whole.c.value().select(0, i).select(0, j), one.c.value()) <= tolerance(DType::F64));
        accumulate(da.select(0, i).select(0, 0), one.a.grad());
        accumulate(db.select(0, j), one.b.grad());
      }
    CHECK(relative_error(whole.a.grad(), da) <= tolerance(DType::F64, 10));
    CHECK(relative_error(whole.b.grad(), db) <= tolerance(DType::F64, 12));
  }
}

TEST_CASE("matmul: transposition flags equal transposed operands") {
  for (const Device device : test_devices())
    for (const DType dtype : kFloating) {
      const Tensor a = random_tensor({2, 6, 4}, 1, dtype, device), b = random_tensor({2, 5, 6}, 2, dtype, device);
      const Tensor dc = random_tensor({2, 4, 5}, 3, dtype, device);
      const Product flags(a, b, {.transpose_a = true, .transpose_b = true}, dc);
      const Var at = leaf(a), bt = leaf(b);
      const Var c = matmul(transpose(at, 1, 2), transpose(bt, 1, 2));
      backward(c, {.seed = dc});
      CHECK(same_bits(c.value(), flags.c.value()));
      CHECK(relative_error(at.grad(), flags.a.grad()) <= tolerance(dtype, 5));
      CHECK(relative_error(bt.grad(), flags.b.grad()) <= tolerance(dtype, 4));
    }
}

TEST_CASE("matmul: strides that no product takes, and gradients that are views of views") {
  for (const Device device : test_devices()) {
    const Tensor wide = random_tensor({4, 6, 2}, 1, DType::F32, device),
                 b = random_tensor({6, 3}, 2, DType::F32, device);
    const Tensor a = wide.select(2, 1), dc = random_tensor({3, 4}, 3, DType::F32, device).transpose(0, 1);
    const Product strided(a, b, {}, dc), plain(contiguous(a), b, {}, contiguous(dc));
    CHECK(same_bits(strided.c.value(), plain.c.value()));
    CHECK(relative_error(strided.a.grad(), plain.a.grad()) <= tolerance(DType::F32, 3));
    CHECK(relative_error(strided.b.grad(), plain.b.grad()) <= tolerance(DType::F32, 4));
    // A sum's gradient repeats one element.
    const Tensor ones = full({1}, 1, DType::F32, device).expand({4, 3});
    const Product spread(a, b, {}, ones), full_ones(a, b, {}, contiguous(ones));
    CHECK(same_bits(spread.a.grad(), full_ones.a.grad()));
    CHECK(same_bits(spread.b.grad(), full_ones.b.grad()));
  }
}

TEST_CASE("matmul: BF16 operands with an F32 result and F32 gradients of parameters") {
  for (const Device device : test_devices()) {
    const Tensor a = random_tensor({30, 40}, 1, DType::BF16, device),
                 b = random_tensor({40, 20}, 2, DType::BF16, device);
    const Tensor dc = cast(random_tensor({30, 20}, 3, DType::BF16, device), DType::F32);
    const Var x = leaf(a), w = leaf(b, "w", DType::F32);
    const Var c = matmul(x, w, {.out_dtype = DType::F32});
    CHECK(c.dtype() == DType::F32);
    backward(c, {.seed = dc});
    const Product exact(cast(a, DType::F64), cast(b, DType::F64), {}, cast(dc, DType::F64));
    CHECK(relative_error(c.value(), exact.c.value()) <= tolerance(DType::F32, 40));
    CHECK(w.grad().dtype() == DType::F32);
    CHECK(relative_error(w.grad(), exact.b.grad()) <= tolerance(DType::F32, 30));
    CHECK(x.grad().dtype() == DType::BF16);
    CHECK(relative_error(x.grad(), exact.a.grad()) <= tolerance(DType::BF16, 20));
  }
}

TEST_CASE("matmul: what it refuses") {
  const Var a = zeros({2, 3}, DType::F32), b = zeros({4, 5}, DType::F32);
  CHECK_THROWS_WITH_AS(
      matmul(a, b),
      "matmul: columns of op(a) must equal rows of op(b), got 3 and 4; a is F32 [2, 3] on CPU, b is F32 "
      "[4, 5] on CPU",
      Error);
  CHECK_THROWS_WITH_AS(matmul(Var(zeros({3}, DType::F32)), b),
                       "matmul: operands must have at least two axes, got F32 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(matmul(Var(zeros({2, 3}, DType::I64)), b),
                       "matmul: operands must be floating, got I64 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(matmul(a, Var(zeros({3, 1}, DType::BF16))),
                       "matmul: a and b must have one dtype and device, got a F32 [2, 3] on CPU, b BF16 [3, 1] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(matmul(a, a, {.transpose_b = true, .out_dtype = DType::BF16}),
                       "matmul: out_dtype must be F32, got BF16", Error);
  CHECK_THROWS_WITH_AS(matmul(Var(zeros({2, 4, 3}, DType::F32)), Var(zeros({3, 3, 2}, DType::F32))),
                       "matmul: shapes [2] and [3] do not broadcast", Error);
}

}  // namespace
}  // namespace matmix::testing
