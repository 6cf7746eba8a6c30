#include "mixers/laws/fixture.h"

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/accumulate.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::mixers::laws {
namespace {

Tensor to_oracle(const Tensor& x) { return cast(to(x, kCpu), DType::F64); }

Tensor gradient_or_zero(const Var& x) { return x.grad().defined() ? x.grad() : zeros_like(x.value()); }

/// Two tensors of tokens end to end.
Tensor join(const Tensor& a, const Tensor& b) {
  Shape shape = a.shape();
  shape[0] += b.dim(0);
  const Tensor both = empty(shape, DType::F64);
  copy(both.narrow(0, 0, a.dim(0)), a);
  copy(both.narrow(0, a.dim(0), b.dim(0)), b);
  return both;
}

}  // namespace

MathMode math_mode_of(DType dtype) {
  return dtype == DType::F64 ? MathMode::kF64 : dtype == DType::F32 ? MathMode::kF32 : MathMode::kBF16;
}

MixerSizes law_sizes(int64_t Q, int64_t max_len) {
  return {.state = 5, .groups = 2, .qk_dim = 5, .max_len = max_len, .Q = Q};
}

Subject::Subject(const Setting& setting, const MixerSizes& sizes)
    : setting_(setting),
      sizes_(sizes),
      mixer_(setting.row.make(kLawShape, sizes)),
      store_(std::make_unique<nn::ParameterStore>(*mixer_, setting.device, math_mode_of(setting.dtype), setting.seed)) {
  for (const auto& e : store_->entries()) {
    const Tensor values = nn::ParameterStore::part(store_->master(), e);
    const Tensor noise = draw(e.shape, DType::F64, setting.seed, "parameter " + e.path);
    const Tensor moved = (affine(noise, 0.15) + to_oracle(values)).value();
    copy(values, cast(moved, values.dtype()));
  }
  store_->refresh_shadow();
}

std::unique_ptr<Subject> Subject::in(DType dtype, Device device) const {
  Setting setting = setting_;
  setting.dtype = dtype;
  setting.device = device;
  auto twin = std::make_unique<Subject>(setting, sizes_);
  std::vector<Tensor> values;
  nn::for_each_parameter(*mixer_,
                         [&](const std::string&, nn::Parameter& p) { values.push_back(to_oracle(p.var().value())); });
  size_t next = 0;
  nn::for_each_parameter(*twin->mixer_, [&](const std::string&, nn::Parameter& p) {
    copy(p.master(), to(cast(values[next++], p.master().dtype()), device));
  });
  twin->store_->refresh_shadow();
  return twin;
}

Tokens Subject::draw_tokens(const std::vector<int64_t>& lengths) const {
  int64_t T = 0;
  for (const int64_t n : lengths) T += n;
  // Other numbers for another T, so that cases are independent.
  const auto values = [&](const Shape& shape, const std::string& use) {
    return draw(shape, setting_.dtype, setting_.seed, text(use, " of ", T));
  };
  const auto [D, H, P] = kLawShape;
  Tokens tokens{lengths, {}, values({T, H, P}, "v"), values({T, H * mixer_->traits().copies, P}, "dy")};
  for (const Stream& s : mixer_->streams()) {
    const bool per_token = setting_.source == SourceKind::kProjected || s.route == Route::kFromValue;
    const Shape rows = per_token ? Shape{T} : Shape{1, sizes_.max_len};
    tokens.streams.push_back({s.name, values(rows + s.per_token, s.name), per_token});
  }
  return tokens;
}

Var Subject::place(const Tensor& tokens, const Layout& layout, double fill, const std::string& name) const {
  return leaf(to(cast(lay_out(tokens, layout, fill), setting_.dtype), setting_.device), name);
}

DType Subject::stream_dtype(size_t i) const {
  return mixer_->streams()[i].route == Route::kFromValue ? store_->master().dtype() : setting_.dtype;
}

Streams Subject::streams(const Tokens& tokens, const Layout& layout, double fill, std::vector<Var>* leaves) const {
  Streams c(setting_.dtype, setting_.device);
  for (size_t i = 0; i < tokens.streams.size(); ++i) {
    const NamedTensor& s = tokens.streams[i];
    const Tensor values = s.per_token ? lay_out(s.value, layout, fill) : s.value;
    const Var x = leaf(to(cast(values, stream_dtype(i)), setting_.device), s.name);
    if (s.per_token)
      c.put_tokens(s.name, x);
    else
      c.put_positions(s.name, x);
    if (leaves) leaves->push_back(x);
  }
  return c;
}

Tensor Subject::matrix(const Tokens& tokens, const Layout& layout) const {
  const NoGrad values_only;
  return to_oracle(mixer_->matrix(streams(tokens, layout, 0, nullptr), layout.runs()).value());
}

Var explicit_product(const Mixer& mixer, const Streams& c, const Var& v, const Runs& runs) {
  const Var M = cast(mixer.matrix(c, runs), v.dtype());
  const int64_t copies = M.dim(1) / v.dim(2);
  const Var heads = concat(std::vector<Var>(static_cast<size_t>(copies), permute(v, {0, 2, 1, 3})), 1);
  return permute(matmul(M, heads), {0, 2, 1, 3}) + cast(mixer.offset(c, runs, v), v.dtype());
}

Evaluation evaluate(const Subject& subject, const Tokens& tokens, const Layout& layout, const Product& product,
                    double fill) {
  subject.store().zero_grad();
  std::vector<Var> leaves{subject.place(tokens.v, layout, fill, "v")};
  const Streams c = subject.streams(tokens, layout, fill, &leaves);
  const Var y = product(subject.mixer(), c, leaves.front(), layout.runs());
  if (y.requires_grad()) backward(y, {.seed = subject.place(tokens.dy, layout, fill, "dy").value()});

  Evaluation result{collect(y.value(), layout), {}, zero_at_padding(y.value(), layout)};
  for (size_t i = 0; i < leaves.size(); ++i) {
    const bool per_token = i == 0 || tokens.streams[i - 1].per_token;
    const Tensor g = gradient_or_zero(leaves[i]);
    result.clean = result.clean && (!per_token || zero_at_padding(g, layout));
    result.gradients.push_back({leaves[i].leaf()->name, per_token ? collect(g, layout) : to_oracle(g), per_token});
  }
  for (const auto& e : subject.store().entries())
    result.gradients.push_back({e.path, clone(to_oracle(nn::ParameterStore::part(subject.store().grad(), e))), false});
  return result;
}

Evaluation evaluate(const Subject& subject, const Tokens& tokens, const Layout& layout, Form form, double fill) {
  return evaluate(subject, tokens, layout, form == Form::kFast ? Product(&Mixer::mix) : explicit_product, fill);
}

Evaluation evaluate_apart(const Subject& subject, const Tokens& tokens) {
  Evaluation all;
  for (size_t k = 0; k < tokens.lengths.size(); ++k) {
    const Evaluation one = evaluate(subject, tokens.only(k), full_layout({tokens.lengths[k]}), Form::kFast);
    if (k == 0) {
      all = one;
      continue;
    }
    all.y = join(all.y, one.y);
    for (size_t i = 0; i < all.gradients.size(); ++i) {
      NamedTensor& sum = all.gradients[i];
      if (sum.per_token)
        sum.value = join(sum.value, one.gradients[i].value);
      else
        accumulate(sum.value, one.gradients[i].value);
    }
  }
  return all;
}

Tensor product(const Subject& subject, const Tokens& tokens, const Layout& layout) {
  const NoGrad values_only;
  const Streams c = subject.streams(tokens, layout, 0, nullptr);
  const Var v = subject.place(tokens.v, layout, 0, "v");
  return collect(subject.mixer().mix(c, v, layout.runs()).value(), layout);
}

}  // namespace matmix::mixers::laws
