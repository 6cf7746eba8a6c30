#include <fmt/core.h>
#include <algorithm>
#include <cmath>
#include <optional>

#include "experiments/commands/commands.h"
#include "experiments/commands/gallery.h"
#include "experiments/output/print.h"
#include "experiments/report/picture_folder.h"
#include "experiments/report/structure_report.h"
#include "experiments/report/terminal.h"
#include "mixers/sample_matrix.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/npy.h"
#include "tensor/print.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// One head: its matrix, and how far the fast form is from it.
struct Head {
  Tensor M;      ///< [L, L]
  double error;  ///< ||fast - M|| / ||M||
  StructureReport report;
  HeatMap matrix, ranks, errors;
};

Tensor difference_of(const Tensor& a, const Tensor& b) {
  std::vector<double> x = to_vector<double>(a);
  const std::vector<double> y = to_vector<double>(b);
  for (size_t i = 0; i < x.size(); ++i) x[i] -= y[i];
  return from_vector(x, a.shape());
}

Head look_at(const Tensor& M, const Tensor& fast) {
  const StructureReport report = measure_structure(M, {});
  return {M,
          relative_error(fast, M),
          report,
          HeatMap(M, MapKind::kSigned),
          HeatMap(mixers::rank_map(M), MapKind::kRanks),
          HeatMap(difference_of(fast, M), MapKind::kErrors, report.largest)};
}

void print_json(const ShowOptions& options, size_t head, const Head& h) {
  JsonLine line = JsonLine().put("mixer", options.mixer).put("head", head).put("state", options.state);
  line.put("error", h.error);
  put(line, h.report);
  if (options.values) line.put("M", to_vector<double>(h.M));
  line.print();
}

void print_text(size_t head, const Head& h, bool pictures) {
  print_out("\nhead {}: largest entry {:.4g}, |fast - explicit| {:.1e} of |explicit|\n", head, h.report.largest,
            h.error);
  print_visible(to_text(h.report));
  if (pictures)
    print_raw("\n" + draw({{"M", h.matrix}, {"ranks", h.ranks}, {"|fast - explicit|, 20 decades", h.errors}},
                          terminal_colour(), terminal_width()));
}

/// "q [4, 2]", and the numbers below. Axes of size 1 are left out, and what is rounding beside the largest is 0.
void print_values(const std::string& name, const Tensor& x) {
  Shape shape;
  for (const int64_t size : x.shape())
    if (size > 1) shape.push_back(size);
  std::vector<double> values = to_vector<double>(x);
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  for (double& value : values)
    if (std::fabs(value) < 1e-15 * largest) value = 0;
  print_out("\n{} {}\n", name, to_string(shape));
  print_visible(print(from_vector(values, shape)) + "\n");
}

void write(const PictureFolder& folder, const std::vector<Head>& heads) {
  const auto maps = [&](HeatMap Head::*map) {
    std::vector<HeatMap> all;
    for (const Head& h : heads) all.push_back(h.*map);
    return all;
  };
  folder.write("matrix", maps(&Head::matrix));
  folder.write("ranks", maps(&Head::ranks));
  folder.write("difference", maps(&Head::errors));
  for (size_t h = 0; h < heads.size(); ++h) write_npy(folder.path() / text("matrix_", h, ".npy"), heads[h].M);
}

}  // namespace

int run_show(const ShowOptions& options) {
  if (!options.run.empty()) return run_show_run(options);
  if (options.all) return show_all(options);
  if (options.figure == 2) return show_separable_blocks(options);
  require(!options.mixer.empty(), "show", "needs --mixer, --all, --figure 2, or --run with --text");
  const mixers::MixerRow& row = mixers::find_mixer(options.mixer);
  std::optional<PictureFolder> folder;
  if (!options.out.empty()) folder.emplace(options.out);
  const mixers::SpecimenOptions asked{.L = options.length,
                                      .H = options.heads,
                                      .state = options.state,
                                      .mode = options.global.mode_or(MathMode::kF64),
                                      .device = options.global.device_or(kCpu),
                                      .seed = static_cast<uint64_t>(options.global.seed.value_or(0))};
  const mixers::Specimen specimen = mixers::sample_matrix(row, asked);
  if (!options.global.json)
    print_out("{} ({}), L = {}, N = {}, seed {}; fast form in {} on {}\n", row.name, row.stands_for, asked.L,
              asked.state, asked.seed, to_string(asked.mode), to_string(asked.device));
  std::vector<Head> heads;
  if (options.values && !options.global.json)
    for (const auto& [name, value] : specimen.made_of) print_values(name, value);
  for (int64_t h = 0; h < specimen.M.dim(0); ++h) {
    heads.push_back(look_at(specimen.M.select(0, h), specimen.fast.select(0, h)));
    if (options.global.json)
      print_json(options, heads.size() - 1, heads.back());
    else if (options.values)
      print_values(text("M of head ", h), heads.back().M);
    else
      print_text(heads.size() - 1, heads.back(), options.print || !folder);
  }
  if (!folder) return 0;
  write(*folder, heads);
  if (!options.global.json) print_out("\npictures in {}\n", folder->path().string());
  return 0;
}

}  // namespace matmix::experiments
