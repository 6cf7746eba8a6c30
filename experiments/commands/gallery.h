#pragma once

#include "experiments/commands/commands.h"

namespace matmix::experiments {

/// matmix show --all: M of every registered mixer on one page, as in figure 1 of Hwang et al.
int show_all(const ShowOptions& options);
/// matmix show --figure 2: where the blocks of bounded rank of semiseparable and quasiseparable matrices lie, with the
/// ranks of all such blocks of an M of either class.
int show_separable_blocks(const ShowOptions& options);

}  // namespace matmix::experiments
