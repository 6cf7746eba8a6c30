#include "experiments/output/provenance.h"

#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "experiments/output/build_stamp.h"
#include "tensor/device.h"
#include "tensor/error.h"

namespace matmix::experiments {
namespace {

using Json = nlohmann::ordered_json;

std::string today() {
  const std::time_t now = std::time(nullptr);
  char buffer[32];
  std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return buffer;
}

Json made_by(const std::string& device) {
  return {{"version", built_version()},
          {"commit", built_commit()},
          {"compiler", built_compiler()},
          {"device", device_name(parse_device(device))},
          {"date", today()}};
}

}  // namespace

std::string provenance_json(const std::string& device) { return made_by(device).dump(); }

std::string with_provenance(const std::string& config_json, const std::string& device) {
  Json config = Json::parse(config_json);
  config["made_by"] = made_by(device);
  return config.dump(2) + "\n";
}

std::string version_text() {
  return fmt::format("matmix {} ({}), {}", built_version(), built_commit(), built_compiler());
}

}  // namespace matmix::experiments
