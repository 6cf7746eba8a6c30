#include "mixers/sample_matrix.h"

#include <doctest/doctest.h>

#include "tensor/compare.h"

using namespace matmix;
using namespace matmix::mixers;

TEST_CASE("every mixer: the fast form's columns are the matrix, to the rounding of its mode") {
  for (const mixers::MixerRow& row : mixers::registry())
    for (const auto& [mode, rounding] :
         {std::pair{MathMode::kF64, 1e-12}, std::pair{MathMode::kF32, 1e-4}, std::pair{MathMode::kBF16, 0.05}}) {
      CAPTURE(row.name);
      CAPTURE(to_string(mode));
      const Specimen s = sample_matrix(row, {.L = 9, .H = 2, .state = 3, .mode = mode, .seed = 5});
      CHECK(s.M.dtype() == DType::F64);
      CHECK(s.M.dim(0) % 2 == 0);
      CHECK(s.M.dim(1) == 9);
      CHECK(s.M.dim(2) == 9);
      CHECK(relative_error(s.fast, s.M) < rounding);
    }
}

TEST_CASE("the seed alone decides; heads and seeds differ") {
  const mixers::MixerRow& row = mixers::find_mixer("quasiseparable");
  const Specimen a = sample_matrix(row, {.L = 6, .H = 2, .seed = 1}),
                 b = sample_matrix(row, {.L = 6, .H = 2, .seed = 1});
  CHECK(same_bits(a.M, b.M));
  CHECK(same_bits(a.fast, b.fast));
  CHECK(relative_error(a.M.select(0, 0), a.M.select(0, 1)) > 0.1);
  CHECK(relative_error(a.M, sample_matrix(row, {.L = 6, .H = 2, .seed = 2}).M) > 0.1);
}
