#include "experiments/commands/gallery.h"

#include <fmt/core.h>
#include <algorithm>
#include <optional>

#include "experiments/output/print.h"
#include "experiments/report/picture_folder.h"
#include "experiments/report/structure_report.h"
#include "experiments/report/terminal.h"
#include "mixers/sample_matrix.h"
#include "mixers/semiseparable.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// Every M of a mixer, drawn in F64 on the CPU.
std::vector<Tensor> matrices_of_row(const mixers::MixerRow& row, const ShowOptions& options) {
  const Tensor M = mixers::sample_matrix(row, {.L = options.length,
                                               .H = options.heads,
                                               .state = options.state,
                                               .seed = static_cast<uint64_t>(options.global.seed.value_or(0))})
                       .M;
  std::vector<Tensor> heads;
  for (int64_t h = 0; h < M.dim(0); ++h) heads.push_back(M.select(0, h));
  return heads;
}

void print_json(const ShowOptions& options, const std::string& mixer, size_t head, const Tensor& M) {
  JsonLine line = JsonLine().put("mixer", mixer).put("head", head).put("state", options.state);
  put(line, measure_structure(M, {}));
  line.print();
}

/// In the terminal, and as NAME.png with `columns` pictures a row if there is a folder.
void show(const ShowOptions& options, const std::string& name, const std::vector<Panel>& panels, size_t columns) {
  std::optional<PictureFolder> folder;
  if (!options.out.empty()) folder.emplace(options.out);
  if (!options.global.json && (options.print || !folder))
    print_raw("\n" + draw(panels, terminal_colour(), terminal_width()));
  if (!folder) return;
  std::vector<std::vector<HeatMap>> rows;
  std::string captions;
  for (size_t i = 0; i < panels.size(); ++i) {
    if (i % columns == 0) rows.emplace_back();
    rows.back().push_back(panels[i].map);
    captions += (i % columns > 0 ? ", " : i > 0 ? ";\n  " : "  ") + panels[i].caption;
  }
  folder->write(name, rows);
  if (options.global.json) return;
  print_out("\n{}, row by row:\n", (folder->path() / (name + ".png")).string());
  print_visible(captions + "\n");
}

/// The class itself, without the skip that Mamba adds to its diagonal.
mixers::MixerRow semiseparable_row() {
  return {"semiseparable", "", [](const mixers::BlockShape& shape, const mixers::MixerSizes& sizes) {
            return std::make_unique<mixers::Semiseparable>(
                shape, mixers::SemiseparableMixerOptions{
                           .state = sizes.state, .diagonal = mixers::Diagonal::kNone, .Q = sizes.Q});
          }};
}

/// Entry (i, j): in how many of the blocks at a quarter, half and three quarters of L it is. They begin at the diagonal
/// (semiseparable: below alone) or beside it (quasiseparable: on either side).
Tensor blocks(int64_t L, bool semiseparable) {
  std::vector<int64_t> count;
  for (int64_t i = 0; i < L; ++i)
    for (int64_t j = 0; j < L; ++j) {
      int64_t n = 0;
      for (int64_t quarter = 1; quarter < 4; ++quarter) {
        const int64_t cut = quarter * L / 4;
        n += semiseparable ? i >= cut && j <= cut : (i >= cut && j < cut) || (i < cut && j >= cut);
      }
      count.push_back(n);
    }
  return from_vector(count, {L, L});
}

}  // namespace

int show_all(const ShowOptions& options) {
  constexpr size_t kColumns = 5;
  if (!options.global.json)
    print_out("M of every mixer, L = {}, N = {}, seed {}\n", options.length, options.state,
              options.global.seed.value_or(0));
  std::vector<Panel> panels;
  for (const mixers::MixerRow& row : mixers::registry()) {
    const std::vector<Tensor> heads = matrices_of_row(row, options);
    for (size_t h = 0; h < heads.size(); ++h) {
      if (options.global.json) print_json(options, row.name, h, heads[h]);
      panels.push_back({heads.size() == 1 ? row.name : text(row.name, " ", h), HeatMap(heads[h], MapKind::kSigned)});
    }
  }
  show(options, "classes", panels, kColumns);
  return 0;
}

int show_separable_blocks(const ShowOptions& options) {
  if (!options.global.json)
    print_out("Blocks of rank at most N = {}: semiseparable ones hold the diagonal, quasiseparable ones do not\n",
              options.state);
  std::vector<Panel> panels;
  for (const std::string name : {"semiseparable", "quasiseparable"}) {
    const bool plain = name == "semiseparable";
    const std::vector<Tensor> heads = matrices_of_row(plain ? semiseparable_row() : mixers::find_mixer(name), options);
    for (size_t h = 0; h < heads.size(); ++h) {
      const StructureReport report = measure_structure(heads[h], {});
      if (options.global.json)
        print_json(options, name, h, heads[h]);
      else
        print_out("  {}: ranks below, above {}, {}; of blocks with the diagonal {}, {}\n", name,
                  report.quasiseparable.below.rank, report.quasiseparable.above.rank, report.semiseparable.below.rank,
                  report.semiseparable.above.rank);
      panels.push_back({name, HeatMap(heads[h], MapKind::kSigned)});
      panels.push_back({"its blocks", HeatMap(blocks(options.length, plain), MapKind::kRanks)});
      panels.push_back({"ranks to the corner", HeatMap(mixers::rank_map(heads[h]), MapKind::kRanks)});
    }
  }
  show(options, "figure_2", panels, 3);
  return 0;
}

}  // namespace matmix::experiments
