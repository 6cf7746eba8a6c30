#include "experiments/report/matrix_grid.h"

#include <fmt/format.h>
#include <algorithm>

#include "experiments/json_line.h"
#include "experiments/report/html.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// Finds the grid it stands in, and keeps everything to itself: a page or notebook may hold many.
constexpr const char* kScript = R"(<script>
(() => {
  const box = document.currentScript.parentElement, entry = box.querySelector('.entry');
  const tokens = JSON.parse(box.dataset.tokens).tokens, L = tokens.length;
  for (const image of box.querySelectorAll('img')) {
    const bytes = Uint8Array.from(atob(image.dataset.values), c => c.charCodeAt(0));
    const M = new Float32Array(bytes.buffer);
    image.addEventListener('mousemove', event => {
      const at = image.getBoundingClientRect();
      const place = (x, size) => Math.max(0, Math.min(L - 1, Math.floor(x / size * L)));
      const i = place(event.clientY - at.top, at.height), j = place(event.clientX - at.left, at.width);
      entry.textContent =
        `${image.alt}: M[${i}, ${j}] = ${M[i * L + j].toPrecision(4)}, what '${tokens[i]}' takes from '${tokens[j]}'`;
    });
  }
})();
</script>
)";

/// Little-endian F32, row by row.
std::string values_of(const Tensor& M) {
  const std::vector<float> values = to_vector<float>(M);
  return base64({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

std::string picture(const Tensor& M, size_t layer, int64_t head) {
  const std::string name = fmt::format("layer {}, head {}", layer, head);
  const HeatMap map(M, MapKind::kSigned);
  std::string image = html_image(map, name);
  image.insert(image.size() - 1, fmt::format(" data-values=\"{}\"", values_of(M)));
  return fmt::format("<div>{}<span>{}, largest {:.3g}</span></div>\n", image, name, map.largest());
}

}  // namespace

std::string to_html(const MatrixGrid& grid) {
  int64_t heads = 1;
  for (const Tensor& M : grid.layers) heads = std::max(heads, M.dim(0));
  std::string html = fmt::format("<div class=\"matrices\" data-tokens=\"{}\">\n<h3>{}</h3>\n",
                                 escaped(JsonLine().put("tokens", grid.tokens).text()), escaped(grid.name));
  html += fmt::format("<div class=\"grid\" style=\"grid-template-columns: repeat({}, minmax(7rem, 14rem))\">\n", heads);
  for (size_t layer = 0; layer < grid.layers.size(); ++layer)
    for (int64_t head = 0; head < heads; ++head)
      html +=
          head < grid.layers[layer].dim(0) ? picture(grid.layers[layer].select(0, head), layer, head) : "<div></div>\n";
  return html + "</div>\n<p class=\"entry\">Blue is below 0, red above; logarithmic. Point at an entry.</p>\n" +
         kScript + "</div>\n";
}

}  // namespace matmix::experiments
