#include "mixers/laws/block_fixture.h"

#include <cmath>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "mixers/laws/law_report.h"
#include "nn/probe.h"
#include "ops/elementwise/elementwise.h"
#include "ops/scan/scan.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/tolerance.h"
#include "tensor/transfer.h"

namespace matmix::mixers::laws {
namespace {

constexpr int64_t kBatch = 2;
/// More than this share of v, and deep models overflow before they learn.
constexpr double kLargestGain = 100;

/// The smallest learned function of the position: w cos(l), w drawn far from 0.
class Wave final : public Generator {
 public:
  explicit Wave(const Shape& per_token) : weight_(per_token, nn::Init::normal(1), nn::Decay::kNo) {}
  Var forward(int64_t L) const override {
    const Var& w = weight_.var();
    Shape positions{1, L};
    while (positions.rank() < w.rank() + 2) positions.push_back(1);
    const Var l = cast(cumsum(full(positions, 1, DType::F64, w.device()), 1), w.dtype());
    return cos(l) * w;
  }
  void visit(nn::Visitor& v) override { v("weight", weight_); }

 private:
  nn::Parameter weight_;
};

BlockOptions block_options(const Setting& setting, int64_t max_len) {
  const MixerSizes sizes = law_sizes(8, max_len);
  const int64_t copies = setting.row.make(kLawShape, sizes)->traits().copies;
  BlockOptions options{.d_model = kLawShape.D / 2, .expand = 2, .headdim = kLawShape.P};
  if (copies > 1) options.gate = Gate::kNone;
  if (setting.source == SourceKind::kTable) options.source = Table{.max_len = max_len};
  if (setting.source == SourceKind::kGenerated)
    options.source = Generated{[](const Stream& s) { return std::make_unique<Wave>(s.per_token); }};
  return options;
}

double rms(const Tensor& x) {
  const Tensor values = cast(to(x, kCpu), DType::F64);
  return relative_error(values, zeros_like(values)) / std::sqrt(std::max<double>(1, values.numel()));
}

bool is_positive(double x) { return x > 0 && std::isfinite(x); }

/// The value left under "<path>.<name>".
Tensor probed(const nn::Probe& probe, const std::string& name) {
  for (const auto& [path, x] : probe.values())
    if (path == name || path.ends_with("." + name)) return x.value();
  fail("laws", "the block leaves no '", name, "'");
}

}  // namespace

BlockSubject::BlockSubject(const Setting& setting, int64_t max_len)
    : setting_(setting),
      block_(std::make_unique<MixerBlock>(
          block_options(setting, max_len),
          [&](const BlockShape& shape) { return setting.row.make(shape, law_sizes(8, max_len)); })),
      store_(std::make_unique<nn::ParameterStore>(*block_, setting.device, math_mode_of(setting.dtype), setting.seed)) {
}

Var BlockSubject::input(int64_t L, const std::string& use) const {
  const Tensor x = draw({kBatch, L, block_->options().d_model}, setting_.dtype, setting_.seed, use);
  return leaf(to(cast(x, setting_.dtype), setting_.device), "x");
}

Tensor BlockSubject::matrix(int64_t L, const std::string& use) const {
  const NoGrad values_only;
  return cast(to(block_->matrix(input(L, use), Runs::full(kBatch, L))->value(), kCpu), DType::F64);
}

Tensor BlockSubject::forward(int64_t L, const std::string& use) const {
  const NoGrad values_only;
  return cast(to(block_->forward(input(L, use), Runs::full(kBatch, L)).value(), kCpu), DType::F64);
}

void check_block_padding(const Setting& setting, LawBook& book) {
  const int64_t L = 10;
  const BlockSubject subject(setting, 5);
  const Runs runs = Runs::of(kBatch, L, {{0, 2, 5}, {1, 0, 4}, {1, 5, 4}});
  const Tensor inside = runs.mask(setting.device).reshape({kBatch, L, 1});
  const auto filled = [&](const Var& x, double fill) {
    return where(inside, x, full({}, fill, x.dtype(), setting.device)).value();
  };
  const Var x = subject.input(L, "x");
  const Tensor seed = filled(subject.input(L, "dy"), 0);
  const auto parts = [&](double fill) {
    subject.store().zero_grad();
    const Var in = leaf(filled(x, fill), "x");
    const Var y = subject.block().forward(in, runs);
    backward(y, {.seed = cast(seed, y.dtype())});
    return std::vector{filled(y, 0), in.grad(), clone(subject.store().grad())};
  };
  const std::vector<Tensor> want = parts(1);
  for (const double fill : {double(NAN), double(INFINITY)}) {
    const std::vector<Tensor> got = parts(fill);
    for (size_t i = 0; i < got.size(); ++i)
      book.add("padding", relative_error(got[i], want[i]), tolerance(setting.dtype),
               text(i == 0   ? "y"
                    : i == 1 ? "dx"
                             : "a parameter's gradient",
                    " of the block, padding of ", fill));
  }
}

void check_parameters(const Setting& setting, LawBook& book) {
  const int64_t L = 3;
  BlockSubject subject(setting, L);
  const Var x = subject.input(L, "x");
  const Var y = subject.block().forward(x, Runs::full(kBatch, L));
  const Tensor dy = cast(draw(y.shape(), DType::F64, setting.seed, "dy"), y.dtype());
  backward(y, {.seed = to(dy, setting.device)});
  for (const auto& e : subject.store().entries())
    book.add("parameters", is_positive(rms(nn::ParameterStore::part(subject.store().grad(), e))), e.path);

  nn::for_each_parameter(subject.block(), [&](const std::string& path, const nn::Parameter& p) {
    const bool decays = p.decay() == nn::Decay::kYes;
    const bool wrong = decays ? p.shape().rank() <= 1 : p.operand() == nn::Operand::kGemm;
    book.add("decay_groups", !wrong, text(path, decays ? " decays" : " does not decay"));
  });
}

void check_initial(const Setting& setting, LawBook& book) {
  const NoGrad values_only;
  for (const int64_t L : {3, 80}) {
    const BlockSubject subject(setting, L);
    const nn::Probe probe;
    subject.block().forward(subject.input(L, "x"), Runs::full(kBatch, L));
    const double v = rms(probed(probe, "v")), y = rms(probed(probe, "mixed"));
    book.add("initial", is_positive(y) ? y / v : INFINITY, kLargestGain, text("|M v| / |v| at L=", L));
  }
}

}  // namespace matmix::mixers::laws
