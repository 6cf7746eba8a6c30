#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace matmix {

/// Insertions, deletions and replacements that turn a into b (Levenshtein).
int64_t edit_distance(std::string_view a, std::string_view b);
/// The (at most three) known names nearest to a mistyped one, "'gain', 'main' or 'grain'"; for error messages.
std::string nearest_names(std::string_view name, std::vector<std::string> known);

}  // namespace matmix
