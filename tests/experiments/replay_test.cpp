#include "experiments/replay.h"

#include <doctest/doctest.h>

#include <complex>
#include <map>
#include <string>

#include "tensor/create.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::experiments;
using namespace matmix::testing;

namespace {

using Complex = std::complex<double>;

enum class Kind { kHydra, kProjected, kTable };

struct Size {
  Kind kind = Kind::kHydra;
  int64_t B = 2, L = 5, d_model = 4, expand = 2, headdim = 2, N = 3, G = 1, width = 3;
  bool bias = false, conv_bias = true, initial_states = false;

  int64_t D() const { return expand * d_model; }
  int64_t H() const { return D() / headdim; }
  /// How many of B_f, C_f, B_b, C_b are projected.
  int64_t projected() const { return kind == Kind::kHydra ? 4 : kind == Kind::kProjected ? 2 : 0; }
  int64_t conv_channels() const { return D() + projected() * G * N; }
  int64_t dt_channels() const { return kind == Kind::kTable ? 0 : 2 * H(); }
};

/// Values by the reference's names, "input" among them.
using Values = std::map<std::string, std::vector<Complex>>;

std::vector<std::pair<std::string, Shape>> parameter_shapes(const Size& s) {
  const std::string mixer = s.kind == Kind::kHydra ? "" : "matrix_mixer.";
  const int64_t width = s.D() + s.conv_channels() + s.dt_channels();
  std::vector<std::pair<std::string, Shape>> shapes{{mixer + "dt_bias", {s.H()}},
                                                    {mixer + "A_log", {s.H()}},
                                                    {mixer + "D", {s.H()}},
                                                    {mixer + "fc_D.weight", {s.H(), s.D()}},
                                                    {"in_proj.weight", {width, s.d_model}},
                                                    {"conv1d.weight", {s.conv_channels(), 1, s.width}},
                                                    {"norm.weight", {s.D()}},
                                                    {"out_proj.weight", {s.d_model, s.D()}}};
  if (s.conv_bias) shapes.push_back({"conv1d.bias", {s.conv_channels()}});
  if (s.bias) shapes.insert(shapes.end(), {{"in_proj.bias", {width}}, {"out_proj.bias", {s.d_model}}});
  if (s.initial_states) shapes.push_back({"init_states", {s.H(), s.headdim, s.N}});
  if (s.kind == Kind::kTable) shapes.push_back({"matrix_mixer.BC", {s.L, 2 * s.N}});
  return shapes;
}

Complex softplus(Complex x) { return std::log(1.0 + std::exp(x)); }
Complex silu(Complex x) { return x / (1.0 + std::exp(-x)); }

/// The block by the plain recurrence, token by token, in complex numbers: a step into the imaginary direction of one
/// value gives the exact derivative.
class PlainBlock {
 public:
  PlainBlock(const Size& s, const Values& values)
      : s_(s),
        mixer_(s.kind == Kind::kHydra ? "" : "matrix_mixer."),
        width_(s.D() + s.conv_channels() + s.dt_channels()),
        input_(values, "input"),
        in_weight_(values, "in_proj.weight"),
        in_bias_(values, "in_proj.bias"),
        conv_weight_(values, "conv1d.weight"),
        conv_bias_(values, "conv1d.bias"),
        dt_bias_(values, mixer_ + "dt_bias"),
        A_log_(values, mixer_ + "A_log"),
        D_(values, mixer_ + "D"),
        fc_D_(values, mixer_ + "fc_D.weight"),
        BC_(values, "matrix_mixer.BC"),
        initial_(values, "init_states"),
        norm_(values, "norm.weight"),
        out_weight_(values, "out_proj.weight"),
        out_bias_(values, "out_proj.bias") {}

  std::vector<Complex> output() {
    std::vector<Complex> all;
    for (int64_t b = 0; b < s_.B; ++b) {
      project(b);
      convolve();
      std::vector<Complex> y = diagonal();
      scan(y, false);
      scan(y, true);
      const std::vector<Complex> out = finish(y);
      all.insert(all.end(), out.begin(), out.end());
    }
    return all;
  }

 private:
  /// Element i of a value; 0 of one that is not there.
  class Reader {
   public:
    Reader(const Values& values, const std::string& name) {
      const auto found = values.find(name);
      if (found != values.end()) data_ = found->second.data();
    }
    Complex operator[](int64_t i) const { return data_ ? data_[i] : 0; }

   private:
    const Complex* data_ = nullptr;
  };

