#include "experiments/output/json_line.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace matmix::experiments {
namespace {

using Json = nlohmann::ordered_json;

/// Bytes that are not UTF-8 become U+FFFD.
std::string quoted(std::string_view s) { return Json(s).dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

JsonLine& JsonLine::put(std::string_view key, std::string_view value) { return put_raw(key, quoted(value)); }

JsonLine& JsonLine::put_double(std::string_view key, double value) { return put_raw(key, Json(value).dump()); }

JsonLine& JsonLine::put(std::string_view key, const std::vector<double>& values) {
  return put_raw(key, Json(values).dump());
}

JsonLine& JsonLine::put(std::string_view key, const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ",") + quoted(std::string_view(value));
  return put_raw(key, "[" + list + "]");
}

JsonLine& JsonLine::put_raw(std::string_view key, const std::string& json) {
  if (!members_.empty()) members_ += ',';
  members_ += quoted(key);
  members_ += ':';
  members_ += json;
  return *this;
}

void JsonLine::print() const { std::puts(text().c_str()); }

}  // namespace matmix::experiments
