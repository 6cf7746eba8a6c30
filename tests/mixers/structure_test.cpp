#include "mixers/structure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/transfer.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

/// Small dense matrices of whole numbers: every sum below is exact.
class Whole {
 public:
  Whole(int64_t rows, int64_t columns, std::function<int64_t(int64_t, int64_t)> entry = {})
      : rows_(rows), columns_(columns), x_(static_cast<size_t>(rows * columns)) {
    if (entry)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) (*this)(i, j) = entry(i, j);
  }
  explicit Whole(const Tensor& M) : Whole(M.dim(0), M.dim(1)) {
    const std::vector<double> values = to_vector<double>(M);
    for (size_t i = 0; i < values.size(); ++i) {
      REQUIRE(values[i] == std::nearbyint(values[i]));
      REQUIRE(std::abs(values[i]) < 0x1p52);
      x_[i] = static_cast<int64_t>(values[i]);
    }
  }

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t& operator()(int64_t i, int64_t j) { return x_[static_cast<size_t>(i * columns_ + j)]; }
  int64_t operator()(int64_t i, int64_t j) const { return x_[static_cast<size_t>(i * columns_ + j)]; }
  Whole block(int64_t i, int64_t j, int64_t rows, int64_t columns) const {
    return {rows, columns, [&](int64_t k, int64_t l) { return (*this)(i + k, j + l); }};
  }
  Whole transposed() const {
    return {columns_, rows_, [&](int64_t i, int64_t j) { return (*this)(j, i); }};
  }
  Tensor tensor() const { return from_vector(std::vector<double>(x_.begin(), x_.end()), {rows_, columns_}); }

  friend Whole operator+(const Whole& a, const Whole& b) {
    return {a.rows_, a.columns_, [&](int64_t i, int64_t j) { return a(i, j) + b(i, j); }};
  }
  friend Whole operator*(const Whole& a, const Whole& b) {
    return {a.rows_, b.columns_, [&](int64_t i, int64_t j) {
              int64_t sum = 0;
              for (int64_t k = 0; k < a.columns_; ++k) sum += a(i, k) * b(k, j);
              return sum;
            }};
  }
  bool operator==(const Whole&) const = default;

 private:
  int64_t rows_, columns_;
  std::vector<int64_t> x_;
};

/// The rank by elimination modulo a prime, without rounding or tolerance: never more than the true one, and less only
/// if the prime divides a minor.
int64_t exact_rank(Whole M) {
  constexpr int64_t kPrime = 1'000'000'007;
  const auto inverse = [](int64_t x) {
    int64_t power = 1;
    for (int64_t e = kPrime - 2; e > 0; e /= 2, x = x * x % kPrime)
      if (e % 2 == 1) power = power * x % kPrime;
    return power;
  };
  int64_t rank = 0;
  for (int64_t j = 0; j < M.columns() && rank < M.rows(); ++j) {
    int64_t pivot = rank;
    while (pivot < M.rows() && M(pivot, j) % kPrime == 0) ++pivot;
    if (pivot == M.rows()) continue;
    for (int64_t l = 0; l < M.columns(); ++l) std::swap(M(pivot, l), M(rank, l));
    const int64_t scale = inverse((M(rank, j) % kPrime + kPrime) % kPrime);
    for (int64_t i = rank + 1; i < M.rows(); ++i) {
      const int64_t factor = M(i, j) % kPrime * scale % kPrime;
      for (int64_t l = j; l < M.columns(); ++l)
        M(i, l) = (M(i, l) % kPrime - factor * (M(rank, l) % kPrime) % kPrime) % kPrime;
    }
    ++rank;
  }
  return rank;
}

int64_t exact_order_below(const Whole& M, int64_t gap) {
  int64_t order = 0;
  for (int64_t k = 0; k + gap < M.rows(); ++k)
    order = std::max(order, exact_rank(M.block(k + gap, 0, M.rows() - k - gap, k + 1)));
  return order;
}

/// Numbers of {-4, ..., 4} but 0 that depend on the seed alone.
Tensor whole_numbers(const Shape& shape, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (double& x : values) x = static_cast<double>((random.below(4) + 1) * (random.below(2) == 0 ? 1 : -1));
  return from_vector(values, shape);
}

