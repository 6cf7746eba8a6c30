// A training loop by hand: one token of each row is marked, and every token shall say which id it has.
// The weights are then saved and read back.   training_loop [weights.safetensors]
#include <cstdio>

#include "autograd/backward.h"
#include "mixers/registry.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "ops/ops.h"
#include "tensor/create.h"
#include "tensor/random.h"
#include "tensor/transfer.h"

using namespace matmix;

namespace {

constexpr int64_t kRows = 16, kLength = 24, kIds = 8, kWidth = 32;

class Model final : public nn::Module {
 public:
  Model()
      : embedding_(2 * kIds, kWidth, 1),
        block_({.d_model = kWidth, .headdim = 16},
               [](const auto& shape) { return mixers::find_mixer("quasiseparable").make(shape, {}); }),
        head_(kWidth, kIds) {}
  Var logits(const Tensor& ids) const {
    const Var x = embedding_.forward(ids);
    const Var y = block_.forward(x, Runs::full(ids.dim(0), ids.dim(1)));
    return reshape(head_.forward(x + y), {-1, kIds});
  }
  void visit(nn::Visitor& v) override {
    v("embedding", embedding_);
    v("block", block_);
    v("head", head_);
  }

 private:
  nn::Embedding embedding_;
  mixers::MixerBlock block_;
  nn::Linear head_;
};

struct Batch {
  Tensor ids;     ///< [B, L]: plain ones in [0, kIds), marked ones kIds above
  Tensor labels;  ///< [B * L]
};

Batch make_batch(uint64_t step) {
  RandomStream random({.seed = 7, .step = step});
  std::vector<int64_t> ids, labels;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t t = 0; t < kLength; ++t) ids.push_back(random.below(kIds));
    int64_t& marked = ids[static_cast<size_t>(row * kLength + random.below(kLength))];
    labels.insert(labels.end(), kLength, marked);
    marked += kIds;
  }
  return {from_vector(ids, {kRows, kLength}), from_vector(labels)};
}

double loss_of(const Model& model, const Batch& batch) {
  const NoGrad no_history;
  return item<double>(cross_entropy(model.logits(batch.ids), batch.labels).loss.value());
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int64_t kSteps = 200;
  Model model;
  const nn::ParameterStore store(model, kCpu, MathMode::kF32, 1);
  nn::AdamW optimizer(store, {});
  const nn::WarmupLinear schedule{.peak = 1e-2, .warmup = 10, .total = kSteps};
  const nn::StepState state(kCpu);

  for (int64_t step = 0; step < kSteps; ++step) {
    const Batch batch = make_batch(static_cast<uint64_t>(step));
    state.set(step, schedule(step), kRows * kLength);
    store.zero_grad();
    const CrossEntropyResult result = cross_entropy(model.logits(batch.ids), batch.labels);
    backward(result.loss);
    optimizer.step(state);
    if (step % 25 == 0) std::printf("step %3d: loss %.4f\n", static_cast<int>(step), item<double>(result.loss.value()));
  }
  const Batch unseen = make_batch(1'000'000);
  const double loss = loss_of(model, unseen);
  std::printf("unseen rows: loss %.4f\n", loss);

  const std::string path = argc > 1 ? argv[1] : "weights.safetensors";
  TensorFile weights;
  store.save(weights);
  write_safetensors(path, weights);
  Model again;
  const nn::ParameterStore read(again, kCpu, MathMode::kF32, 2);
  read.load(read_safetensors(path));
  return loss < 0.2 && loss_of(again, unseen) == loss ? 0 : 1;
}