  void project(int64_t b) {
    row_.assign(static_cast<size_t>(s_.L * width_), 0);
    for (int64_t i = 0; i < s_.L; ++i)
      for (int64_t c = 0; c < width_; ++c) {
        Complex sum = in_bias_[c];
        for (int64_t d = 0; d < s_.d_model; ++d)
          sum += in_weight_[c * s_.d_model + d] * input_[(b * s_.L + i) * s_.d_model + d];
        row_.data()[i * width_ + c] = sum;
      }
  }
  Complex projected(int64_t i, int64_t c) const { return row_.data()[i * width_ + c]; }

  void convolve() {
    const int64_t C = s_.conv_channels();
    convolved_.assign(static_cast<size_t>(s_.L * C), 0);
    for (int64_t i = 0; i < s_.L; ++i)
      for (int64_t c = 0; c < C; ++c) {
        Complex sum = conv_bias_[c];
        for (int64_t k = 0; k < s_.width; ++k) {
          const int64_t j = i + k - (s_.width - 1) / 2;
          if (j >= 0 && j < s_.L) sum += conv_weight_[c * s_.width + k] * projected(j, s_.D() + c);
        }
        convolved_.data()[i * C + c] = silu(sum);
      }
  }
  /// Channel c of token i behind the convolution; v comes first.
  Complex convolved(int64_t i, int64_t c) const { return convolved_.data()[i * s_.conv_channels() + c]; }

  /// Element n of B (which = 0) or C (1) of token i as head h sees it.
  Complex bc(int64_t which, bool reverse, int64_t i, int64_t h, int64_t n) const {
    if (s_.kind == Kind::kTable) return BC_[(i * 2 + which) * s_.N + n];
    const int64_t part = which + (s_.kind == Kind::kHydra && reverse ? 2 : 0);
    return convolved(i, s_.D() + part * s_.G * s_.N + h / (s_.H() / s_.G) * s_.N + n);
  }

  Complex dt(bool reverse, int64_t i, int64_t h) const {
    const Complex raw =
        s_.kind == Kind::kTable ? 0 : projected(i, s_.D() + s_.conv_channels() + (reverse ? s_.H() : 0) + h);
    return softplus(raw + dt_bias_[h]);
  }

  std::vector<Complex> diagonal() const {
    std::vector<Complex> y;
    for (int64_t i = 0; i < s_.L; ++i)
      for (int64_t h = 0; h < s_.H(); ++h) {
        Complex delta = D_[h];
        for (int64_t d = 0; d < s_.D(); ++d) delta += fc_D_[h * s_.D() + d] * convolved(i, d);
        for (int64_t p = 0; p < s_.headdim; ++p) y.push_back(delta * convolved(i, h * s_.headdim + p));
      }
    return y;
  }

  /// One direction, channel by channel: what token i leaves behind is read by its neighbour.
  void scan(std::vector<Complex>& y, bool reverse) const {
    for (int64_t c = 0; c < s_.D(); ++c) {
      const int64_t h = c / s_.headdim;
      const Complex A = -std::exp(A_log_[h]);
      std::vector<Complex> state;
      for (int64_t n = 0; n < s_.N; ++n) state.push_back(initial_[c * s_.N + n]);
      for (int64_t step = 0; step + 1 < s_.L; ++step) {
        const int64_t i = reverse ? s_.L - 1 - step : step, next = reverse ? i - 1 : i + 1;
        const Complex size = dt(reverse, i, h), decay = std::exp(A * size), x = convolved(i, c);
        for (int64_t n = 0; n < s_.N; ++n) {
          Complex& kept = state[static_cast<size_t>(n)];
          kept = decay * kept + size * bc(0, reverse, i, h, n) * x;
          y.data()[next * s_.D() + c] += bc(1, reverse, i, h, n) * kept;
        }
      }
    }
  }

  std::vector<Complex> finish(const std::vector<Complex>& y) const {
    std::vector<Complex> out;
    for (int64_t i = 0; i < s_.L; ++i) {
      const Complex* row = y.data() + i * s_.D();
      Complex square = 0;
      for (int64_t c = 0; c < s_.D(); ++c) square += row[c] * row[c];
      const Complex scale = 1.0 / std::sqrt(square / static_cast<double>(s_.D()) + 1e-5);
      std::vector<Complex> gated;
      for (int64_t c = 0; c < s_.D(); ++c) gated.push_back(row[c] * scale * norm_[c] * silu(projected(i, c)));
      for (int64_t m = 0; m < s_.d_model; ++m) {
        Complex sum = out_bias_[m];
        for (int64_t c = 0; c < s_.D(); ++c) sum += out_weight_[m * s_.D() + c] * gated[static_cast<size_t>(c)];
        out.push_back(sum);
      }
    }
    return out;
  }

