#pragma once

#include <string_view>

namespace matmix::experiments {

/// What this program was built from: "0.1.0", the commit's short hash or "unknown", "g++ 12.2.0".
std::string_view built_version();
std::string_view built_commit();
std::string_view built_compiler();

}  // namespace matmix::experiments