/// A: permutations with signs, so that products of any length stay small.
Generators whole_generators(int64_t L, int64_t N, uint64_t seed) {
  RandomStream random({.seed = seed});
  const Tensor A = zeros({L, N, N}, DType::F64);
  for (int64_t i = 0; i < L; ++i) {
    std::vector<int64_t> order(static_cast<size_t>(N));
    for (int64_t n = 0; n < N; ++n) order[static_cast<size_t>(n)] = n;
    random.shuffle(order);
    for (int64_t n = 0; n < N; ++n)
      fill(A.select(0, i).select(0, n).narrow(0, order[static_cast<size_t>(n)], 1), random.below(2) == 0 ? 1 : -1);
  }
  return {whole_numbers({L, N}, seed + 1), A, whole_numbers({L, N}, seed + 2)};
}

constexpr int64_t kL = 14;

Whole semiseparable(int64_t N, uint64_t seed, int64_t L = kL) {
  return Whole(semiseparable_matrix(whole_generators(L, N, seed)));
}
Whole quasiseparable(int64_t below, int64_t above, uint64_t seed, int64_t L = kL) {
  return Whole(quasiseparable_matrix(
      {whole_generators(L, below, seed), whole_generators(L, above, seed + 100), whole_numbers({L}, seed + 200)}));
}
Whole low_rank(int64_t D, uint64_t seed) {
  return Whole(whole_numbers({kL, D}, seed)) * Whole(whole_numbers({D, kL}, seed + 1));
}
Whole diagonal(uint64_t seed) {
  const Whole d(whole_numbers({kL, 1}, seed));
  return {kL, kL, [&](int64_t i, int64_t j) { return i == j ? d(i, 0) : 0; }};
}
Whole with_diagonal(Whole M, int64_t i, int64_t value) {
  M(i, i) = value;
  return M;
}

struct Sides {
  int64_t below, above;
  bool operator==(const Sides&) const = default;
};
/// The orders, as measured with tolerances; they must agree with elimination without any.
Sides quasi_orders(const Whole& M) {
  const Orders o = quasiseparable_orders(M.tensor());
  CHECK(o.below.rank == exact_order_below(M, 1));
  CHECK(o.above.rank == exact_order_below(M.transposed(), 1));
  return {o.below.rank, o.above.rank};
}
Sides semi_orders(const Whole& M) {
  const Orders o = semiseparable_orders(M.tensor());
  CHECK(o.below.rank == exact_order_below(M, 0));
  CHECK(o.above.rank == exact_order_below(M.transposed(), 0));
  return {o.below.rank, o.above.rank};
}

/// That N states a direction hold M.
void check_held_by(const Whole& M, int64_t N) {
  CHECK(relative_error(quasiseparable_matrix(realize(M.tensor(), N)), M.tensor()) < 1e-13);
}

/// The inverse of a matrix with a unit diagonal and nothing above it.
Whole inverse_of_unit_lower(const Whole& M) {
  Whole X(M.rows(), M.rows());
  for (int64_t j = 0; j < M.rows(); ++j)
    for (int64_t i = j; i < M.rows(); ++i) {
      X(i, j) = i == j;
      for (int64_t k = j; k < i; ++k) X(i, j) -= M(i, k) * X(k, j);
    }
  return X;
}
Whole unit_lower(int64_t N, uint64_t seed) {
  Whole M = semiseparable(N, seed, 10);
  for (int64_t i = 0; i < M.rows(); ++i) M(i, i) = 1;
  return M;
}

}  // namespace

// What the classes hold of each other (Hwang et al. 2024, section 3), on whole numbers.

TEST_CASE("quasiseparable contains diagonal, low rank, semiseparable and add") {
  CHECK(quasi_orders(diagonal(1)) == Sides{0, 0});
  check_held_by(diagonal(1), 1);
  CHECK(quasi_orders(low_rank(3, 2)) == Sides{3, 3});
  check_held_by(low_rank(3, 2), 3);
  for (const int64_t N : {1, 2, 3}) {
    const Whole forward = semiseparable(N, 10), add = forward + semiseparable(N, 20).transposed();
    CHECK(quasi_orders(forward) == Sides{N, 0});
    CHECK(semi_orders(forward).below == N);
    check_held_by(forward, N);
    CHECK(quasi_orders(add) == Sides{N, N});
    check_held_by(add, N);
  }
}

TEST_CASE("more: a semiseparable matrix with another diagonal is quasiseparable only, of the same order") {
  const Whole M = semiseparable(2, 10) + diagonal(30);
  CHECK(quasi_orders(M) == Sides{2, 0});
  CHECK(semi_orders(M).below > 2);
}

