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

std::string without_provenance(const std::string& config_json) {
  constexpr int kDeeper = 64;  // than any config, whose reader then names what is wrong with it
  Json config = Json::parse(
      config_json, [](int depth, Json::parse_event_t, const Json&) { return depth < kDeeper; }, false);
  if (config.is_object()) config.erase("made_by");
  return config.is_discarded() ? config_json : config.dump(2);
}

std::string version_text() {
  return fmt::format("matmix {} ({}), {}", built_version(), built_commit(), built_compiler());
}

}  // namespace matmix::experiments
