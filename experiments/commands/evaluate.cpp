#include <fmt/format.h>
#include <cmath>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/table.h"
#include "experiments/runs/run_folder.h"
#include "experiments/train/trainer.h"

namespace matmix::experiments {

int run_evaluate(const EvaluateOptions& options) {
  Config config = config_of_run(options.run);
  if (!options.global.device.empty()) config.train.device = options.global.device;
  if (!options.global.dtype.empty()) config.train.dtype = options.global.dtype;
  Trainer trainer(config);
  const Checkpoint checkpoint = newest_checkpoint(options.run);
  trainer.load(checkpoint.state);
  const HeldoutFigures figures = trainer.evaluate(trainer.dataset().heldout_rows());
  const double context_free = trainer.dataset().context_free_loss();
  const int status = figures.diverged() ? 1 : 0;
  if (options.global.json) {
    JsonLine line;
    line.put("run", options.run).put("step", checkpoint.step).put("parameters", trainer.store().count());
    put(line, figures);
    line.put("context_free_loss", context_free).print();
    return status;
  }
  const std::string bits =
      figures.bits_per_byte ? text(" (", decimal(*figures.bits_per_byte, 3), " bits per byte)") : "";
  print_out(
      "{} after {} steps, {} parameters: held-out loss {} nats{}, accuracy {} on {} targets; without "
      "context {}\n",
      config.name, checkpoint.step, trainer.store().count(), decimal(figures.loss, 4), bits,
      decimal(figures.accuracy, 4), figures.targets, decimal(context_free, 4));
  return status;
}

}  // namespace matmix::experiments
