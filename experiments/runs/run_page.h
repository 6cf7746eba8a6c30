#pragma once

#include <string>
#include <vector>

#include "experiments/report/matrix_grid.h"
#include "experiments/runs/run_summary.h"
#include "experiments/runs/trained_model.h"

namespace matmix::experiments {

/// What the models of a comparison make of one text.
struct Reading {
  struct Model {
    std::string name;
    std::vector<Blank> blanks;
    MatrixGrid matrices;
  };
  std::string text;
  std::vector<Model> models;
};

/// One page about runs, which needs nothing else: the table, curves of loss, what each model makes of the texts.
/// `laws` is the part of the page about the laws of their mixers (law_tables()), or empty. `made_by` stands below the
/// title.
std::string run_page(const std::vector<RunSummary>& runs, const std::vector<Reading>& readings, const std::string& laws,
                     const std::string& made_by);

}  // namespace matmix::experiments
