#include "tensor/step_graph.h"

#include <doctest/doctest.h>

#include "tensor/accumulate.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

/// A step with temporary tensors: total += the sums of the columns of x, through a copy of x's transpose.
void step(const Tensor& total, const Tensor& x) { accumulate(total, clone(x.transpose(0, 1)).transpose(0, 1)); }

}  // namespace

TEST_CASE("a captured step is recorded, not run, and each launch is the step, bit for bit") {
  for (const Device device : test_devices()) {
    if (!device.is_cuda()) continue;
    const Tensor x = to(random_tensor({3000, 37}, 1, DType::F32), device);
    const Tensor total = zeros({37}, DType::F32, device), eager = zeros({37}, DType::F32, device);
    step(eager, x);
    StepGraph graph(device);
    CHECK_FALSE(graph.captured());
    graph.capture([&] { step(total, x); });
    CHECK(graph.captured());
    CHECK(to_vector<float>(total) == std::vector<float>(37, 0));
    graph.launch();
    CHECK(same_bits(total, eager));
    step(eager, x);
    graph.launch();
    CHECK(same_bits(total, eager));
    copy(x, to(random_tensor({3000, 37}, 2, DType::F32), device));  // a launch reads what is there then
    step(eager, x);
    graph.launch();
    CHECK(same_bits(total, eager));
    CHECK_THROWS_WITH_AS(graph.capture([] {}), "capture: this graph holds a step already", Error);
  }
}

TEST_CASE("the memory of a captured step is never handed to anyone else, and kept tensors stay valid") {
  for (const Device device : test_devices()) {
    if (!device.is_cuda()) continue;
    const Tensor x = full({100000}, 1, DType::F32, device);
    Tensor kept;
    {
      StepGraph graph(device);
      graph.capture([&] { kept = clone(clone(x)); });
      const Tensor other = full({100000}, 7, DType::F32, device);
      graph.launch();
      CHECK(to_vector<float>(other) == std::vector<float>(100000, 7));
      CHECK(to_vector<float>(kept) == std::vector<float>(100000, 1));
    }
    CHECK(to_vector<float>(kept) == std::vector<float>(100000, 1));
  }
}

TEST_CASE("a step that throws ends the recording, and the device works on") {
  for (const Device device : test_devices()) {
    if (!device.is_cuda()) continue;
    const Tensor x = zeros({5}, DType::F32, device);
    StepGraph graph(device);
    CHECK_THROWS_WITH_AS(graph.capture([&] {
      fill(x, 3);
      fail("step", "no");
    }),
                         "step: no", Error);
    CHECK_FALSE(graph.captured());
    CHECK(to_vector<float>(x) == std::vector<float>(5, 0));
    CHECK_THROWS_WITH_AS(graph.capture([&] { item<float>(x.select(0, 0)); }),
                         "transfer: a captured step must not cross to CPU; x is F32 [] on CUDA:0", Error);
    graph.capture([&] { fill(x, 3); });
    graph.launch();
    CHECK(to_vector<float>(x) == std::vector<float>(5, 3));
  }
}

TEST_CASE("only CUDA captures, and only what was captured is launched") {
  CHECK_THROWS_WITH_AS(StepGraph{kCpu}, "capture: a step can be captured on CUDA only, got CPU", Error);
  for (const Device device : test_devices()) {
    if (device.is_cuda())
      CHECK_THROWS_WITH_AS(StepGraph(device).launch(), "capture: no step has been captured yet", Error);
  }
}
