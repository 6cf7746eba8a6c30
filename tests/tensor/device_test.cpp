#include "tensor/device.h"

#include <doctest/doctest.h>

#include "tensor/kernel.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::testing;

TEST_CASE("devices have names that parse back") {
  for (const Device device : test_devices()) {
    std::string name = to_string(device);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    CHECK(parse_device(name) == device);
    CHECK_FALSE(device_name(device).empty());
    CHECK_NOTHROW(synchronize(device));
  }
  CHECK(to_string(cuda_device(3)) == "CUDA:3");
}

TEST_CASE("names of no device, and devices that are not there, are refused") {
  for (const char* name : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:99999999999"})
    CHECK_THROWS_WITH_AS(parse_device(name), text("device: must be cpu, cuda or cuda:N, got '", name, "'").c_str(),
                         Error);
  CHECK_THROWS_AS(parse_device("cuda:1000"), Error);
  if (cuda_device_count() == 0) {
    CHECK_THROWS_AS(parse_device("cuda"), Error);
    CHECK_THROWS_AS(synchronize(cuda_device()), Error);
  } else {
    CHECK(parse_device("cuda") == cuda_device(0));
  }
}
