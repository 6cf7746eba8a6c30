#include "experiments/report/html.h"

#include <cstdint>

#include "experiments/output/print.h"
#include "experiments/report/assets/assets.h"
#include "experiments/report/png.h"

namespace matmix::experiments {
namespace {

std::string page_of(std::string_view title, std::string_view style, std::string_view body) {
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  page.append("<title>").append(escaped(title)).append("</title>\n");
  if (!style.empty()) page.append("<style>").append(style).append("</style>\n");
  return page.append("</head>\n<body>\n").append(body).append("</body>\n</html>\n");
}

}  // namespace

std::string escaped(std::string_view x) {
  std::string safe;
  for (const char c : visible(x)) switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c;
    }
  return safe;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string digits;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) digits += k <= bytes.size() - i ? kDigits[three >> (18 - 6 * k) & 63] : '=';
  }
  return digits;
}

std::string html_page(std::string_view title, std::string_view body) { return page_of(title, kPageStyle, body); }

std::string embeddable_page(std::string_view title, std::string_view part) { return page_of(title, "", part); }

std::string html_table(const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"scroll\"><table>\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    html += i == 0 ? "<thead><tr>" : "<tr>";
    for (size_t j = 0; j < rows[i].size(); ++j) {
      const std::string kind = i == 0 || j == 0 ? "th" : "td";
      html += "<" + kind + ">" + escaped(rows[i][j]) + "</" + kind + ">";
    }
    html += i == 0 ? "</tr></thead>\n<tbody>\n" : "</tr>\n";
  }
  return html + "</tbody>\n</table></div>\n";
}

std::string html_image(const HeatMap& map, std::string_view alt) {
  return "<img src=\"data:image/png;base64," + base64(encode_png(side_by_side({map}, 1))) + "\" alt=\"" + escaped(alt) +
         "\">";
}

}  // namespace matmix::experiments
