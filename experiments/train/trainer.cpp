#include "experiments/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "experiments/runs/checkpoint.h"
#include "experiments/tasks/scores.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/elementwise/elementwise.h"
#include "ops/reduce/reduce.h"
#include "tensor/accumulate.h"
#include "tensor/create.h"
#include "tensor/math_mode.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// Steps run eagerly before one is captured: libraries choose their algorithms and take their workspaces then.
constexpr int64_t kStepsBeforeCapture = 2;

nn::AdamW::Options optimizer_options(const TrainConfig& c) {
  return {.beta1 = c.beta1,
          .beta2 = c.beta2,
          .eps = c.eps,
          .weight_decay = c.weight_decay,
          .max_grad_norm = c.max_grad_norm};
}

/// How many bytes of text each piece stands for; "##" marks a piece that goes on with a word and is none of them.
std::vector<int64_t> bytes_of_pieces(const DataConfig& c) {
  std::vector<int64_t> bytes;
  const auto tokenizer = make_tokenizer(c);
  for (int32_t id = 0; tokenizer && id < tokenizer->vocabulary().size; ++id) {
    const std::string piece = tokenizer->piece(id);
    const bool goes_on = piece.size() > 2 && piece.starts_with("##");
    bytes.push_back(static_cast<int64_t>(piece.size()) - (goes_on ? 2 : 0));
  }
  return bytes;
}

int64_t bytes_of(const Tensor& labels, const std::vector<int64_t>& bytes_of_pieces) {
  int64_t bytes = 0;
  for (const int64_t label : to_vector<int64_t>(labels))
    if (label != data::kIgnore && !bytes_of_pieces.empty()) bytes += bytes_of_pieces[static_cast<size_t>(label)];
  return bytes;
}

/// Copies into a tensor that stays where it is; makes it at the first call.
void refresh(Tensor& kept, const Tensor& value, Device device) {
  if (!kept.defined() || kept.shape() != value.shape()) kept = empty(value.shape(), value.dtype(), device);
  copy(kept, value);
}

}  // namespace

void put(JsonLine& line, const HeldoutFigures& figures) {
  line.put("heldout_loss", figures.loss)
      .put("heldout_accuracy", figures.accuracy)
      .put("heldout_targets", figures.targets);
  if (figures.bits_per_byte) line.put("heldout_bits_per_byte", *figures.bits_per_byte);
}

Trainer::Trainer(const Config& config)
    : config_(config),
      device_(parse_device(config.train.device)),
      mode_(parse_math_mode(config.train.dtype)),
      dataset_(make_dataset(config.data)),
      bytes_of_pieces_(bytes_of_pieces(config.data)),
      vocabulary_(vocabulary_digest(config.data)),
      model_(make_model(config.model, dataset_->form())),
      store_(std::make_unique<nn::ParameterStore>(*model_, device_, mode_, static_cast<uint64_t>(config.train.seed))),
      state_(device_),
      optimizer_(*store_, optimizer_options(config.train)),
      schedule_{.peak = config.train.lr,
                .warmup = config.train.warmup,
                .total = config.train.steps,
                .final_fraction = config.train.final_fraction},
      sums_(zeros({3}, DType::F64, device_)),
      prefetch_([this](int64_t step) { return dataset_->train(step * config_.train.batch, config_.train.batch); }) {}

void Trainer::upload(const data::Batch& batch) {
  refresh(inputs_.ids, batch.ids, device_);
  refresh(inputs_.positions, batch.positions, device_);
  refresh(inputs_.labels, batch.labels, device_);
}

Var Trainer::loss_of(const Inputs& in, const Runs& runs, bool training, Tensor* sums) const {
  const nn::ForwardContext context{.seed = static_cast<uint64_t>(config_.train.seed),
                                   .state = training ? &state_ : nullptr};
  const Var logits = model_->logits(model_->encode(in.ids, runs, context), in.positions);
  const CrossEntropyResult result = cross_entropy(logits, in.labels, {.scale = state_.target_scale});
  if (sums) {
    accumulate(sums->narrow(0, 0, 1), result.total);
    accumulate(sums->narrow(0, 1, 1), cast(result.correct, DType::F64));
    accumulate(sums->narrow(0, 2, 1), cast(result.count, DType::F64));
  }
  return result.loss;
}

void Trainer::step_on_device(const Runs& runs) {
  store_->zero_grad();
  backward(loss_of(inputs_, runs, true, &sums_));
  optimizer_.step(state_);
}

