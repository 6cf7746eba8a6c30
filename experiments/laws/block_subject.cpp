#include "experiments/laws/block_subject.h"

#include <cmath>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "experiments/compare.h"
#include "experiments/laws/law_book.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

constexpr int64_t kBatch = 2;

mixers::BlockOptions block_options(const Setting& setting, int64_t max_len) {
  const mixers::MixerSizes sizes = law_sizes(8, max_len);
  const int64_t copies = setting.row.make(kLawShape, sizes)->traits().copies;
  mixers::BlockOptions options{.d_model = kLawShape.D / 2, .expand = 2, .headdim = kLawShape.P};
  if (copies > 1) options.gate = mixers::Gate::kNone;
  if (setting.source == SourceKind::kTable) options.source = mixers::Table{.max_len = max_len};
  return options;
}

}  // namespace

BlockSubject::BlockSubject(const Setting& setting, int64_t max_len)
    : setting_(setting),
      block_(std::make_unique<mixers::MixerBlock>(
          block_options(setting, max_len),
          [&](const mixers::BlockShape& shape) { return setting.row.make(shape, law_sizes(8, max_len)); })),
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

void check_parameters(const Setting& setting, LawBook& book) {
  const int64_t L = 3;
  const BlockSubject subject(setting, L);
  const Var x = subject.input(L, "x");
  const Var y = subject.block().forward(x, Runs::full(kBatch, L));
  const Tensor dy = cast(draw(y.shape(), DType::F64, setting.seed, "dy"), y.dtype());
  backward(y, {.seed = to(dy, setting.device)});
  for (const auto& e : subject.store().entries()) {
    const Tensor gradient = cast(to(nn::ParameterStore::part(subject.store().grad(), e), kCpu), DType::F64);
    const double size = relative_error(gradient, zeros_like(gradient));
    book.add("parameters", size > 0 && std::isfinite(size), e.path);
  }
}

}  // namespace matmix::experiments
