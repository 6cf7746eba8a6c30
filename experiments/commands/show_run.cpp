#include <fmt/format.h>
#include <optional>

#include "experiments/commands/commands.h"
#include "experiments/provenance.h"
#include "experiments/report/html.h"
#include "experiments/report/matrix_grid.h"
#include "experiments/report/picture_folder.h"
#include "experiments/report/structure_report.h"
#include "experiments/report/terminal.h"
#include "experiments/trained_model.h"
#include "tensor/file.h"
#include "tensor/npy.h"

namespace matmix::experiments {
namespace {

/// f(layer, head, M) for every matrix.
template <class F>
void for_each_matrix(const MatrixGrid& grid, F&& f) {
  for (size_t layer = 0; layer < grid.layers.size(); ++layer)
    for (int64_t head = 0; head < grid.layers[layer].dim(0); ++head) f(layer, head, grid.layers[layer].select(0, head));
}

void print_json(const ShowOptions& options, const MatrixGrid& grid) {
  for_each_matrix(grid, [&](size_t layer, int64_t head, const Tensor& M) {
    JsonLine line;
    line.put("run", options.run).put("layer", layer).put("head", head).put("tokens", grid.tokens);
    put(line, measure_structure(M, {}));
    line.print();
  });
}

void print_pictures(const MatrixGrid& grid) {
  std::vector<Panel> panels;
  for_each_matrix(grid, [&](size_t layer, int64_t head, const Tensor& M) {
    panels.push_back({fmt::format("layer {} head {}", layer, head), HeatMap(M, MapKind::kSigned)});
  });
  fmt::print("\n{}", draw(panels, terminal_colour(), terminal_width()));
}

void write_pictures(const PictureFolder& folder, const MatrixGrid& grid) {
  for (size_t layer = 0; layer < grid.layers.size(); ++layer) {
    std::vector<HeatMap> maps;
    for (int64_t head = 0; head < grid.layers[layer].dim(0); ++head)
      maps.emplace_back(grid.layers[layer].select(0, head), MapKind::kSigned);
    folder.write(text("layer_", layer), maps);
    write_npy(folder.path() / text("layer_", layer, ".npy"), grid.layers[layer]);
  }
}

}  // namespace

int run_show_run(const ShowOptions& options) {
  require(!options.text.empty(), "show", "--run needs --text, the sentence to draw the matrices at");
  std::optional<PictureFolder> folder;
  if (!options.out.empty()) folder.emplace(options.out);
  const TrainedModel model(options.run, options.global.device, options.global.dtype);
  const Sentence sentence = model.read(options.text);
  const MatrixGrid grid{model.config().name, sentence.pieces, model.matrices(sentence)};
  const bool written = folder || !options.html.empty();
  if (options.global.json) {
    print_json(options, grid);
  } else {
    std::string tokens;
    for (const std::string& piece : sentence.pieces) tokens += " " + piece;
    fmt::print("{} ({}), {} tokens:{}\n", grid.name, model.config().model.mixer.name, sentence.pieces.size(), tokens);
    if (options.print || !written) print_pictures(grid);
  }
  if (folder) write_pictures(*folder, grid);
  if (!options.html.empty())
    write_file_atomically(
        options.html, html_page("matmix: " + options.text, fmt::format("<h1>{}</h1>\n<p>{}</p>\n",
                                                                       escaped(options.text), escaped(version_text())) +
                                                               to_html(grid)));
  if (!options.global.json && written) fmt::print("pictures in {}\n", folder ? options.out : options.html);
  return 0;
}

}  // namespace matmix::experiments
