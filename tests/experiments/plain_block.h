#pragma once

// The blocks of the reference implementation, written out token by token: what `matmix replay` is judged by at sizes of
// which there are no figures.

#include <complex>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "tensor/safetensors.h"
#include "tests/support/random.h"

namespace matmix::testing {

using Complex = std::complex<double>;

enum class Kind { kHydra, kQuasiseparable, kDense, kAttention, kLowRank, kCauchy, kVandermonde };

struct Size {
  Kind kind = Kind::kHydra;
  bool data_dependent = true;
  int64_t max_len = 9;  ///< rows of tables, and what scales are made of
  int64_t B = 2, L = 5, d_model = 4, expand = 2, headdim = 2, N = 3, G = 1, width = 3;
  bool bias = false, conv_bias = true, initial_states = false;

  int64_t D() const { return expand * d_model; }
  int64_t H() const { return D() / headdim; }
  /// Width of the queries or keys of a head; N is that of all heads.
  int64_t E() const { return N / H(); }
  /// Blocks named after their matrix; Hydra's is the block.
  std::string mixer() const { return kind == Kind::kHydra ? "" : "matrix_mixer."; }
  std::string table(const char* name) const {
    return mixer() + name + (kind == Kind::kVandermonde ? "_bias" : "_matrix");
  }
  bool activates_all() const { return kind != Kind::kAttention && kind != Kind::kCauchy && kind != Kind::kVandermonde; }
  bool has_scans() const { return kind == Kind::kHydra || kind == Kind::kQuasiseparable; }
  /// How many streams of G * N channels are projected: B_f, C_f, B_b, C_b; B, C; q, k.
  int64_t projected() const { return kind == Kind::kHydra ? 4 : data_dependent && kind != Kind::kDense ? 2 : 0; }
  int64_t conv_channels() const { return D() + projected() * G * N; }
  int64_t dt_channels() const { return has_scans() && data_dependent ? 2 * H() : 0; }
};

/// Values by the reference's names, "input" among them.
using Values = std::map<std::string, std::vector<Complex>>;

/// The parameters of the mixer alone.
inline std::vector<std::pair<std::string, Shape>> mixer_shapes(const Size& s) {
  const std::string mixer = s.mixer();
  std::vector<std::pair<std::string, Shape>> shapes;
  if (s.has_scans())
    shapes = {{mixer + "dt_bias", {s.H()}},
              {mixer + "A_log", {s.H()}},
              {mixer + "D", {s.H()}},
              {mixer + "fc_D.weight", {s.H(), s.D()}}};
  if (s.initial_states) shapes.push_back({"init_states", {s.H(), s.headdim, s.N}});
  if (s.kind == Kind::kDense) shapes.push_back({mixer + "M", {s.H(), s.max_len, s.max_len}});
  if (s.data_dependent && s.kind == Kind::kCauchy) shapes.push_back({mixer + "bias", {}});
  if (s.data_dependent || s.kind == Kind::kDense) return shapes;
  if (s.kind == Kind::kQuasiseparable) shapes.push_back({mixer + "BC", {s.max_len, 2 * s.N}});
  if (!s.has_scans())
    for (const char* name : {"q", "k"})
      shapes.push_back({s.table(name), s.kind == Kind::kVandermonde ? Shape{s.H(), s.E(), s.max_len}
                                                                    : Shape{s.max_len, s.H(), s.E()}});
  return shapes;
}

inline std::vector<std::pair<std::string, Shape>> parameter_shapes(const Size& s) {
  const int64_t width = s.D() + s.conv_channels() + s.dt_channels();
  auto shapes = mixer_shapes(s);
  shapes.insert(shapes.end(), {{"in_proj.weight", {width, s.d_model}},
                               {"conv1d.weight", {s.conv_channels(), 1, s.width}},
                               {"norm.weight", {s.D()}},
                               {"out_proj.weight", {s.d_model, s.D()}}});
  if (s.conv_bias) shapes.push_back({"conv1d.bias", {s.conv_channels()}});
  if (s.bias) shapes.insert(shapes.end(), {{"in_proj.bias", {width}}, {"out_proj.bias", {s.d_model}}});
  return shapes;
}

inline Complex softplus(Complex x) { return std::log(1.0 + std::exp(x)); }
inline Complex silu(Complex x) { return x / (1.0 + std::exp(-x)); }

/// The block by the plain recurrence, token by token, in complex numbers: a step into the imaginary direction of one
/// value gives the exact derivative.
class PlainBlock {
 public:
  PlainBlock(const Size& s, const Values& values)
      : s_(s),
        width_(s.D() + s.conv_channels() + s.dt_channels()),
        input_(values, "input"),
        in_weight_(values, "in_proj.weight"),
        in_bias_(values, "in_proj.bias"),
        conv_weight_(values, "conv1d.weight"),
        conv_bias_(values, "conv1d.bias"),
        dt_bias_(values, s.mixer() + "dt_bias"),
        A_log_(values, s.mixer() + "A_log"),
        D_(values, s.mixer() + "D"),
        fc_D_(values, s.mixer() + "fc_D.weight"),
        BC_(values, "matrix_mixer.BC"),
        M_(values, "matrix_mixer.M"),
        q_(values, s.table("q")),
        k_(values, s.table("k")),
        bias_(values, "matrix_mixer.bias"),
        initial_(values, "init_states"),
        norm_(values, "norm.weight"),
        out_weight_(values, "out_proj.weight"),
        out_bias_(values, "out_proj.bias") {}

