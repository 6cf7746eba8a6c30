#include "tensor/accumulate.h"

#include <doctest/doctest.h>

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

/// The definition: every element of x is added where `into` was broadcast to it.
Tensor summed(const Tensor& into, const Tensor& x) {
  const Tensor out = cast(clone(into), DType::F64), wide = cast(x, DType::F64);
  const Tensor spread = out.expand(x.shape());
  for_each_index(x.shape(), [&](const Shape& i) { element<double>(spread, i) += element<double>(wide, i); });
  return out;
}

struct Case {
  Shape into, x;
};
const std::vector<Case> kCases = {
    {{}, {}},
    {{5}, {5}},
    {{4, 5}, {4, 5}},
    {{1}, {7}},
    {{}, {3, 1000}},         // all of it, in one stage
    {{}, {20011}},           // in parts, the last one short
    {{7}, {3, 5, 7}},        // a bias
    {{33}, {1031, 33}},      // a bias, in parts
    {{1100}, {70, 1100}},    // wider than a tile
    {{6, 1}, {6, 50}},       // row sums
    {{3, 1}, {3, 9001}},     // long row sums
    {{1, 5, 1}, {4, 5, 6}},  // both sides
    {{2, 1, 3, 1}, {2, 300, 3, 5}},
    {{5, 1, 1}, {2, 5, 13, 129}},
    {{4}, {0, 4}},
    {{1, 3}, {0, 3}},
};

constexpr DType kFloating[] = {DType::F64, DType::F32, DType::BF16};

}  // namespace

TEST_CASE("accumulate is the sum over broadcast axes, for every dtype and device") {
  for (const Device device : test_devices())
    for (const DType a : kFloating)
      for (const DType b : kFloating)
        for (const auto& [into_shape, x_shape] : kCases) {
          CAPTURE(into_shape);
          CAPTURE(x_shape);
          CAPTURE(a);
          CAPTURE(b);
          const Tensor start = random_tensor(into_shape, 1, a), x = random_tensor(x_shape, 2, b);
          const double terms = static_cast<double>(x.numel()) / static_cast<double>(start.numel());
          const double bound = std::max(tolerance(a, terms), tolerance(b, terms));
          const Tensor want = summed(zeros(into_shape, a), x), into = to(clone(start), device);
          reduce_into(into, to(x, device));
          CHECK(relative_error(into, want) <= bound);
          copy(into, start);
          accumulate(into, to(x, device));
          accumulate(want, start);
          CHECK(relative_error(into, want) <= bound);
        }
}

TEST_CASE("any strides: permuted, cut out and broadcast terms into any window") {
  for (const Device device : test_devices()) {
    const Tensor base = random_tensor({3, 20, 5, 24}, 3);
    const Tensor there = to(base, device);
    const auto views = [](const Tensor& x) {
      return std::vector<Tensor>{x.permute({3, 1, 0, 2}), x.permute({2, 3, 1, 0}).narrow(1, 3, 20),
                                 x.select(2, 1).unsqueeze(0).expand({9, 3, 20, 24}),
                                 x.narrow(3, 1, 1).expand({3, 20, 5, 70}), x.narrow(1, 2, 15).narrow(3, 7, 13)};
    };
    const auto host_views = views(base), device_views = views(there);
    for (size_t v = 0; v < host_views.size(); ++v)
      for (unsigned mask = 0; mask < 16; ++mask) {  // which axes are summed
        CAPTURE(v);
        CAPTURE(mask);
        Shape shape = host_views[v].shape();
        for (int i = 0; i < 4; ++i)
          if (mask >> i & 1u) shape[i] = 1;
        Shape room = shape;
        std::swap(room[0], room[2]);
        const Tensor into = zeros(room + Shape{2}, DType::F64, device);
        accumulate(into.select(-1, 1).transpose(0, 2), device_views[v]);
        const Tensor want = summed(zeros(shape, DType::F64), host_views[v]);
        CHECK(relative_error(into.select(-1, 1).transpose(0, 2), want) <= tolerance(DType::F64, 21000));
        CHECK(relative_error(into.select(-1, 0), zeros(room, DType::F64)) == 0);
      }
  }
}

TEST_CASE("sums of eight axes that no view merges are right too") {
  const Tensor x = random_tensor({3, 2, 3, 2, 5, 3, 2, 3}, 4).permute({6, 4, 2, 0, 7, 5, 3, 1});
  const Tensor into = zeros({2, 1, 3, 1, 3, 1, 2, 1}, DType::F64);
  accumulate(into, x);
  CHECK(relative_error(into, summed(zeros(into.shape(), DType::F64), x)) <= tolerance(DType::F64, 90));
}

TEST_CASE("the same bits twice and for any thread count") {
  const int before = thread_count();
  for (const Device device : test_devices())
    for (const auto& [into, shape] : std::vector<Case>{{{}, {100003}}, {{48}, {5003, 48}}, {{64, 1}, {64, 3001}}}) {
      const Tensor x = to(random_tensor(shape, 5, DType::F32), device);
      std::vector<Tensor> results;
      for (const int threads : {1, 2, 3, 3}) {
        set_thread_count(threads);
        results.push_back(zeros(into, DType::F32, device));
        accumulate(results.back(), x);
      }
      for (const Tensor& result : results) CHECK(same_bits(result, results[0]));
    }
  set_thread_count(before);
}

TEST_CASE("long sums in F32 do not drift") {
  const Tensor x = full({1 << 22}, 0.1, DType::F32), into = zeros({}, DType::F32);
  accumulate(into, x);
  CHECK(std::abs(item<double>(into) / (static_cast<double>(0.1f) * (1 << 22)) - 1) <
        1e-5);  // one after the other: 1e-2
}

TEST_CASE("BF16 sums are carried in F32: small terms are not lost") {
  const Tensor into = full({1}, 256, DType::BF16);
  accumulate(into, full({64, 1}, 0.25, DType::BF16));
  CHECK(item<double>(into) == 272);
}

TEST_CASE("accumulate counts as one change of into; no terms change nothing, reduce_into gives 0") {
  const Tensor into = full({3}, 2, DType::F32);
  const uint64_t version = into.version();
  accumulate(into, zeros({0, 3}, DType::F32));
  CHECK(item<float>(into.select(0, 1)) == 2);
  accumulate(into, full({5000, 3}, 1, DType::F32));
  CHECK(into.version() == version + 1);
  reduce_into(into, zeros({0, 3}, DType::F32));
  CHECK(item<float>(into.select(0, 1)) == 0);
}

TEST_CASE("accumulate refuses what has no meaning") {
  const Tensor x = zeros({2, 3}, DType::F32);
  CHECK_THROWS_WITH_AS(accumulate(zeros({2}, DType::F32), x), "accumulate: shapes [2] and [2, 3] do not broadcast",
                       Error);
  CHECK_THROWS_WITH_AS(accumulate(x, zeros({3}, DType::F32)),
                       "accumulate: into must broadcast to x, got F32 [3] on CPU into F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(accumulate(zeros({3}, DType::I32), x),
                       "accumulate: dtypes must be floating, got F32 [2, 3] on CPU into I32 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(accumulate(zeros({1}, DType::F32).expand({3}), x),
                       "accumulate: into must not be a broadcast view, got strides [0] for F32 [3] on CPU", Error);
}
