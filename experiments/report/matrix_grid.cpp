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
    const drawn = image.src, sizes = M.map(Math.abs), largest = sizes.reduce((a, b) => Math.max(a, b), 1e-300);
    const row = k => sizes.subarray(k - k % L, k - k % L + L).reduce((a, b) => a + b, 1e-300);
    const shares = {
      '|M|': k => sizes[k] / largest,
      '|M| / sum of its row': k => sizes[k] / row(k),
      'log |M|, 6 decades': k => 1 + Math.log10(sizes[k] / largest + 1e-300) / 6,
    };
    box.querySelector('select').addEventListener('change', event => {
      const share = shares[event.target.value];
      if (!share) return void (image.src = drawn);
      const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
      canvas.width = canvas.height = L;
      const picture = context.createImageData(L, L);
      for (let k = 0; k < L * L; ++k) {
        const light = 255 * (1 - Math.max(0, Math.min(1, share(k))));
        picture.data.set([light, light, light, 255], 4 * k);
      }
      context.putImageData(picture, 0, 0);
      image.src = canvas.toDataURL();
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

/// What the script knows to draw; the first is the picture as it came.
std::string options() {
  std::string html;
  for (const char* name :
       {"M, blue below 0, red above, logarithmic", "|M|", "|M| / sum of its row", "log |M|, 6 decades"})
    html += fmt::format("<option>{}</option>", name);
  return html;
}

}  // namespace

std::string to_html(const MatrixGrid& grid) {
  int64_t heads = 1;
  for (const Tensor& M : grid.layers) heads = std::max(heads, M.dim(0));
  std::string html =
      fmt::format("<div class=\"matrices\" data-tokens=\"{}\">\n<h3>{}</h3>\n<p>Shown: <select>{}</select></p>\n",
                  escaped(JsonLine().put("tokens", grid.tokens).text()), escaped(grid.name), options());
  html += fmt::format("<div class=\"grid\" style=\"grid-template-columns: repeat({}, minmax(7rem, 14rem))\">\n", heads);
  for (size_t layer = 0; layer < grid.layers.size(); ++layer)
    for (int64_t head = 0; head < heads; ++head)
      html +=
          head < grid.layers[layer].dim(0) ? picture(grid.layers[layer].select(0, head), layer, head) : "<div></div>\n";
  return html + "</div>\n<p class=\"entry\">Point at an entry.</p>\n" + kScript + "</div>\n";
}

}  // namespace matmix::experiments
