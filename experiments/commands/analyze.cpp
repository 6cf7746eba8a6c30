#include <fmt/core.h>
#include <cmath>
#include <optional>

#include "experiments/commands/commands.h"
#include "experiments/output/print.h"
#include "experiments/report/picture_folder.h"
#include "experiments/report/structure_report.h"
#include "experiments/report/terminal.h"
#include "tensor/npy.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// A quarter of an hour of work, which grows with the fourth power.
constexpr int64_t kMostRows = 1024;

Tensor read_square(const std::string& path) {
  const Tensor M = read_npy(path);
  require(M.rank() == 2 && M.dim(0) == M.dim(1) && M.numel() > 0, path, "must hold a square matrix, got ", M);
  require(M.dim(0) <= kMostRows, path, "must hold a matrix of at most ", kMostRows, " rows, got ", M);
  const std::vector<double> values = to_vector<double>(M);
  for (size_t i = 0; i < values.size(); ++i)
    require(std::isfinite(values[i]), path, "must be finite everywhere, got ", values[i], " at [",
            i / static_cast<size_t>(M.dim(0)), ", ", i % static_cast<size_t>(M.dim(0)), "]");
  return M;
}

mixers::RankRule rule_of(const AnalyzeOptions& options, DType dtype) {
  using Scale = mixers::RankRule::Scale;
  const double rounding = dtype == DType::F32 ? 1e-4 : 1e-11;
  return {options.tolerance > 0 ? options.tolerance : rounding,
          options.scale == "matrix" ? Scale::kMatrix : Scale::kEntries};
}

}  // namespace

int run_analyze(const AnalyzeOptions& options) {
  const Tensor stored = read_square(options.file), M = cast(stored, DType::F64);
  std::optional<PictureFolder> folder;
  if (!options.out.empty()) folder.emplace(options.out);
  const mixers::RankRule rule = rule_of(options, stored.dtype());
  const StructureReport report = measure_structure(M, rule);
  if (options.global.json) {
    JsonLine line = JsonLine().put("file", options.file).put("dtype", to_string(stored.dtype()));
    line.put("tolerance", rule.tolerance).put("scale", options.scale);
    put(line, report);
    line.print();
  } else {
    print_out("{}: {}, largest entry {:.4g}; singular values above {:g} of {} count\n", options.file, to_string(stored),
              report.largest, rule.tolerance,
              options.scale == "matrix" ? "the matrix's largest" : "a scaled block's largest");
    print_visible(to_text(report));
  }
  if (!options.print && !folder) return 0;
  const HeatMap matrix(M, MapKind::kSigned), ranks(mixers::rank_map(M, rule), MapKind::kRanks);
  if (options.print)
    print_raw("\n" + draw({{"matrix", matrix}, {"ranks", ranks}}, terminal_colour(), terminal_width()));
  if (!folder) return 0;
  folder->write("matrix", {matrix});
  folder->write("ranks", {ranks});
  if (!options.global.json) print_out("pictures in {}\n", folder->path().string());
  return 0;
}

}  // namespace matmix::experiments
