#include "autograd/checkpoint.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "autograd/trace.h"
#include "tensor/compare.h"
#include "tests/autograd/tiny_ops.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

using Values = std::vector<double>;
using Function = std::function<Var(const std::vector<Var>&)>;

/// What plain calls and checkpointed ones are compared by.
using Call = std::function<Var(const Function&, const std::vector<Var>&)>;
Var plain(const Function& f, const std::vector<Var>& inputs) { return f(inputs); }

TEST_CASE("value and every gradient have the bits of the plain call") {
  for (const Device device : test_devices()) SUBCASE(to_string(device).c_str()) {
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
        const auto run = [&](const Call& call) {
          const Var x = leaf(random_tensor({33}, 1, dtype, device), "x"),
                    w = leaf(random_tensor({33}, 2, dtype, device), "w");
          w.leaf()->grad = cast(random_tensor({33}, 3, DType::F64, device), dtype);
          const Function layer = [&](const std::vector<Var>& in) {
            const Var h = mul(add(in[0], in[1]), w);
            return add(powers(h)[1], mul(h, in[0]));
          };
          const Var first = call(layer, {x, tensor(Values(33, 0.5), dtype, device)});
          const Var y = call(layer, {first, w});
          backward(total(y));
          return std::vector<Tensor>{y.value(), x.grad(), w.grad()};
        };
        const auto want = run(plain), got = run(checkpoint);
        for (size_t i = 0; i < want.size(); ++i) CHECK(same_bits(got[i], want[i]));
      }
    }
}

TEST_CASE("checkpoints nest") {
  const auto run = [](const Call& call) {
    const Var x = leaf(random_tensor({5}, 1)), w = leaf(random_tensor({5}, 2));
    const Function inner = [&](const std::vector<Var>& in) { return mul(mul(in[0], w), in[0]); };
    const Function outer = [&](const std::vector<Var>& in) { return mul(call(inner, {add(in[0], w)}), in[0]); };
    backward(total(call(outer, {x})));
    return std::pair(x.grad(), w.grad());
  };
  const auto want = run(plain), got = run(checkpoint);
  CHECK(same_bits(got.first, want.first));
  CHECK(same_bits(got.second, want.second));
}

TEST_CASE("only the inputs are kept") {
  const Var x = leaf(tensor(Values(100, 2)));
  reset_saved_bytes();
  const Var y = checkpoint(
      [](const std::vector<Var>& in) {
        Var h = in[0];
        for (int i = 0; i < 10; ++i) h = mul(h, in[0]);
        return h;
      },
      {x});
  CHECK(saved_bytes().size() == 1);
  CHECK(saved_bytes().at("checkpoint").bytes == 800);
}

TEST_CASE("leaves that the function captured get gradients even if no input wants one") {
  const Var w = leaf(tensor({2, 3}));
  const Function f = [&](const std::vector<Var>& in) { return mul(in[0], w); };
  backward(total(checkpoint(f, {tensor({5, 7})})));
  CHECK(values(w.grad()) == Values{5, 7});
  const Function itself = [&](const std::vector<Var>&) { return w; };
  backward(total(checkpoint(itself, {})));
  CHECK(values(w.grad()) == Values{6, 8});
}

TEST_CASE("functions that ignore inputs or return one") {
  const Var x = leaf(tensor({2, 3})), y = leaf(tensor({5, 7}));
  const Function first = [](const std::vector<Var>& in) { return in[0]; };
  backward(total(checkpoint(first, {mul(x, x), y})));
  CHECK(values(x.grad()) == Values{4, 6});
  CHECK_FALSE(y.grad().defined());
  const Function constant = [](const std::vector<Var>&) { return Var(tensor({1})); };
  backward(checkpoint(constant, {y}));
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("results recorded outside must be inputs") {
  const Var x = leaf(tensor({2}));
  const Var outside = mul(x, x);
  CHECK(error_of([&] { checkpoint([&](const std::vector<Var>& in) { return mul(in[0], outside); }, {x}); }) ==
        "checkpoint: f must take values with history as inputs, but it captured F64 [1] on CPU from mul");
}

TEST_CASE("what changed in place since is not run again") {
  const Var x = leaf(tensor({2}), "x"), w = leaf(tensor({3}), "weight");
  const auto changed = [&](const Tensor& victim, const Var& input) {
    const Var y = checkpoint([&](const std::vector<Var>& in) { return mul(in[0], w); }, {input});
    victim.bump_version();
    return error_of([&] { backward(y); });
  };
  CHECK(changed(w.value(), x).starts_with("backward of checkpoint: 'weight' (F64 [1] on CPU) was changed in place"));
  const Var h = mul(x, x);
  CHECK(changed(h.value(), h).starts_with("backward of checkpoint: 'input' (F64 [1] on CPU) was changed in place"));
}

TEST_CASE("the function runs again under the module path it ran under first") {
  std::vector<std::string> paths;
  const Var x = leaf(tensor({2}));
  Var y;
  {
    const PathScope path("encoder");
    y = checkpoint(
        [&](const std::vector<Var>& in) {
          const PathScope inner("layer");
          paths.push_back(current_path());
          return mul(in[0], in[0]);
        },
        {x});
  }
  backward(y);
  CHECK(paths == std::vector<std::string>{"encoder.layer", "encoder.layer"});
  CHECK(current_path() == "");
}

TEST_CASE("under NoGrad it is the plain call") {
  const NoGrad off;
  int calls = 0;
  const Var y = checkpoint(
      [&](const std::vector<Var>& in) {
        ++calls;
        return in[0];
      },
      {leaf(tensor({2}))});
  CHECK(calls == 1);
  CHECK(values(y) == Values{2});
}

TEST_CASE("on_final sees the leaves of a checkpoint when they are complete") {
  const Var x = leaf(tensor({2}), "x"), w = leaf(tensor({3}), "w");
  const Var h = mul(x, w);
  const Var y = checkpoint([&](const std::vector<Var>& in) { return mul(in[0], w); }, {h});
  std::vector<std::string> seen;
  backward(y, {.on_final = [&](Leaf& leaf) { seen.push_back(text(leaf.name, " ", values(leaf.grad)[0])); }});
  CHECK(seen == std::vector<std::string>{"x 9", "w 12"});
}

TEST_CASE("a checkpointed graph can be walked twice") {
  const Var x = leaf(tensor({2}));
  const Var y = checkpoint([](const std::vector<Var>& in) { return mul(in[0], in[0]); }, {same(x)});
  backward(y, {.keep_graph = true});
  backward(y);
  CHECK(values(x.grad()) == Values{8});
}

}  // namespace
}  // namespace matmix::testing
