#include "experiments/replay/replay.h"

#include <doctest/doctest.h>

#include <string>

#include "tensor/create.h"
#include "tests/experiments/plain_block.h"
#include "tests/support/devices.h"
#include "tests/support/without.h"

using namespace matmix;
using namespace matmix::experiments;
using namespace matmix::testing;

namespace {

void check_replay(const TensorFile& file, size_t tensors) {
  for (const Device device : test_devices())
    for (const MathMode mode : {MathMode::kF64, MathMode::kF32}) {
      const std::vector<ReplayError> errors = replay(file, mode, device);
      CHECK(errors.size() == tensors);
      for (const ReplayError& e : errors) {
        CAPTURE(e.tensor);
        CAPTURE(to_string(mode));
        CAPTURE(to_string(device));
        CHECK(e.error <= replay_tolerance(mode));
      }
    }
}

std::string message_of(const TensorFile& file) {
  try {
    replay(file, MathMode::kF64, kCpu);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void erase_tensor(TensorFile& file, const std::string& name) { file.tensors = testing::without(file.tensors, name); }

}  // namespace

TEST_CASE("the figures of the reference implementation") {
  for (const char* name :
       {"hydra_ngroups1_L24", "hydra_ngroups2_L24", "quasiseparable_dd", "quasiseparable_di", "dense_di",
        "attention_dd", "attention_di", "low_rank_dd", "low_rank_di", "toeplitz_dd", "toeplitz_di",
        "vandermonde_dft_di", "cauchy_dd", "cauchy_di", "vandermonde_dd", "vandermonde_di"}) {
    CAPTURE(name);
    const TensorFile file = read_safetensors(std::string(MATMIX_ROOT "/tests/reference/") + name + ".safetensors");
    const size_t parameters = file.tensors.size() / 2 - 2;
    check_replay(file, 2 + parameters);
  }
}

TEST_CASE("Hydra at other sizes, against the plain recurrence") {
  const std::vector<Size> sizes{{.L = 1},
                                {.L = 2, .G = 2},
                                {.B = 1, .L = 7, .headdim = 4, .N = 1, .G = 2, .width = 5},
                                {.B = 1, .L = 9, .d_model = 2, .expand = 3, .headdim = 3, .width = 7, .bias = true},
                                {.L = 5, .G = 4, .width = 1, .conv_bias = false, .initial_states = true},
                                {.L = 1, .bias = true, .initial_states = true}};
  for (const Size& s : sizes) {
    CAPTURE(s.L);
    CAPTURE(s.G);
    check_replay(reference_file(s), 2 + parameter_shapes(s).size());
  }
}

TEST_CASE("matrix mixers at other sizes, against their plain form") {
  for (const Kind kind :
       {Kind::kQuasiseparable, Kind::kDense, Kind::kAttention, Kind::kLowRank, Kind::kCauchy, Kind::kVandermonde})
    for (const bool data_dependent : {false, true})
      for (const int64_t L : {1, 2, 7}) {
        if (kind == Kind::kDense && data_dependent) continue;
        CAPTURE(static_cast<int>(kind));
        CAPTURE(L);
        const Size s{.kind = kind, .data_dependent = data_dependent, .L = L, .headdim = 4, .N = 4};
        check_replay(reference_file(s), 2 + parameter_shapes(s).size());
      }
}

TEST_CASE("a parameter that is off shows in the error") {
  TensorFile file = reference_file({.B = 1, .L = 3});
  file.at("param.A_log").data<double>()[0] += 1e-3;
  for (const ReplayError& e : replay(file, MathMode::kF64, kCpu))
    if (e.tensor == "output") CHECK(e.error > replay_tolerance(MathMode::kF64));
}

TEST_CASE("what a file lacks or has too much of is said in one sentence") {
  const TensorFile good = reference_file({.B = 1, .L = 2});
  TensorFile file = good;
  file.metadata["kind"] = "unknown";
  CHECK(message_of(file).starts_with(
      "replay: blocks of kind 'unknown' are not there yet; known are: hydra, quasiseparable, dense, attention, "));
  file = good;
  file.metadata.erase("kind");
  CHECK(message_of(file) == "replay: metadata must have kind");
  file = good;
  file.metadata["headdim"] = "2.5";
  CHECK(message_of(file) == "replay: metadata headdim must be a whole number, got '2.5'");
  file = good;
  erase_tensor(file, "param.D");
  CHECK(message_of(file) == "replay: the file must have a parameter for our mixer.D");
  file = good;
  file.tensors.put("param.extra", zeros({1}, DType::F64));
  CHECK(message_of(file) == "replay: param.extra is no parameter of this kind of block");
  file = good;
  file.tensors.put("param.init_states", zeros({4, 2, 2}, DType::F64));
  CHECK(message_of(file).starts_with("replay: param.init_states does not fit: our mixer.initial_states is [4, 2, 3]"));
  CHECK_THROWS_AS(replay_tolerance(MathMode::kBF16), Error);
}
