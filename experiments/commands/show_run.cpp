#include <fmt/format.h>
#include <algorithm>
#include <optional>

#include "experiments/commands/commands.h"
#include "experiments/output/print.h"
#include "experiments/output/provenance.h"
#include "experiments/report/html.h"
#include "experiments/report/matrix_svg.h"
#include "experiments/report/npz.h"
#include "experiments/report/picture_folder.h"
#include "experiments/report/structure_report.h"
#include "experiments/report/terminal.h"
#include "experiments/runs/trained_model.h"
#include "tensor/compare.h"
#include "tensor/file.h"
#include "tensor/npy.h"

namespace matmix::experiments {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostTokens = 512;
/// The rank map of so many takes about a second a head, and twice as many take ten times as long.
constexpr size_t kMostRanked = 128;

/// The share of a singular value that is more than what a mode rounds off.
double rounding(MathMode mode) {
  switch (mode) {
    case MathMode::kF64: return mixers::RankRule().tolerance;
    case MathMode::kF32: return 1e-4;
    case MathMode::kTF32: return 1e-2;
    case MathMode::kBF16: return 5e-2;
  }
  return 0;
}

/// f(layer, head, M, fast) for every matrix.
template <class F>
void for_each_matrix(const MatrixGrid& grid, F&& f) {
  for (size_t layer = 0; layer < grid.layers.size(); ++layer)
    for (int64_t head = 0; head < grid.layers[layer].dim(0); ++head)
      f(layer, head, grid.layers[layer].select(0, head), grid.fast[layer].select(0, head));
}

void print_json(const ShowOptions& options, const MatrixGrid& grid) {
  for_each_matrix(grid, [&](size_t layer, int64_t head, const Tensor& M, const Tensor& fast) {
    JsonLine line;
    line.put("run", options.run).put("layer", layer).put("head", head).put("tokens", grid.tokens);
    line.put("error", relative_error(fast, M));
    put(line, measure_structure(M, grid.rule));
    line.print();
  });
}

void print_summary(const Config& config, const MatrixGrid& grid) {
  std::string tokens;
  for (const std::string& piece : grid.tokens) tokens += " " + piece;
  double error = 0;
  for_each_matrix(grid, [&](size_t, int64_t, const Tensor& M, const Tensor& fast) {
    error = std::max(error, relative_error(fast, M));
  });
  print_out("{} ({}), {} tokens:{}\n|fast - explicit| at most {:.1e} of |explicit|\n", grid.name,
            config.model.mixer.name, grid.tokens.size(), tokens, error);
}

void print_pictures(const MatrixGrid& grid) {
  std::vector<Panel> panels;
  for_each_matrix(grid, [&](size_t layer, int64_t head, const Tensor& M, const Tensor&) {
    panels.push_back({fmt::format("layer {} head {}", layer, head), HeatMap(M, MapKind::kSigned)});
  });
  print_raw("\n" + draw(panels, terminal_colour(), terminal_width()));
}

std::vector<std::vector<HeatMap>> heat_maps(const MatrixGrid& grid) {
  std::vector<std::vector<HeatMap>> rows(grid.layers.size());
  for_each_matrix(grid, [&](size_t layer, int64_t, const Tensor& M, const Tensor&) {
    rows[layer].emplace_back(M, MapKind::kSigned);
  });
  return rows;
}

std::string html_of(const ShowOptions& options, const MatrixGrid& grid) {
  MatrixGrid measured = grid;
  if (grid.tokens.size() <= kMostRanked) measure_heads(measured);
  return embeddable_page(
      "matmix: " + options.text,
      to_html(measured, fmt::format("<h2>{}</h2>\n<p class=\"matmix-faint\">{}, {}</p>\n", escaped(options.text),
                                    escaped(grid.name), escaped(version_text()))));
}

std::string png_of(const ShowOptions&, const MatrixGrid& grid) { return png_of_rows(heat_maps(grid)); }

std::string svg_of(const ShowOptions&, const MatrixGrid& grid) { return to_svg(grid); }

std::string npz_of(const ShowOptions&, const MatrixGrid& grid) {
  NpzContent content;
  for (size_t layer = 0; layer < grid.layers.size(); ++layer) {
    content.arrays.emplace_back(text("layer_", layer), grid.layers[layer]);
    content.arrays.emplace_back(text("layer_", layer, "_fast"), grid.fast[layer]);
  }
  content.words.emplace_back("tokens", grid.tokens);
  return encode_npz(content);
}

/// A kind of file that --out may name, and what makes its bytes.
using Encode = std::string (*)(const ShowOptions&, const MatrixGrid&);
struct Export {
  const char* extension;
  Encode encode;
};
constexpr Export kExports[] = {{".html", html_of}, {".png", png_of}, {".svg", svg_of}, {".npz", npz_of}};

/// Where the matrices go. Opened before the model is read: what cannot be written is known at once.
class Targets {
 public:
  explicit Targets(const ShowOptions& options) : options_(options) {
    if (!options.html.empty()) add_file(options.html, html_of);
    if (options.out.empty()) return;
    const std::string extension = fs::path(options.out).extension().string();
    const auto* kind = std::ranges::find(kExports, extension, &Export::extension);
    if (kind != std::end(kExports)) {
      add_file(options.out, kind->encode);
    } else {
      require(extension.empty() || fs::is_directory(options.out), "show",
              "--out must be a folder or a file .html, .png, .svg or .npz, got '", options.out, "'");
      folder_.emplace(options.out);
      names_.push_back(options.out);
    }
  }

