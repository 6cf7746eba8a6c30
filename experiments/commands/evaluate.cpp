#include <fmt/format.h>
#include <cmath>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/runs/run_folder.h"
#include "experiments/train/trainer.h"

namespace matmix::experiments {

int run_evaluate(const EvaluateOptions& options) {
  Config config = config_of_run(options.run);
  if (!options.global.device.empty()) config.train.device = options.global.device;
  if (!options.global.dtype.empty()) config.train.dtype = options.global.dtype;
  Trainer trainer(config);
  const RunFolder::Checkpoint checkpoint = newest_checkpoint(options.run);
  trainer.load(checkpoint.state);
  const HeldoutFigures figures = trainer.evaluate(trainer.dataset().heldout_rows());
  const double context_free = trainer.dataset().context_free_loss();
  const int status = std::isfinite(figures.loss) ? 0 : 1;
  if (options.global.json) {
    JsonLine line;
    line.put("run", options.run).put("step", checkpoint.step).put("parameters", trainer.store().count());
    put(line, figures);
    line.put("context_free_loss", context_free).print();
    return status;
  }
  const std::string bits = figures.bits_per_byte ? fmt::format(" ({:.3f} bits a byte)", *figures.bits_per_byte) : "";
  print_out(
      "{} after {} steps, {} parameters: held-out loss {:.4f} nats{}, accuracy {:.4f} on {} targets; without "
      "context {:.4f}\n",
      config.name, checkpoint.step, trainer.store().count(), figures.loss, bits, figures.accuracy, figures.targets,
      context_free);
  return status;
}

}  // namespace matmix::experiments
