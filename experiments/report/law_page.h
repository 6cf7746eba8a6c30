#pragma once

#include <string>
#include <vector>

#include "mixers/laws/laws.h"

namespace matmix::experiments {

/// Results of mixers::laws::check_laws() as one HTML page that needs nothing else: a table a mixer, a row a law, a column for each
/// source, dtype and device; in each cell the worst error and what is allowed. `made_by` stands below the title.
std::string law_page(const std::vector<mixers::laws::LawResult>& results, const std::string& made_by);

/// The tables alone, as a part of another page.
std::string law_tables(const std::vector<mixers::laws::LawResult>& results);

}  // namespace matmix::experiments
