#include "experiments/runs/json_lines.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "data/text.h"
#include "tensor/error.h"

namespace matmix::experiments {

using Json = nlohmann::ordered_json;

struct JsonObject::Content {
  Json object;
};

JsonObject::JsonObject(const std::string& text, std::string where)
    : where_(std::move(where)), content_(std::make_unique<Content>()) {
  std::set<std::string> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth == 1 && event == Json::parse_event_t::key)
      require(keys.insert(parsed.get<std::string>()).second, where_, "must have each key once, got ", parsed.dump(),
              " twice");
    return true;
  };
  content_->object = Json::parse(text, watch, false);
  require(content_->object.is_object(), where_, "must be a JSON object, got ", text.substr(0, 40));
}

JsonObject::~JsonObject() = default;

bool JsonObject::has(const char* key) const { return content_->object.contains(key); }

double JsonObject::number(const char* key, double low, double high) const {
  const Json& object = content_->object;
  if (has(key) && object[key].is_null()) return std::numeric_limits<double>::quiet_NaN();
  require(has(key) && object[key].is_number(), where_, key, " must be a number");
  const double x = object[key].get<double>();
  require(x >= low && x <= high, where_, key, " must be in [", low, ", ", high, "], got ", x);
  return x;
}

int64_t JsonObject::whole(const char* key, int64_t low) const {
  const Json& object = content_->object;
  require(has(key) && object[key].is_number_integer(), where_, key, " must be a whole number");
  const bool fits = !object[key].is_number_unsigned() || object[key].get<uint64_t>() <= INT64_MAX;
  require(fits && object[key].get<int64_t>() >= low, where_, key, " must be a whole number, at least ", low, ", got ",
          object[key].dump());
  return object[key].get<int64_t>();
}

std::string JsonObject::word(const char* key) const {
  require(has(key) && content_->object[key].is_string(), where_, key, " must be a string");
  return content_->object[key].get<std::string>();
}

void for_each_json_line(const std::filesystem::path& path, const std::function<void(const JsonObject&)>& sink) {
  const std::string bytes = data::read_utf8(path, "read_run");
  int64_t number = 0;
  for (size_t from = 0, end; (end = bytes.find('\n', from)) != std::string::npos; from = end + 1)
    sink(JsonObject(bytes.substr(from, end - from), text(path.string(), ":", ++number)));
}

}  // namespace matmix::experiments