void Trainer::run(int64_t step) {
  const Tf32Scope tf32(mode_ == MathMode::kTF32);
  const data::Batch batch = prefetch_.get(step);
  upload(batch);
  state_.set(step, schedule_(step), batch.targets);
  tokens_ += batch.tokens;
  const bool capturable = config_.train.graph && device_.is_cuda() && batch.runs.is_full() && !Tripwire::active();
  if (capturable && !full_runs_) full_runs_ = batch.runs;
  const Runs& runs = capturable ? *full_runs_ : batch.runs;
  if (!capturable || steps_run_++ < kStepsBeforeCapture) {
    step_on_device(runs);
    return;
  }
  if (!graph_) {
    current_pool(device_)->trim();
    graph_ = std::make_unique<StepGraph>(device_);
    graph_->capture([&] { step_on_device(runs); });
  }
  graph_->launch();
}

StepFigures Trainer::take_figures() {
  const std::vector<double> sums = to_vector<double>(sums_);
  fill(sums_, 0);
  return {.loss = sums[2] > 0 ? sums[0] / sums[2] : kNoFigure,
          .accuracy = sums[2] > 0 ? sums[1] / sums[2] : kNoFigure,
          .grad_norm = item<double>(state_.grad_norm),
          .targets = static_cast<int64_t>(sums[2])};
}

HeldoutFigures Trainer::evaluate(int64_t rows, int64_t first) {
  const NoGrad no_history;
  const Tf32Scope tf32(mode_ == MathMode::kTF32);
  Tensor sums = zeros({3}, DType::F64, device_);
  HeldoutFigures figures;
  const int64_t there = dataset_->heldout_rows(), end = rows < there - first ? first + rows : there;
  for (; first < end; first += config_.train.batch) {
    const data::Batch batch = dataset_->heldout(first, config_.train.batch);
    const Inputs in{to(batch.ids, device_), to(batch.positions, device_), to(batch.labels, device_)};
    loss_of(in, batch.runs, false, &sums);
    figures.tokens += batch.tokens;
    figures.bytes += bytes_of(batch.labels, bytes_of_pieces_);
  }
  const std::vector<double> total = to_vector<double>(sums);
  figures.targets = static_cast<int64_t>(total[2]);
  if (figures.targets > 0) {
    figures.loss = total[0] / total[2];
    figures.accuracy = total[1] / total[2];
  }
  if (figures.bytes > 0) figures.bits_per_byte = bits_per_byte(total[0], figures.bytes);
  return figures;
}

std::string Trainer::data_digest() const { return fmt::format("{:016x}", dataset_->digest()); }

bool Trainer::finite() const {
  const NoGrad no_history;
  const Var master = store_->master();
  const Var nothing = sum(master - master);  // 0, or NaN for infinities and NaN
  const std::vector<double> sums = to_vector<double>(sums_);
  return std::ranges::all_of(sums, [](double x) { return std::isfinite(x); }) &&
         std::isfinite(item<double>(state_.grad_norm)) && item<double>(cast(nothing.value(), DType::F64)) == 0;
}

void Trainer::save(TensorFile& file) const {
  file.metadata["vocabulary"] = vocabulary_;
  file.metadata["data_digest"] = data_digest();
  store_->save(file);
  optimizer_.save(file);
  file.tensors.put("trainer.sums", sums_);
  file.tensors.put("trainer.grad_norm", state_.grad_norm);
  file.tensors.put("trainer.tokens", from_vector<int64_t>({tokens_}));
}

void Trainer::require_same_data(const TensorFile& file) const {
  check_vocabulary(file, config_.data);
  const auto digest = file.metadata.find("data_digest");
  require(digest == file.metadata.end() || digest->second == data_digest(), "checkpoint",
          "its run learned from data with the digest ", digest == file.metadata.end() ? "" : digest->second,
          ", and what data.", config_.data.kind == "recall" ? "kind" : "path", " gives now has ", data_digest());
}

void Trainer::load(const TensorFile& file) {
  require_same_data(file);
  const Tensor& sums = file.at("trainer.sums");
  const Tensor& grad_norm = file.at("trainer.grad_norm");
  const int64_t tokens = item<int64_t>(file.at("trainer.tokens"));
  store_->load(file, {.also = kTrainingState});
  optimizer_.load(file);
  copy(sums_, sums);
  copy(state_.grad_norm, grad_norm);
  tokens_ = tokens;
}

}  // namespace matmix::experiments
