#include "mixers/dense.h"

#include <doctest/doctest.h>

#include "nn/parameter_store.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

TEST_CASE("each run is multiplied by the leading corner of its length, over sqrt(max_len)") {
  Dense mixer({.D = 1, .H = 1, .P = 1}, 4);
  const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 1);
  std::vector<double> M;
  for (int i = 0; i < 16; ++i) M.push_back(i);
  copy(nn::ParameterStore::part(store.master(), store.entries()[0]), from_vector(M, {1, 4, 4}));
  const Runs runs = Runs::of(1, 4, {{0, 0, 1}, {0, 1, 2}});
  const Streams none(DType::F64, kCpu);
  const Tensor v = from_vector<double>({3, 1, 10, 7}, {1, 4, 1, 1});
  // 0 * 3;  [0 1; 4 5] (1, 10);  padding
  CHECK(to_vector<double>(mixer.mix(none, v, runs).value()) == std::vector<double>{0, 5, 27, 0});
  const Tensor matrix = from_vector<double>({0, 0, 0, 0, 0, 0, 0.5, 0, 0, 2, 2.5, 0, 0, 0, 0, 0}, {1, 1, 4, 4});
  CHECK(same_bits(mixer.matrix(none, runs).value(), matrix));
}

TEST_CASE("a run longer than the matrix is refused") {
  Dense mixer({.D = 1, .H = 1, .P = 1}, 4);
  const Streams none(DType::F64, kCpu);
  CHECK_THROWS_WITH_AS(mixer.mix(none, zeros({1, 5, 1, 1}, DType::F64), Runs::full(1, 5)),
                       "dense: runs must have at most 4 tokens, got 5", Error);
  CHECK_THROWS_WITH_AS(Dense({.D = 1, .H = 1, .P = 1}, 0), "dense: max_len must be positive, got 0", Error);
}