TEST_CASE("add's diagonal is forced by what is off the diagonal; a quasiseparable one is free") {
  // Where the tokens around i tell the N states apart, a direction admits one value at (i, i), so add's sum admits one.
  const auto tell_apart = [](const Whole& lower, int64_t i, int64_t N) {
    return exact_rank(lower.block(i + 1, 0, kL - i - 1, i)) == N;
  };
  for (const int64_t N : {1, 2}) {
    const Whole forward = semiseparable(N, 10), backward = semiseparable(N, 20), add = forward + backward.transposed();
    int64_t forced = 0;
    for (int64_t i = N; i + N < kL; ++i) {
      if (!tell_apart(forward, i, N) || !tell_apart(backward, i, N)) continue;
      ++forced;
      for (const Whole& lower : {forward, backward})
        CHECK(semi_orders(with_diagonal(lower, i, lower(i, i) + 1)).below == N + 1);
      const Whole free = with_diagonal(add, i, add(i, i) + 1);
      CHECK(quasi_orders(free) == Sides{N, N});
      check_held_by(free, N);
    }
    CHECK(forced >= kL - 2 * N - 2);
  }
}

TEST_CASE("semiseparable with the same A, b, c for every token is Toeplitz") {
  const int64_t N = 2;
  const Generators g{contiguous(whole_numbers({1, N}, 3).expand({kL, N})),
                     contiguous(from_vector<double>({1, 1, 0, 1}, {1, N, N}).expand({kL, N, N})),
                     contiguous(whole_numbers({1, N}, 4).expand({kL, N}))};
  const Whole M(semiseparable_matrix(g));
  for (int64_t i = 1; i < kL; ++i)
    for (int64_t j = 1; j < kL; ++j) CHECK(M(i, j) == M(i - 1, j - 1));
  const Tensor Z = shift_matrix(kL);
  CHECK(displacement_rank(M.tensor(), Z, Z) <= 2);
  CHECK(displacement_rank(semiseparable(N, 3).tensor(), Z, Z) > 2);
}

TEST_CASE("orders add under sums and products") {
  const Whole a = quasiseparable(1, 2, 10), b = quasiseparable(2, 1, 20);
  CHECK(quasi_orders(a) == Sides{1, 2});
  CHECK(quasi_orders(b) == Sides{2, 1});
  CHECK(quasi_orders(a + b) == Sides{3, 3});
  CHECK(quasi_orders(a * b) == Sides{3, 3});
}

TEST_CASE("an inverse keeps its orders") {
  const Whole lower = unit_lower(1, 10), upper = unit_lower(2, 20).transposed();
  const Whole M = lower * upper;
  const Whole inverse = inverse_of_unit_lower(upper.transposed()).transposed() * inverse_of_unit_lower(lower);
  CHECK(Whole((M * inverse).tensor()) == Whole(eye(M.rows(), DType::F64)));
  CHECK(quasi_orders(M) == Sides{1, 2});
  CHECK(quasi_orders(inverse) == Sides{1, 2});
}

// The measures themselves.

TEST_CASE("singular values of matrices whose values are known") {
  const auto near = [](const std::vector<double>& got, const std::vector<double>& want) {
    REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - want[i]) <= 1e-14 * want[0]);
  };
  near(singular_values(diagonal_matrix({-3, 0, 5})), {5, 3, 0});
  near(singular_values(from_vector<double>({3, 0, 4, 5}, {2, 2})), {std::sqrt(45.0), std::sqrt(5.0)});
  near(singular_values(full({4, 9}, 2, DType::F64)), {12, 0, 0, 0});
  near(singular_values(full({9, 4}, 2, DType::F64)), {12, 0, 0, 0});
  // Of the second difference: 4 sin^2(pi k / (2 n + 2)).
  const int64_t n = 40;
  const Whole second(n, n, [](int64_t i, int64_t j) { return i == j ? 2 : std::abs(i - j) == 1 ? -1 : 0; });
  std::vector<double> want;
  for (int64_t k = n; k > 0; --k)
    want.push_back(4 * std::pow(std::sin(std::numbers::pi * static_cast<double>(k) / (2.0 * (n + 1))), 2));
  near(singular_values(second.tensor()), want);
  CHECK(singular_values(zeros({0, 3}, DType::F64)).empty());
}

