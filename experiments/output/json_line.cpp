#include "experiments/output/json_line.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/output/print.h"

namespace matmix::experiments {
namespace {

using Json = nlohmann::ordered_json;

/// Bytes that are not UTF-8 become U+FFFD; the control characters that JSON lets stand are escaped like the others.
std::string quoted(std::string_view s) {
  std::string json = Json(s).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t i = 0; i < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]), next = static_cast<unsigned char>(json[i + 1]);
    if (byte == 0x7f)
      json.replace(i, 1, "\\u007f");
    else if (byte == 0xc2 && next >= 0x80 && next < 0xa0)
      json.replace(i, 2, fmt::format("\\u{:04x}", next));
  }
  return json;
}

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

void JsonLine::print() const { print_raw(text() + "\n"); }

}  // namespace matmix::experiments
