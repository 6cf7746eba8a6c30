#include "experiments/report/run_matrices.h"

#include "autograd/no_grad.h"
#include "experiments/build.h"
#include "experiments/run_folder.h"
#include "mixers/registry.h"
#include "ops/elementwise/elementwise.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

using mixers::BlockShape, mixers::Mixer, mixers::MixerBlock, mixers::Streams;

/// The first row of a batch, F64 on the CPU.
Tensor first_row(const Var& x) { return cast(to(x.value().select(0, 0), kCpu), DType::F64); }

/// M [heads, L, L] by the fast form: what it makes of unit vectors, as many at once as a head of v has channels, less
/// r.
Tensor columns_by_mix(const Mixer& mixer, const Streams& c, const BlockShape& shape, const Runs& runs, DType dtype) {
  const int64_t L = runs.L(), P = shape.P;
  const Tensor ones = eye(L + P, dtype, c.device()).narrow(0, 0, L);  // columns from L on are 0
  const Tensor M = empty({mixer.traits().copies * shape.H, L, L}, DType::F64);
  for (int64_t first = 0; first < L; first += P) {
    const Var v = contiguous(ones.narrow(1, first, P).reshape({1, L, 1, P}).expand({1, L, shape.H, P}));
    const Var y = Var(first_row(mixer.mix(c, v, runs))) - Var(first_row(mixer.offset(c, runs, v)));  // [L, heads, P]
    const int64_t count = std::min(P, L - first);
    copy(M.narrow(2, first, count), y.value().narrow(2, 0, count).transpose(0, 1));
  }
  return M;
}

/// A mixer that does as another one does, for one row of tokens, and adds both forms of its matrix to a grid.
class Overheard final : public Mixer {
 public:
  Overheard(std::unique_ptr<Mixer> mixer, const BlockShape& shape, MatrixGrid& grid)
      : mixer_(std::move(mixer)), shape_(shape), grid_(grid) {}

  mixers::Traits traits() const override { return mixer_->traits(); }
  std::vector<mixers::Stream> streams() const override { return mixer_->streams(); }
  void visit(nn::Visitor& v) override { mixer_->visit(v); }

 private:
  Var do_matrix(const Streams& c, int64_t L) const override { return mixer_->matrix(c, Runs::full(1, L)); }
  std::optional<Var> do_offset(const Streams& c, int64_t L) const override {
    return mixer_->offset(c, Runs::full(1, L), zeros({1, L, shape_.H, shape_.P}, c.dtype(), c.device()));
  }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override {
    grid_.layers.push_back(contiguous(first_row(mixer_->matrix(c, runs))));
    grid_.fast.push_back(columns_by_mix(*mixer_, c, shape_, runs, v.dtype()));
    return mixer_->mix(c, v, runs);
  }

  std::unique_ptr<Mixer> mixer_;
  BlockShape shape_;
  MatrixGrid& grid_;
};

/// The share of a singular value that is more than what a mode rounds off.
double rounding(MathMode mode) {
  switch (mode) {
    case MathMode::kF64: return mixers::RankRule().tolerance;
    case MathMode::kF32: return 1e-4;
    case MathMode::kTF32: return 1e-2;
    case MathMode::kBF16: return 5e-2;
  }
  return 0;
}

/// The model of a config with an overheard mixer in every block.
std::unique_ptr<nn::Bert> overheard_model(const Config& config, const data::RowForm& form, MatrixGrid& grid) {
  const std::unique_ptr<nn::Bert> plain = make_model(config.model, form);
  const MixerConfig& c = config.model.mixer;
  const mixers::MixerSizes sizes{.state = c.state, .groups = c.groups, .qk_dim = c.qk_dim, .max_len = form.L, .Q = c.Q};
  const auto make = [&](const BlockShape& shape) {
    return std::make_unique<Overheard>(mixers::find_mixer(c.name).make(shape, sizes), shape, grid);
  };
  return std::make_unique<nn::Bert>(plain->options(), [&](int64_t layer) {
    const auto& block = dynamic_cast<const MixerBlock&>(plain->encoder().mixer(layer));
    return std::make_unique<MixerBlock>(block.options(), make);
  });
}

}  // namespace

MatrixGrid matrices_of_run(const std::filesystem::path& run, const TrainedModel& model, const Sentence& sentence) {
  const Config& config = model.config();
  const auto L = static_cast<int64_t>(sentence.ids.size());
  const MathMode mode = parse_math_mode(config.train.dtype);
  MatrixGrid grid{.name = config.name, .tokens = sentence.pieces, .layers = {}, .rule = {.tolerance = rounding(mode)}};
  const std::unique_ptr<nn::Bert> bert = overheard_model(
      config, {.L = config.data.max_len, .vocab_size = make_tokenizer(config.data)->vocabulary().size}, grid);
  const nn::ParameterStore store(*bert, parse_device(config.train.device), mode, 0);
  store.load(newest_checkpoint(run).state, false);
  const NoGrad values_only;
  const Tf32Scope tf32(mode == MathMode::kTF32);
  const Tensor ids = from_vector(std::vector<int64_t>(sentence.ids.begin(), sentence.ids.end()), {1, L});
  bert->encode(to(ids, store.device()), Runs::full(1, L));
  return grid;
}

}  // namespace matmix::experiments