TEST_CASE("the rank map is the rank of every block, on matrices of every kind") {
  const Whole hilly(kL, kL, [](int64_t i, int64_t j) { return (i + 2) * (j + 1) % 7 - (i % 3); });
  for (const Whole& M : {semiseparable(2, 5), quasiseparable(1, 3, 6), low_rank(2, 7), diagonal(8), hilly,
                         Whole(whole_numbers({kL, kL}, 9)), Whole(kL, kL)}) {
    const std::vector<int64_t> R = to_vector<int64_t>(rank_map(M.tensor()));
    for (int64_t i = 0; i < kL; ++i)
      for (int64_t j = 0; j < kL; ++j) {
        const int64_t below = exact_rank(M.block(i, 0, kL - i, j + 1)),
                      above = exact_rank(M.block(0, j, i + 1, kL - j));
        CHECK(R[static_cast<size_t>(i * kL + j)] == (i > j ? below : i < j ? above : std::max(below, above)));
      }
  }
}

TEST_CASE("decay hides nothing from a rank by entries; by the whole matrix it does") {
  // Four states that die away by a factor 8 a token: exact powers of two.
  Whole M = semiseparable(4, 40);
  const Tensor decayed = M.tensor();
  for (int64_t i = 0; i < kL; ++i)
    for (int64_t j = 0; j < kL; ++j)
      fill(decayed.narrow(0, i, 1).narrow(1, j, 1),
           std::ldexp(static_cast<double>(M(i, j)), static_cast<int>(3 * (j - i))));
  const Orders plain = quasiseparable_orders(M.tensor()), by_entries = quasiseparable_orders(decayed);
  CHECK(plain.below.rank == 4);
  CHECK(by_entries.below.rank == 4);
  CHECK(by_entries.below.kept > 1e-4);
  CHECK(by_entries.below.dropped < 1e-14);
  CHECK(quasiseparable_orders(decayed, {.tolerance = 1e-6, .scale = RankRule::Scale::kMatrix}).below.rank < 4);
}

TEST_CASE("noise far below the matrix is structure by entries and nothing by the whole matrix") {
  const Tensor M = semiseparable(2, 5).tensor();
  fill(M.narrow(0, 1, 1).narrow(1, 7, 1), 1e-15);
  fill(M.narrow(0, 2, 1).narrow(1, 9, 1), -1e-15);
  CHECK(quasiseparable_orders(M).above.rank == 2);
  CHECK(quasiseparable_orders(M, {.scale = RankRule::Scale::kMatrix}).above.rank == 0);
  CHECK(rank(M) == rank(M, {.scale = RankRule::Scale::kMatrix}));
}

TEST_CASE(
    "displacement: 2 for Toeplitz, D for a sum of D Cauchy matrices, 1 for Vandermonde; the matrix itself is full") {
  const int64_t L = 12;
  const Tensor Z = shift_matrix(L);
  const auto made = [](const auto& entry) {
    std::vector<double> values;
    for (int64_t i = 0; i < L; ++i)
      for (int64_t j = 0; j < L; ++j) values.push_back(entry(static_cast<double>(i), static_cast<double>(j)));
    return from_vector(values, {L, L});
  };
  const auto points = [](double first, double sign) {
    std::vector<double> x;
    for (int64_t i = 0; i < L; ++i) x.push_back(sign * (first + std::sqrt(static_cast<double>(i))));
    return diagonal_matrix(x);
  };
  CHECK(displacement_rank(made([](double i, double j) { return std::sin((i - j) * (i - j + 1)); }), Z, Z) == 2);
  CHECK(displacement_rank(eye(L, DType::F64), Z, Z) == 0);
  CHECK(displacement_rank(random_tensor({L, L}, 1), Z, Z) == L);
  const Tensor cauchy = made([](double i, double j) { return 1 / (1.0 + std::sqrt(i) + 2.0 + std::sqrt(j)); });
  CHECK(displacement_rank(cauchy, points(1, 1), points(2, -1)) == 1);
  CHECK(displacement_rank(cauchy, Z, Z) > 2);
  const Tensor vandermonde = made([](double i, double j) { return std::pow((1 + std::sqrt(i)) / 4, j); });
  CHECK(displacement_rank(vandermonde, diagonal_matrix([] {
                            std::vector<double> x;
                            for (int64_t i = 0; i < L; ++i) x.push_back((1 + std::sqrt(static_cast<double>(i))) / 4);
                            return x;
                          }()),
                          Z) == 1);
}