  std::vector<Complex> output() {
    std::vector<Complex> all;
    for (int64_t b = 0; b < s_.B; ++b) {
      project(b);
      convolve();
      const std::vector<Complex> out = finish(s_.has_scans() ? scanned() : multiplied());
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
        convolved_.data()[i * C + c] = c < s_.D() || s_.activates_all() ? silu(sum) : sum;
      }
  }
  /// Channel c of token i behind the convolution; v comes first.
  Complex convolved(int64_t i, int64_t c) const { return convolved_.data()[i * s_.conv_channels() + c]; }

  /// Element n of B (which = 0) or C (1) of token i as head h sees it.
  Complex bc(int64_t which, bool reverse, int64_t i, int64_t h, int64_t n) const {
    if (!s_.data_dependent) return BC_[(i * 2 + which) * s_.N + n];
    const int64_t part = which + (s_.kind == Kind::kHydra && reverse ? 2 : 0);
    return convolved(i, s_.D() + part * s_.G * s_.N + h / (s_.H() / s_.G) * s_.N + n);
  }

  Complex dt(bool reverse, int64_t i, int64_t h) const {
    const Complex raw = !s_.data_dependent ? 0 : projected(i, s_.D() + s_.conv_channels() + (reverse ? s_.H() : 0) + h);
    return softplus(raw + dt_bias_[h]);
  }

  /// The product of two directions, token by token.
  std::vector<Complex> scanned() const {
    std::vector<Complex> y = diagonal();
    scan(y, false);
    scan(y, true);
    return y;
  }

  /// M v + v, with M row by row.
  std::vector<Complex> multiplied() const {
    std::vector<Complex> y;
    for (int64_t i = 0; i < s_.L; ++i)
      for (int64_t h = 0; h < s_.H(); ++h) {
        const std::vector<Complex> M = matrix_row(h, i);
        for (int64_t p = 0; p < s_.headdim; ++p) {
          const int64_t c = h * s_.headdim + p;
          y.push_back(convolved(i, c));
          for (int64_t j = 0; j < s_.L; ++j) y.back() += M[static_cast<size_t>(j)] * convolved(j, c);
        }
      }
    return y;
  }

  std::vector<Complex> matrix_row(int64_t h, int64_t i) const {
    const auto max_len = static_cast<double>(s_.max_len), E = static_cast<double>(s_.E());
    std::vector<Complex> row;
    Complex sum = 0;
    for (int64_t j = 0; j < s_.L; ++j) {
      Complex m;
      if (s_.kind == Kind::kDense) m = M_[(h * s_.max_len + i) * s_.max_len + j] / std::sqrt(max_len);
      if (s_.kind == Kind::kLowRank) m = product(h, i, j) / std::sqrt(max_len * E);
      if (s_.kind == Kind::kAttention) m = std::exp(product(h, i, j) / std::sqrt(E));
      if (s_.kind == Kind::kCauchy) m = cauchy(h, i, j) / std::sqrt(max_len * E);
      if (s_.kind == Kind::kVandermonde) m = cosines(h, i, j) / std::sqrt(2 * max_len * E);
      sum += m;
      row.push_back(m);
    }
    if (s_.kind == Kind::kVandermonde && !s_.data_dependent)
      for (int64_t j = 0; j < s_.L; ++j) row[static_cast<size_t>(j)] = i == j ? sum : 0;
    if (s_.kind == Kind::kAttention)
      for (Complex& m : row) m /= sum;
    return row;
  }