  Size s_;
  std::string mixer_;
  int64_t width_;
  Reader input_, in_weight_, in_bias_, conv_weight_, conv_bias_, dt_bias_, A_log_, D_, fc_D_, BC_, initial_, norm_,
      out_weight_, out_bias_;
  std::vector<Complex> row_, convolved_;
};

Tensor real_tensor(const std::vector<Complex>& x, const Shape& shape) {
  std::vector<double> real;
  for (const Complex& z : x) real.push_back(z.real());
  return from_vector(real, shape);
}

/// d(sum output dy) / d(every element of a value).
std::vector<Complex> gradient(const Size& s, Values values, const std::string& name, const std::vector<double>& dy) {
  constexpr double kStep = 1e-100;
  std::vector<Complex> slopes;
  for (Complex& x : values[name]) {
    const Complex before = x;
    x += Complex(0, kStep);
    const std::vector<Complex> y = PlainBlock(s, values).output();
    double slope = 0;
    for (size_t i = 0; i < y.size(); ++i) slope += dy[i] * y[i].imag() / kStep;
    slopes.push_back(slope);
    x = before;
  }
  return slopes;
}

/// The file that the reference would have written for this block.
TensorFile reference_file(const Size& s) {
  TensorFile file;
  file.metadata = {{"kind", s.kind == Kind::kHydra ? "hydra" : "quasiseparable"},
                   {"d_model", std::to_string(s.d_model)},
                   {"expand", std::to_string(s.expand)},
                   {"headdim", std::to_string(s.headdim)},
                   {"d_conv", std::to_string(s.width)},
                   {"d_state", std::to_string(s.N)},
                   {"ngroups", std::to_string(s.G)},
                   {"qk_dim", std::to_string(s.N / s.H())}};
  if (s.kind != Kind::kHydra) file.metadata["data_dependent"] = s.kind == Kind::kProjected ? "1" : "0";

  auto shapes = parameter_shapes(s);
  const Shape io{s.B, s.L, s.d_model};
  Values values;
  const auto draw = [&](const std::string& name, const Shape& shape) {
    for (const double x : to_vector<double>(random_tensor(shape, stream_of(name)))) values[name].emplace_back(0.7 * x);
  };
  draw("input", io);
  for (const auto& [name, shape] : shapes) draw(name, shape);
  const Tensor dy = random_tensor(io, 77);
  file.tensors = {{"input", real_tensor(values["input"], io)},
                  {"output", real_tensor(PlainBlock(s, values).output(), io)},
                  {"output_grad", dy},
                  {"input_grad", real_tensor(gradient(s, values, "input", to_vector<double>(dy)), io)}};
  for (const auto& [name, shape] : shapes) {
    file.tensors.emplace_back("param." + name, real_tensor(values[name], shape));
    file.tensors.emplace_back("grad." + name, real_tensor(gradient(s, values, name, to_vector<double>(dy)), shape));
  }
  return file;
}

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

void erase_tensor(TensorFile& file, const std::string& name) {
  std::erase_if(file.tensors, [&](const auto& entry) { return entry.first == name; });
}

}  // namespace

TEST_CASE("the figures of the reference implementation") {
  for (const char* name : {"hydra_ngroups1_L24", "hydra_ngroups2_L24", "quasiseparable_dd", "quasiseparable_di"}) {
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

TEST_CASE("quasiseparable blocks at other sizes, against the plain recurrence") {
  for (const Kind kind : {Kind::kProjected, Kind::kTable})
    for (const int64_t L : {1, 2, 7}) {
      CAPTURE(L);
      const Size s{.kind = kind, .L = L, .headdim = 4, .N = 4};
      check_replay(reference_file(s), 2 + parameter_shapes(s).size());
    }
}

TEST_CASE("a parameter that is off shows in the error") {
  TensorFile file = reference_file({.B = 1, .L = 3});
  for (auto& [name, value] : file.tensors)
    if (name == "param.A_log") value.data<double>()[0] += 1e-3;
  for (const ReplayError& e : replay(file, MathMode::kF64, kCpu))
    if (e.tensor == "output") CHECK(e.error > replay_tolerance(MathMode::kF64));
}

TEST_CASE("what a file lacks or has too much of is said in one sentence") {
  const TensorFile good = reference_file({.B = 1, .L = 2});
  TensorFile file = good;
  file.metadata["kind"] = "cauchy";
  CHECK(message_of(file) == "replay: blocks of kind 'cauchy' are not there yet; known are: hydra, quasiseparable");
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
  file.tensors.emplace_back("param.extra", zeros({1}, DType::F64));
  CHECK(message_of(file) == "replay: param.extra is no parameter of this kind of block");
  file = good;
  file.tensors.emplace_back("param.init_states", zeros({4, 2, 2}, DType::F64));
  CHECK(message_of(file).starts_with("replay: param.init_states does not fit: our mixer.initial_states is [4, 2, 3]"));
  CHECK_THROWS_AS(replay_tolerance(MathMode::kBF16), Error);
}