TEST_CASE("generators by hand: which A stands between which tokens") {
  // One state: products of the a's, told apart as primes.
  const Tensor ones = full({4, 1}, 1, DType::F64), a = from_vector<double>({2, 3, 5, 7}, {4, 1, 1});
  CHECK(to_vector<double>(semiseparable_matrix({ones, a, ones})) ==
        std::vector<double>{1, 0, 0, 0, 3, 1, 0, 0, 15, 5, 1, 0, 105, 35, 7, 1});
  const Tensor diagonal = from_vector<double>({-1, -2, -3, -4});
  CHECK(to_vector<double>(quasiseparable_matrix({{ones, a, ones}, {ones, a, ones}, diagonal})) ==
        std::vector<double>{-1, 1, 3, 15, 1, -2, 1, 5, 3, 1, -3, 1, 15, 5, 1, -4});
  // Two states: A's that do not commute, in their order; c, A, b each in its place.
  const Generators g{from_vector<double>({0, 0, 0, 0, 1, 0}, {3, 2}),
                     from_vector<double>({9, 9, 9, 9, 1, 2, 3, 4, 9, 9, 9, 9}, {3, 2, 2}),
                     from_vector<double>({5, 6, 0, 0, 0, 0}, {3, 2})};
  const QuasiseparableGenerators q{
      g, {zeros({3, 1}, DType::F64), zeros({3, 1, 1}, DType::F64), zeros({3, 1}, DType::F64)}, zeros({3}, DType::F64)};
  CHECK(to_vector<double>(quasiseparable_matrix(q)) == std::vector<double>{0, 0, 0, 0, 0, 0, 17, 0, 0});
}

TEST_CASE("realize gives back any matrix of that order, of any length") {
  for (const int64_t L : {0, 1, 2, 3, 5, 20})
    for (const int64_t N : {1, 3}) {
      const Whole M = quasiseparable(N, 1, 11, L);
      CHECK(relative_error(quasiseparable_matrix(realize(M.tensor(), N)), M.tensor()) < 1e-13);
    }
  const Tensor any = random_tensor({9, 9}, 4);
  CHECK(relative_error(quasiseparable_matrix(realize(any, 4)), any) < 1e-13);  // blocks of 9 tokens have rank 4 at most
  const double cut = relative_error(quasiseparable_matrix(realize(any, 2)), any);
  CHECK(cut > 1e-3);
  CHECK(cut < 1);
}

TEST_CASE("the same bits for any number of threads") {
  const Tensor M = random_tensor({24, 24}, 6);
  const auto measured = [&](int threads) {
    const int before = thread_count();
    set_thread_count(threads);
    const Orders o = quasiseparable_orders(M);
    const std::vector<int64_t> R = to_vector<int64_t>(rank_map(M));
    set_thread_count(before);
    return std::tuple(o.below.kept, o.above.dropped, R);
  };
  CHECK(measured(1) == measured(3));
}

TEST_CASE("singular values and ranks of a matrix times a power of two, however large or small") {
  const Tensor small = from_vector<double>({3, 1, 1, 2}, {2, 2}), M = random_tensor({9, 9}, 4),
               low = eye(9, DType::F64);
  const Tensor ones = full({9, 9}, 1, DType::F64), Z = shift_matrix(9);
  const double root = std::sqrt(5);
  for (const int power : {-1020, -600, -266, 0, 266, 532, 1018}) {
    CAPTURE(power);
    const auto times = [&](const Tensor& x) {
      std::vector<double> values = to_vector<double>(x);
      for (double& v : values) v = std::ldexp(v, power);
      return from_vector(values, x.shape());
    };
    const auto near = [&](std::vector<double> values, const std::vector<double>& want) {
      for (double& v : values) v = std::ldexp(v, -power);
      return relative_error(from_vector(values), from_vector(want)) < 1e-14;
    };
    CHECK(near(singular_values(times(small)), {(5 + root) / 2, (5 - root) / 2}));
    CHECK(rank(times(M)) == rank(M));
    CHECK(rank(times(ones), {.scale = RankRule::Scale::kMatrix}) == 1);
    CHECK(to_vector<int64_t>(rank_map(times(M))) == to_vector<int64_t>(rank_map(M)));
    CHECK(quasiseparable_orders(times(M)).below.rank == quasiseparable_orders(M).below.rank);
    CHECK(monarch_order(times(ones), 3).rank == 1);
    CHECK(displacement_rank(times(ones), Z, Z) == displacement_rank(ones, Z, Z));
    CHECK(displacement_rank(ones, times(Z), times(Z)) == displacement_rank(ones, Z, Z));
    CHECK(displacement_rank(ones, Z, Z) == 2);
  }
}

