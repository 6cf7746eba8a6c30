#pragma once

#include <filesystem>

#include "experiments/report/matrix_grid.h"
#include "experiments/trained_model.h"

namespace matmix::experiments {

/// Every layer's matrices at a sentence that `model`, the run's, has read: written out, and column by column what the
/// fast form makes of unit vectors, both from the streams of one forward pass.
MatrixGrid matrices_of_run(const std::filesystem::path& run, const TrainedModel& model, const Sentence& sentence);

}  // namespace matmix::experiments
