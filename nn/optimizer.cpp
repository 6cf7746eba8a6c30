#include "nn/optimizer.h"

#include "ops/clip/clip.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::nn {

namespace {

constexpr const char *kM = "adam.m.", *kV = "adam.v.";

}  // namespace

AdamW::AdamW(const ParameterStore& store, const Options& options)
    : store_(store), options_(options), m_(zeros_like(store.grad())), v_(zeros_like(store.grad())) {}

void AdamW::step(const StepState& state) {
  clip_factor(store_.grad(), options_.max_grad_norm, state.grad_norm, state.clip);
  for (const auto& range : store_.ranges()) {
    if (range.group.frozen) continue;
    const auto part = [&](const Tensor& flat) {
      return flat.defined() ? flat.narrow(0, range.start, range.length) : Tensor();
    };
    adamw(part(store_.master()), part(store_.grad()), part(m_), part(v_), part(store_.shadow()), state.step, state.lr,
          state.clip,
          {.beta1 = options_.beta1,
           .beta2 = options_.beta2,
           .eps = options_.eps,
           .weight_decay = range.group.decay ? options_.weight_decay : 0,
           .lr_scale = range.group.lr_scale});
  }
}

void AdamW::save(TensorFile& file) const {
  store_.save(file, m_, kM);
  store_.save(file, v_, kV);
}

void AdamW::load(const TensorFile& file) {
  const Tensor m = zeros_like(m_);
  store_.load(file, m, {.prefix = kM});
  store_.load(file, v_, {.prefix = kV});
  copy(m_, m);
}

}  // namespace matmix::nn