  /// q_i . k_j of head h.
  Complex product(int64_t h, int64_t i, int64_t j) const {
    Complex sum = 0;
    for (int64_t e = h * s_.E(); e < (h + 1) * s_.E(); ++e) sum += query(i, e) * key(j, e);
    return sum;
  }
  Complex cauchy(int64_t h, int64_t i, int64_t j) const {
    Complex sum = 0;
    for (int64_t e = h * s_.E(); e < (h + 1) * s_.E(); ++e)
      sum += 1.0 / (std::exp(query(i, e)) + std::exp(key(j, e)) + 2.0 * bias_[0] + 1e-8);
    return sum;
  }
  Complex cosines(int64_t h, int64_t i, int64_t j) const {
    const double turn = 2 * std::numbers::pi * (s_.data_dependent ? 1e-3 : 1), sign = s_.data_dependent ? -1 : 1;
    Complex sum = 0;
    for (int64_t e = h * s_.E(); e < (h + 1) * s_.E(); ++e)
      sum += std::cos(turn * query(i, e) * static_cast<double>(j)) +
             sign * std::cos(turn * key(j, e) * static_cast<double>(i));
    return sum;
  }

  /// Element e of all heads' queries, or keys, of a token.
  Complex query(int64_t i, int64_t e) const { return element(q_, 0, i, e); }
  Complex key(int64_t i, int64_t e) const { return element(k_, 1, i, e); }
  Complex element(const Reader& table, int64_t part, int64_t i, int64_t e) const {
    if (s_.data_dependent) return convolved(i, s_.D() + part * s_.N + e);
    return s_.kind == Kind::kVandermonde ? table[e * s_.max_len + i] : table[i * s_.N + e];
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
  int64_t width_;
  Reader input_, in_weight_, in_bias_, conv_weight_, conv_bias_, dt_bias_, A_log_, D_, fc_D_, BC_, M_, q_, k_, bias_,
      initial_, norm_, out_weight_, out_bias_;
  std::vector<Complex> row_, convolved_;
};

inline Tensor real_tensor(const std::vector<Complex>& x, const Shape& shape) {
  std::vector<double> real;
  for (const Complex& z : x) real.push_back(z.real());
  return from_vector(real, shape);
}

/// d(sum output dy) / d(every element of a value).
inline std::vector<Complex> gradient(const Size& s, Values values, const std::string& name,
                                     const std::vector<double>& dy) {
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
inline TensorFile reference_file(const Size& s) {
  TensorFile file;
  constexpr const char* kKinds[] = {"hydra",    "quasiseparable", "dense",      "attention",
                                    "low_rank", "cauchy",         "vandermonde"};
  file.metadata = {{"kind", kKinds[static_cast<int>(s.kind)]}, {"d_model", std::to_string(s.d_model)},
                   {"expand", std::to_string(s.expand)},       {"headdim", std::to_string(s.headdim)},
                   {"d_conv", std::to_string(s.width)},        {"d_state", std::to_string(s.N)},
                   {"ngroups", std::to_string(s.G)},           {"qk_dim", std::to_string(s.E())},
                   {"max_seq_len", std::to_string(s.max_len)}};
  if (s.kind != Kind::kHydra) file.metadata["data_dependent"] = s.data_dependent ? "1" : "0";

  auto shapes = parameter_shapes(s);
  const Shape io{s.B, s.L, s.d_model};
  Values values;
  const auto draw = [&](const std::string& name, const Shape& shape) {
    for (const double x : to_vector<double>(random_tensor(shape, stream_of(name)))) values[name].emplace_back(0.7 * x);
  };
  draw("input", io);
  for (const auto& [name, shape] : shapes) draw(name, shape);
  for (Complex& bias : values["matrix_mixer.bias"]) bias = std::abs(bias);  // what the reference starts from, and keeps
  const Tensor dy = random_tensor(io, 77);
  file.tensors = {{"input", real_tensor(values["input"], io)},
                  {"output", real_tensor(PlainBlock(s, values).output(), io)},
                  {"output_grad", dy},
                  {"input_grad", real_tensor(gradient(s, values, "input", to_vector<double>(dy)), io)}};
  for (const auto& [name, shape] : shapes) {
    file.tensors.put("param." + name, real_tensor(values[name], shape));
    file.tensors.put("grad." + name, real_tensor(gradient(s, values, name, to_vector<double>(dy)), shape));
  }
  return file;
}

}  // namespace matmix::testing
