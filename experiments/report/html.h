#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "experiments/report/heat_map.h"

namespace matmix::experiments {

// Pieces of a page that needs nothing else: no network, no other file.

/// x as text of an HTML page, made visible() first.
std::string escaped(std::string_view x);
/// RFC 4648, with padding.
std::string base64(std::string_view bytes);
/// The page: title, style, and `body` between <body> and </body>.
std::string html_page(std::string_view title, std::string_view body);
/// The page without a style of its own: what `part` brings is all, so a notebook can show the bytes among others.
std::string embeddable_page(std::string_view title, std::string_view part);
/// The first row is the header. Cells are text.
std::string html_table(const std::vector<std::vector<std::string>>& rows);
/// A heat map as an <img> of one pixel an entry, which the page shows larger.
std::string html_image(const HeatMap& map, std::string_view alt);

}  // namespace matmix::experiments
