#include "experiments/tasks/scores.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/error.h"

using namespace matmix;
using namespace matmix::experiments;

TEST_CASE("accuracy, F1 and Matthews' correlation, counted by hand") {
  // tp 3, fp 1, fn 2, tn 4
  const Labels got{1, 1, 1, 1, 0, 0, 0, 0, 0, 0}, want{1, 1, 1, 0, 1, 1, 0, 0, 0, 0};
  CHECK(accuracy(got, want) == doctest::Approx(0.7));
  CHECK(f1(got, want) == doctest::Approx(2 * 3 / (2 * 3 + 1 + 2.0)));
  CHECK(f1(got, want, 0) == doctest::Approx(2 * 4 / (2 * 4 + 1 + 2.0)));
  CHECK(matthews(got, want) == doctest::Approx((3 * 4 - 1 * 2) / std::sqrt(4 * 5 * 5 * 6.0)));
  CHECK(matthews(want, want) == doctest::Approx(1));
}

TEST_CASE("Matthews' correlation of three classes") {
  // Confusion (rows want): [2 0 0; 0 1 1; 1 0 1]; c = 4, s = 6, p = (3, 1, 2), t = (2, 2, 2).
  const Labels want{0, 0, 1, 1, 2, 2}, got{0, 0, 1, 2, 2, 0};
  CHECK(matthews(got, want) == doctest::Approx((4 * 6 - 12) / std::sqrt((36 - 14) * (36 - 12.0))));
}

TEST_CASE("correlations of numbers") {
  CHECK(pearson({1, 2, 3}, {2, 4, 6}) == doctest::Approx(1));
  CHECK(pearson({1, 2, 3, 4}, {1, 3, 2, 4}) == doctest::Approx(0.8));
  CHECK(spearman({10, 200, 3000}, {0, 1, 100}) == doctest::Approx(1));
  // Ranks (1, 2.5, 2.5, 4) and (1, 2, 3, 4): 4.5 / sqrt(4.5 * 5).
  CHECK(spearman({1, 2, 2, 9}, {1, 2, 3, 4}) == doctest::Approx(std::sqrt(0.9)));
  CHECK(pearson({1e9 + 1, 1e9 + 2, 1e9 + 3}, {3, 2, 1}) == doctest::Approx(-1));
}

TEST_CASE("what has no value is 0") {
  CHECK(matthews({1, 1}, {0, 1}) == 0);
  CHECK(pearson({2, 2}, {0, 1}) == 0);
  CHECK(f1({0, 0}, {0, 0}) == 0);
}

TEST_CASE("perplexity and bits per byte") {
  CHECK(perplexity(10 * std::log(8.0), 10) == doctest::Approx(8));
  CHECK(bits_per_byte(10 * std::log(8.0), 30) == doctest::Approx(1));
  CHECK_THROWS_WITH_AS(perplexity(1, 0), "perplexity: tokens must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(bits_per_byte(1, 0), "bits_per_byte: bytes must be positive, got 0", Error);
}

TEST_CASE("lists must match") {
  CHECK_THROWS_WITH_AS(accuracy({1}, {1, 0}),
                       "accuracy: needs as many predictions as answers and at least one, got 1 and 2", Error);
  CHECK_THROWS_WITH_AS(spearman({}, {}), "spearman: needs as many predictions as answers and at least one, got 0 and 0",
                       Error);
}
