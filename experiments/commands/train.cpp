#include <fmt/format.h>
#include <cmath>
#include <csignal>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/progress.h"
#include "experiments/output/provenance.h"
#include "experiments/output/table.h"
#include "experiments/runs/run_folder.h"
#include "experiments/train/crash.h"
#include "experiments/train/stop_signal.h"
#include "experiments/train/trainer.h"

namespace matmix::experiments {
namespace {

/// The config with the options that every command has over it.
Config config_for(const TrainOptions& options) {
  std::vector<std::string> set = options.set;
  const std::vector<std::string> global = options.global.assignments();
  set.insert(set.end(), global.begin(), global.end());
  return read_config(options.config, set);
}

/// Something was not finite in one of the last steps up to `steps`, or in the held-out loss after them.
struct Diverged {
  int64_t steps;
};

int report_crash(const std::string& out, const std::string& name, int64_t steps) {
  print_aside("{}: the loss is not finite up to step {}; looking for the first bad value\n", name, steps);
  const Crash crash = write_crash(out, steps);
  const std::string bad = crash.trace.first_bad.empty() ? "done again, all is finite" : crash.trace.first_bad,
                    stream = crash.trace.stream();
  print_aside("{}: {}: {}{}{}; matmix debug {} shows it again, docs/when_it_diverges.md what to do\n", name,
              to_string(crash.moment), bad, stream.empty() ? "" : "; ", stream, out);
  return 1;
}

/// One run from where it stands to its end: steps, log lines, held-out losses, checkpoints.
class Training {
 public:
  Training(const Config& config, const std::string& out, bool resume)
      : config_(config), folder_(out, config, resume), trainer_(folder_.config()) {
    folder_.start();
    const auto found = resume ? folder_.resume() : std::nullopt;
    if (!found) {
      log_beginning();
      return;
    }
    trainer_.load(found->state);
    first_step_ = found->step;
    seconds_before_ = folder_.seconds();
    if (!found->state.metadata.contains("data_digest"))
      print_aside("{}: the checkpoint is of an older version, which does not tell whether the data are the same\n",
                  config_.name);
  }

  void print_header() const {
    const nn::ParameterStore& store = trainer_.store();
    print_out("{}: {} parameters, {} on {}, {} rows a step, context-free loss {}, {}\n", config_.name, store.count(),
              to_string(store.mode()), device_name(store.device()), config_.train.batch,
              decimal(trainer_.dataset().context_free_loss(), 4), version_text());
    std::fflush(stdout);
  }

  /// The last held-out figures; none if a signal ended it before, which stopped_by() tells.
  HeldoutFigures train() {
    const TrainConfig& c = config_.train;
    const StopSignal stop;
    Progress progress(c.steps);
    const int64_t tokens_before = trainer_.tokens();
    for (int64_t step = first_step_; step < c.steps; ++step) {
      trainer_.run(step);
      const int64_t done = step + 1;
      const bool last = done == c.steps;
      const int64_t tokens = trainer_.tokens() - tokens_before;
      if (last || done % c.log_every == 0) log_training(done, progress, tokens);
      if (last || done % c.evaluate_every == 0) log_heldout(done, progress, last ? INT64_MAX : c.evaluate_rows);
      stopped_by_ = last ? 0 : stop.received();
      if (last || stopped_by_ != 0 || done % c.checkpoint_every == 0) checkpoint(done);
      progress.report(done, tokens, note_);
      if (stopped_by_ != 0) {
        print_aside("\n{}: stopped by {} after step {}; --resume goes on from there\n", config_.name,
                    stopped_by_ == SIGINT ? "SIGINT" : "SIGTERM", done);
        return heldout_;
      }
    }
    if (first_step_ >= c.steps) judge(c.steps, INT64_MAX);  // there was nothing left to do
    return heldout_;
  }
  /// The signal that ended train() before the last step; 0: none.
  int stopped_by() const { return stopped_by_; }

 private:
  /// What does not change from step to step: the first line of a run.
  void log_beginning() {
    JsonLine metrics, timing;
    metrics.put("step", 0)
        .put("parameters", trainer_.store().count())
        .put("data_digest", trainer_.data_digest())
        .put("context_free_loss", trainer_.dataset().context_free_loss());
    timing.put("step", 0).put("seconds", 0.0);
    folder_.log(metrics.text(), timing.text());
  }

  void log_training(int64_t done, const Progress& progress, int64_t tokens) {
    const StepFigures figures = trainer_.take_figures();
    if ((figures.targets > 0 && !std::isfinite(figures.loss)) || !std::isfinite(figures.grad_norm))
      throw Diverged{done};
    note_ = "loss " + decimal(figures.loss, 4);
    JsonLine metrics, timing;
    metrics.put("step", done)
        .put("tokens", trainer_.tokens())
        .put("loss", figures.loss)
        .put("accuracy", figures.accuracy)
        .put("grad_norm", figures.grad_norm);
    timing.put("step", done)
        .put("seconds", seconds_before_ + progress.seconds())
        .put("tokens_per_second", progress.rate(tokens));
    folder_.log(metrics.text(), timing.text());
  }

  void judge(int64_t done, int64_t rows) {
    heldout_ = trainer_.evaluate(rows);
    if (heldout_.diverged()) throw Diverged{done};
  }

  void log_heldout(int64_t done, const Progress& progress, int64_t rows) {
    judge(done, rows);
    JsonLine metrics, timing;
    metrics.put("step", done);
    put(metrics, heldout_);
    timing.put("step", done).put("seconds", seconds_before_ + progress.seconds());
    folder_.log(metrics.text(), timing.text());
  }

  void checkpoint(int64_t done) {
    if (!trainer_.finite()) throw Diverged{done};
    TensorFile state;
    trainer_.save(state);
    folder_.save_checkpoint(done, std::move(state));
  }

  Config config_;
  RunFolder folder_;
  Trainer trainer_;
  int64_t first_step_ = 0;
  double seconds_before_ = 0;  ///< of the run, before it was resumed
  int stopped_by_ = 0;
  std::string note_ = "loss -";
  HeldoutFigures heldout_;
};

}  // namespace

int run_train(const TrainOptions& options) {
  const Config config = config_for(options);
  const std::string out = options.out.empty() ? "runs/" + config.name : options.out;
  Training run(config, out, options.resume);
  if (!options.global.json) run.print_header();
  HeldoutFigures figures;
  try {
    figures = run.train();
  } catch (const Diverged& diverged) {
    return report_crash(out, config.name, diverged.steps);
  }
  if (run.stopped_by() != 0) return 128 + run.stopped_by();
  if (options.global.json)
    JsonLine().put("run", out).put("heldout_loss", figures.loss).put("heldout_accuracy", figures.accuracy).print();
  else
    print_out("{}: held-out loss {}, accuracy {} on {} targets; run in {}\n", config.name, decimal(figures.loss, 4),
              decimal(figures.accuracy, 4), figures.targets, out);
  return 0;
}

}  // namespace matmix::experiments
