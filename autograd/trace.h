#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "autograd/var.h"

namespace matmix {

/// The graph behind root, a line a node in order of creation, numbered within this text:
///   %3 linear [4, 8, 16] <- %2.1, 'weight'  (in encoder.layers.0, saves 2048 B)
/// %2.1 is output 1 of node %2, which has several; an input without gradient is "constant".
std::string graph_text(const Var& root);
/// The same for Graphviz.
std::string graph_dot(const Var& root);

struct SavedBytes {
  int64_t calls = 0, bytes = 0;
};
/// Bytes kept for backward by each op recorded on this thread since the last reset.
const std::map<std::string, SavedBytes>& saved_bytes();
void reset_saved_bytes();

}  // namespace matmix