TEST_CASE("the second singular value of the Vandermonde matrix of 1, 2, ..., 48") {
  std::vector<double> V;
  for (int i = 1; i <= 48; ++i)
    for (int j = 47; j >= 0; --j) V.push_back(std::pow(i, j));
  CHECK(singular_values(from_vector(V, {48, 48}))[1] == doctest::Approx(2.14e75).epsilon(0.005));
}

TEST_CASE("no tokens and one token") {
  for (const int64_t L : {0, 1}) {
    const Tensor M = full({L, L}, 3, DType::F64);
    CHECK(quasiseparable_orders(M).below.rank == 0);
    CHECK(semiseparable_orders(M).above.rank == L);
    CHECK(rank(M) == L);
    CHECK(to_vector<int64_t>(rank_map(M)) == std::vector<int64_t>(static_cast<size_t>(L), 1));
  }
}

TEST_CASE("what is refused") {
  const Tensor flat = zeros({2, 3}, DType::F64);
  CHECK_THROWS_WITH_AS(rank_map(flat), "rank_map: M must be square, got F64 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(quasiseparable_orders(flat), "quasiseparable_orders: M must be square, got F64 [2, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(rank(zeros({3}, DType::F64)), "rank: M must be F64 [m, n] on the CPU, got F64 [3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(singular_values(zeros({2, 2}, DType::F32)),
                       "singular_values: M must be F64 [m, n] on the CPU, got F32 [2, 2] on CPU", Error);
  CHECK_THROWS_WITH_AS(rank(full({2, 2}, NAN, DType::F64)), "rank: M must be finite everywhere", Error);
  CHECK_THROWS_WITH_AS(displacement_rank(flat, shift_matrix(2), shift_matrix(2)),
                       "displacement_rank: A and B must fit M on its left and right, got F64 [2, 2] on CPU and F64 "
                       "[2, 2] on CPU; M is F64 [2, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(realize(eye(3, DType::F64), 0), "realize: N must be positive, got 0", Error);
  const Tensor c = zeros({3, 2}, DType::F64), A = zeros({3, 2, 2}, DType::F64);
  CHECK_THROWS_WITH_AS(
      semiseparable_matrix({c, c, c}),
      "semiseparable_matrix: c, A, b must be [L, N], [L, N, N], [L, N], got F64 [3, 2] on CPU, F64 [3, "
      "2] on CPU, F64 [3, 2] on CPU",
      Error);
  CHECK_THROWS_WITH_AS(quasiseparable_matrix({{c, A, c}, {c, A, c}, zeros({4}, DType::F64)}),
                       "quasiseparable_matrix: both directions and the diagonal must have 3 tokens, got 3 above and a "
                       "diagonal F64 [4] on CPU",
                       Error);
}

TEST_CASE("monarch_order: rows b apart meet columns side by side") {
  // Of 2 x 2 blocks; one entry that is off is found in the block that it stands in.
  const std::vector<double> r{1, 2, 3, 4, 5, 6, 7, 8}, l{1, 3, -1, 1, 2, 5, 4, -2};
  std::vector<double> M;
  for (size_t j = 0; j < 4; ++j)
    for (size_t i = 0; i < 4; ++i) M.push_back(l[2 * j + i / 2] * r[2 * i + j % 2]);
  CHECK(monarch_order(from_vector(M, {4, 4}), 2).rank == 1);
  CHECK(monarch_order(from_vector(M, {4, 4}), 3).rank == 2);
  M[9] += 1e-6;
  const Order found = monarch_order(from_vector(M, {4, 4}), 2);
  CHECK(found.rank == 2);
  CHECK(found.kept < 1e-6);
  CHECK(monarch_order(from_vector(M, {2, 8}), 8).rank == 1);
  CHECK_THROWS_WITH_AS(monarch_order(random_tensor({4, 4}, 1), 0), "monarch_order: b must be positive, got 0", Error);
}
