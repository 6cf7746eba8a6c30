#pragma once

#include <string>
#include <vector>

#include "mixers/structure.h"

namespace matmix::experiments {

/// What is measured of one matrix.
struct HeadStructure {
  Tensor ranks;                         ///< [L, L], I64: mixers::rank_map
  std::vector<double> singular_values;  ///< descending
};

/// A model's matrices on one sentence: rows are layers, columns are heads.
struct MatrixGrid {
  std::string name;                                        ///< of the model
  std::vector<std::string> tokens;                         ///< L of them
  std::vector<Tensor> layers;                              ///< [heads, L, L] each, written out, F64 on the CPU
  std::vector<Tensor> fast = {};                           ///< the same by the fast form; none: not asked for
  std::vector<std::vector<HeadStructure>> structure = {};  ///< of each layer's heads; none: not measured
  mixers::RankRule rule = {};                              ///< what counts in them

  /// The most that a layer has.
  int64_t heads() const;
};

/// Fills in the structure, by the grid's rule.
void measure_heads(MatrixGrid& grid);

/// A part of a page that needs nothing else, and disturbs nothing else: a page or a notebook may hold many. The
/// pictures are there at once. A script then lets the reader choose form and scale, shows the entry under the pointer
/// with its two tokens, and below the grid one head in full: its matrix between the tokens, which token looks at which,
/// ranks and singular values. Numbers are kept to 5 digits. `heading`: HTML above it.
std::string to_html(const MatrixGrid& grid, const std::string& heading);

}  // namespace matmix::experiments
