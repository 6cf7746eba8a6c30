#include "ops/common/cases.h"
#include "ops/fft/fft.h"

namespace matmix {
namespace {

using Strides = OpArgument::Strides;

OpCase forward(const char* variant, const Shape& x, int axis, int64_t n) {
  return {"rfft", variant, {{"x", x, -2, 2, Strides::kAny}}, [=](const std::vector<Var>& in) {
            return std::vector{rfft(in[0], axis, n)};
          }};
}
OpCase inverse(const char* variant, const Shape& X, int axis, int64_t n) {
  return {"irfft", variant, {{"X", X, -2, 2, Strides::kAny}}, [=](const std::vector<Var>& in) {
            return std::vector{irfft(in[0], axis, n)};
          }};
}
OpCase cosines(const char* variant, const Shape& x, int axis, int64_t n) {
  return {"cosine_transform", variant, {{"x", x, -2, 2, Strides::kAny}}, [=](const std::vector<Var>& in) {
            return std::vector{cosine_transform(in[0], axis, n)};
          }};
}

}  // namespace

std::vector<OpCase> fft_cases() {
  return {
      forward("n = 16, middle axis", {2, 16, 3}, 1, 0),
      forward("n = 7, last axis", {2, 3, 7}, -1, 0),
      forward("padded to 32", {2, 5, 3}, 1, 32),
      forward("folded to 6", {11, 2}, 0, 6),
      forward("n = 1", {3, 1}, 1, 0),
      forward("n = 2", {2, 3}, 0, 0),
      inverse("n = 16, middle axis", {2, 9, 2, 3}, 1, 16),
      inverse("n = 7, last axis", {3, 4, 2}, 1, 7),
      inverse("n = 1", {1, 2, 3}, 0, 1),
      inverse("n = 6", {2, 4, 2}, 1, 6),
      cosines("n = L = 8", {2, 8, 3}, 1, 8),
      cosines("n = 9, L = 5", {2, 5, 3}, 1, 9),
      cosines("n = 5, L = 12", {12, 3}, 0, 5),
      cosines("n = 1", {4, 2}, 0, 1),
  };
}

}  // namespace matmix
