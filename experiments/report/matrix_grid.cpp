#include "experiments/report/matrix_grid.h"

#include <fmt/format.h>
#include <algorithm>
#include <bit>

#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/report/assets/assets.h"
#include "experiments/report/html.h"
#include "tensor/random.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// Three bytes a number, the upper ones of a rounded F32: sign, exponent, and 15 bits of fraction.
std::string packed(const std::vector<double>& values) {
  std::string bytes;
  for (const double x : values) {
    const uint32_t word = std::bit_cast<uint32_t>(static_cast<float>(x)) + 0x80;
    for (const int shift : {24, 16, 8}) bytes += static_cast<char>(word >> shift & 0xff);
  }
  return base64(bytes);
}

/// A byte each. Ranks are at most half of L, and L is at most 512.
std::string packed_ranks(const Tensor& ranks) {
  std::string bytes;
  for (const int64_t rank : to_vector<int64_t>(ranks)) bytes += static_cast<char>(std::min<int64_t>(rank, 255));
  return base64(bytes);
}

std::vector<double> differences(const Tensor& fast, const Tensor& M) {
  std::vector<double> values = to_vector<double>(fast);
  const std::vector<double> written_out = to_vector<double>(M);
  for (size_t k = 0; k < values.size(); ++k) values[k] -= written_out[k];
  return values;
}

std::string figure(const MatrixGrid& grid, size_t layer, int64_t head) {
  const std::string name = fmt::format("layer {}, head {}", layer, head);
  const Tensor M = grid.layers[layer].select(0, head);
  std::string data = fmt::format(" data-values=\"{}\"", packed(to_vector<double>(M)));
  if (!grid.fast.empty())
    data += fmt::format(" data-difference=\"{}\"", packed(differences(grid.fast[layer].select(0, head), M)));
  if (!grid.structure.empty()) {
    const HeadStructure& s = grid.structure[layer][static_cast<size_t>(head)];
    data += fmt::format(" data-ranks=\"{}\" data-spectrum=\"{}\"", packed_ranks(s.ranks), packed(s.singular_values));
  }
  const HeatMap map(M, MapKind::kSigned);
  std::string image = html_image(map, name);
  image.insert(image.size() - 1, data);
  return fmt::format("<figure>{}<figcaption>{}, max {:.3g}</figcaption></figure>\n", image, name, map.largest());
}

std::string choice(const char* what, const char* name, std::initializer_list<std::pair<const char*, const char*>> all) {
  std::string options;
  for (const auto& [value, words] : all) options += fmt::format("<option value=\"{}\">{}</option>", value, words);
  return fmt::format("<label>{} <select class=\"matmix-{}\">{}</select></label>\n", what, name, options);
}

std::string choices(const MatrixGrid& grid) {
  std::string html = "<div class=\"matmix-choice\">\n";
  if (!grid.fast.empty())
    html += choice("Form", "form",
                   {{"explicit", "explicit"}, {"fast", "fast"}, {"difference", "difference, |fast - explicit|"}});
  return html +
         choice("Scale", "scale",
                {{"signed", "M, blue below 0, red above, logarithmic"},
                 {"size", "|M|"},
                 {"share", "|M| / sum of its row"},
                 {"log", "log |M|, 6 decades"}}) +
         "</div>\n";
}

std::vector<std::string> visible_tokens(const MatrixGrid& grid) {
  std::vector<std::string> tokens;
  for (const std::string& token : grid.tokens) tokens.push_back(visible_in_line(token));
  return tokens;
}

}  // namespace

int64_t MatrixGrid::heads() const {
  int64_t most = 0;
  for (const Tensor& M : layers) most = std::max(most, M.dim(0));
  return most;
}

void measure_heads(MatrixGrid& grid) {
  for (const Tensor& layer : grid.layers) {
    std::vector<HeadStructure>& heads = grid.structure.emplace_back();
    for (int64_t head = 0; head < layer.dim(0); ++head) {
      const Tensor M = contiguous(layer.select(0, head));
      heads.push_back({mixers::rank_map(M, grid.rule), mixers::singular_values(M)});
    }
  }
}

std::string to_html(const MatrixGrid& grid, const std::string& heading) {
  const int64_t heads = grid.heads();
  std::string body = heading + choices(grid);
  body += fmt::format("<div class=\"matmix-grid\" style=\"grid-template-columns: repeat({}, minmax(6rem, 11rem))\">\n",
                      std::max<int64_t>(heads, 1));
  for (size_t layer = 0; layer < grid.layers.size(); ++layer)
    for (int64_t head = 0; head < heads; ++head)
      body += head < grid.layers[layer].dim(0) ? figure(grid, layer, head) : "<div></div>\n";
  body +=
      "</div>\n<p class=\"matmix-entry\">Point at an entry; choose a head.</p>\n<div class=\"matmix-detail\"></div>\n";
  const std::string id = fmt::format("{:016x}", stream_of(body));
  return fmt::format(
             "<div class=\"matmix\" data-matmix=\"{}\" data-tokens=\"{}\" "
             "data-tolerance=\"{}\">\n<style>{}</style>\n{}<script>\n"
             "for (const box of document.querySelectorAll('[data-matmix=\"{}\"]:not([data-ready])')) {{\n"
             "  box.dataset.ready = 'yes';\n  (",
             id, escaped(JsonLine().put("tokens", visible_tokens(grid)).text()), grid.rule.tolerance, kMatrixStyle,
             body, id) +
         kMatrixScript + ")(box);\n}\n</script>\n</div>\n";
}

}  // namespace matmix::experiments
