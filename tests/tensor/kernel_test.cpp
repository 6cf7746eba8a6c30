#include "tensor/kernel.h"

#include <doctest/doctest.h>

#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

void twice(int& x) { x *= 2; }
void thrice(int& x) { x *= 3; }
void fails(int&) { fail("shape", "no"); }

}  // namespace

TEST_CASE("a kernel runs its device's entry") {
  constexpr Kernel kTwice{"twice", twice, thrice};
  for (const Device device : test_devices()) {
    int x = 5;
    kTwice(device, x);
    CHECK(x == (device.is_cuda() ? 15 : 10));
  }
}

TEST_CASE("a missing entry and a missing device are errors, never a silent CPU run") {
  constexpr Kernel kTwice{"twice", twice, nullptr};
  int x = 5;
  CHECK_THROWS_WITH_AS(kTwice(cuda_device(), x), "twice: has no implementation on CUDA:0", Error);
  CHECK(x == 5);
  constexpr Kernel kBoth{"both", twice, twice};
  if (cuda_device_count() == 0) CHECK_THROWS_AS(kBoth(cuda_device(), x), Error);
  CHECK(x == 5);
}

TEST_CASE("what an entry throws is thrown on") {
  constexpr Kernel kFails{"fails", fails, nullptr};
  int x = 0;
  CHECK_THROWS_WITH_AS(kFails(kCpu, x), "shape: no", Error);
}
