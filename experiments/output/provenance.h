#pragma once

#include <string>

namespace matmix::experiments {

/// Version, commit, compiler, build options, device, start date: what makes a figure traceable. One JSON object.
std::string provenance_json(const std::string& device);
/// The config's JSON with that object under "made_by".
std::string with_provenance(const std::string& config_json, const std::string& device);
/// "matmix 0.1.0 (abc1234), g++ 12.2.0".
std::string version_text();

}  // namespace matmix::experiments