  bool empty() const { return names_.empty(); }
  const std::vector<std::string>& names() const { return names_; }

  void write(const MatrixGrid& grid) {
    for (File& file : files_) {
      const std::string bytes = file.encode(options_, grid);
      file.out->write(bytes.data(), bytes.size());
      file.out->commit();
    }
    if (!folder_) return;
    const std::vector<std::vector<HeatMap>> rows = heat_maps(grid);
    for (size_t layer = 0; layer < rows.size(); ++layer) {
      folder_->write(text("layer_", layer), rows[layer]);
      write_npy(folder_->path() / text("layer_", layer, ".npy"), grid.layers[layer]);
    }
    write_file_atomically(folder_->path() / "matrices.npz", npz_of(options_, grid));
  }

 private:
  struct File {
    std::unique_ptr<AtomicFile> out;
    Encode encode;
  };
  void add_file(const std::string& path, Encode encode) {
    files_.push_back({std::make_unique<AtomicFile>(path), encode});
    names_.push_back(path);
  }

  const ShowOptions& options_;
  std::optional<PictureFolder> folder_;
  std::vector<File> files_;
  std::vector<std::string> names_;
};

}  // namespace

int run_show_run(const ShowOptions& options) {
  require(!options.text.empty(), "show", "--run needs --text, the sentence to draw the matrices at");
  Targets targets(options);
  const TrainedModel model(options.run, options.global.device, options.global.dtype);
  const Sentence sentence = model.read(options.text);
  require(sentence.ids.size() <= kMostTokens, "--text", "must hold at most ", kMostTokens, " tokens, got ",
          sentence.ids.size());
  const MatrixGrid grid{.name = model.config().name,
                        .tokens = sentence.pieces,
                        .layers = model.matrices(sentence),
                        .fast = model.matrices_by_mix(sentence),
                        .rule = {.tolerance = rounding(parse_math_mode(model.config().train.dtype))}};
  require(!grid.layers.empty(), options.run, "has no layers to draw");
  if (options.global.json) {
    print_json(options, grid);
  } else {
    print_summary(model.config(), grid);
    if (options.print || targets.empty()) print_pictures(grid);
  }
  targets.write(grid);
  if (!options.global.json)
    for (const std::string& name : targets.names()) print_out("pictures in {}\n", name);
  return 0;
}

}  // namespace matmix::experiments
