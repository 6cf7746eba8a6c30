#include "tensor/named_tensors.h"

#include <doctest/doctest.h>

#include "tensor/create.h"

using namespace matmix;

TEST_CASE("tensors by name stay in the order they were put; what is missing is named with what is near") {
  NamedTensors tensors{{"weight", zeros({1}, DType::F32)}, {"bias", zeros({2}, DType::F32)}};
  tensors.put("alpha", zeros({3}, DType::F32));
  REQUIRE(tensors.size() == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(tensors[i].second.numel() == static_cast<int64_t>(i + 1));
  CHECK(tensors.begin()->first == "weight");
  CHECK(tensors.at("bias").numel() == 2);
  CHECK(tensors.contains("alpha"));
  CHECK_FALSE(tensors.contains("beta"));
  CHECK_THROWS_WITH_AS(tensors.at("wait"),
                       doctest::Contains("tensors: there is no 'wait'; the nearest names are 'weight'"), Error);
  CHECK_THROWS_WITH_AS(NamedTensors().at("x"), "tensors: there is no 'x': there are none", Error);
}

TEST_CASE("a name is put once; then nothing was changed") {
  NamedTensors tensors{{"a", zeros({1}, DType::F32)}};
  CHECK_THROWS_WITH_AS(tensors.put("a", zeros({2}, DType::F32)), "tensors: 'a' is there already", Error);
  REQUIRE(tensors.size() == 1);
  CHECK(tensors.at("a").numel() == 1);
}
