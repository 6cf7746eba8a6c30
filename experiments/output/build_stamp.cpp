#include "experiments/output/build_stamp.h"

#include "experiments/output/commit.h"

namespace matmix::experiments {

std::string_view built_version() { return MATMIX_VERSION; }
std::string_view built_commit() { return MATMIX_COMMIT; }
std::string_view built_compiler() { return "g++ " __VERSION__; }

}  // namespace matmix::experiments
