#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "data/prefetch.h"
#include "experiments/config/build.h"
#include "experiments/output/json_line.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "tensor/step_graph.h"

namespace matmix::experiments {

/// The mean of nothing.
inline constexpr double kNoFigure = std::numeric_limits<double>::quiet_NaN();

/// Sums over the steps since they were last taken; kept on the device until asked for.
struct StepFigures {
  double loss = kNoFigure;      ///< mean in nats over the targets of those steps; kNoFigure if there were none
  double accuracy = kNoFigure;  ///< share of targets whose best logit is right
  double grad_norm = 0;         ///< of the last step, before clipping
  int64_t targets = 0;
};

struct HeldoutFigures {
  double loss = kNoFigure, accuracy = kNoFigure;  ///< kNoFigure if there was no target
  int64_t targets = 0, tokens = 0;
  int64_t bytes = 0;                    ///< of the text that the targets are; 0 for data that is no text
  std::optional<double> bits_per_byte;  ///< the loss per byte of that text: comparable across tokenizers

  /// Whether the loss, which there is, is not finite.
  bool diverged() const { return targets > 0 && !std::isfinite(loss); }
};

/// heldout_loss, heldout_accuracy, heldout_targets and, of text, heldout_bits_per_byte.
void put(JsonLine& line, const HeldoutFigures& figures);

/// A model in training: parameters, optimiser, data cursor. A step is forward, backward, clip and AdamW, queued on the
/// device without reading anything back; on CUDA, with full rows, it is captured once as a graph and replayed.
class Trainer {
 public:
  explicit Trainer(const Config& config);

  /// Step `step` of the schedule, on the batch that belongs to it.
  void run(int64_t step);
  /// Waits for the device. Empties the sums.
  StepFigures take_figures();
  /// Loss over held-out rows [first, first + rows), as many as there are, rounded up to whole batches.
  HeldoutFigures evaluate(int64_t rows, int64_t first = 0);
  /// Whether the sums, the last gradient and every parameter are. Waits for the device.
  bool finite() const;

  const data::Dataset& dataset() const { return *dataset_; }
  /// Its digest, 16 hexadecimal digits.
  std::string data_digest() const;
  const nn::ParameterStore& store() const { return *store_; }
  const nn::AdamW& optimizer() const { return optimizer_; }
  nn::Bert& model() { return *model_; }
  Device device() const { return device_; }
  /// Tokens and targets of the batches run so far.
  int64_t tokens() const { return tokens_; }
  bool captured() const { return graph_ && graph_->captured(); }

  /// Error if the ids of a saved state were those of another vocabulary, or its rows those of other data (files of older
  /// versions do not tell).
  void require_same_data(const TensorFile& file) const;
  /// Everything that a step depends on or adds to, as tensors (CPU) and back, of the same data; metadata: vocabulary,
  /// data_digest.
  void save(TensorFile& file) const;
  void load(const TensorFile& file);

 private:
  /// The batch on the device, in tensors that keep their place from step to step.
  struct Inputs {
    Tensor ids, positions, labels;
  };
  void upload(const data::Batch& batch);
  void step_on_device(const Runs& runs);
  Var loss_of(const Inputs& in, const Runs& runs, bool training, Tensor* sums) const;

  Config config_;
  Device device_;
  MathMode mode_;
  std::unique_ptr<data::Dataset> dataset_;
  std::vector<int64_t> bytes_of_pieces_;  ///< empty for data that is no text
  std::string vocabulary_;                ///< its digest, as it was read
  std::unique_ptr<nn::Bert> model_;
  std::unique_ptr<nn::ParameterStore> store_;
  nn::StepState state_;
  nn::AdamW optimizer_;
  nn::WarmupLinear schedule_;
  Inputs inputs_;
  Tensor sums_;  ///< F64 [3]: loss, right ones, targets
  int64_t tokens_ = 0;
  int64_t steps_run_ = 0;
  std::optional<Runs> full_runs_;  ///< of every captured step: its tables are made by the eager ones, and stay
  std::unique_ptr<StepGraph> graph_;
  data::Prefetch prefetch_;
};

}  // namespace matmix::experiments
