#include "nn/optimizer.h"

#include "ops/clip/clip.h"

namespace matmix::nn {

void AdamW::step(const StepState& state) const {
  clip_factor(store_.grad(), options_.max_grad_norm, state.grad_norm, state.clip);
  for (const auto& range : store_.ranges()) {
    const auto part = [&](const Tensor& flat) {
      return flat.defined() ? flat.narrow(0, range.start, range.length) : Tensor();
    };
    adamw(part(store_.master()), part(store_.grad()), part(store_.m()), part(store_.v()), part(store_.shadow()),
          state.step, state.lr, state.clip,
          {.beta1 = options_.beta1,
           .beta2 = options_.beta2,
           .eps = options_.eps,
           .weight_decay = range.decay == Decay::kYes ? options_.weight_decay : 0});
  }
}

}  // namespace matmix::nn
