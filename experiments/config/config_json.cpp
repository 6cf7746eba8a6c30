#include "experiments/config/config_json.h"

#include <algorithm>
#include <set>

#include "data/text.h"
#include "data/unicode.h"
#include "experiments/config/json_fields.h"
#include "tensor/error.h"

namespace matmix::experiments {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 32;  // far deeper ones would end the stack of whoever walks them

/// JSON of any kind in which no object has a key twice.
Json parse_json(const std::string& text, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto no_key_twice = [&](int depth, Json::parse_event_t event, const Json& value) {
    require(depth <= kMaxDepth, where, "must not be nested deeper than ", kMaxDepth, " levels");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key)
      require(keys.back().insert(value.get<std::string>()).second, where,
              "must not have a key twice in an object, got ", shown(value), " twice");
    return true;
  };
  require(text.find('\0') == std::string::npos, where, "must not hold a zero byte");  // the end to the JSON parser
  try {
    return Json::parse(text, no_key_twice);
  } catch (const Json::parse_error& error) {
    const size_t at = std::min(error.byte, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    fail(where, "line ", line,
         " is not JSON: ", std::string_view(error.what()).substr(std::string_view(error.what()).rfind(": ") + 2));
  } catch (const Json::out_of_range&) {
    fail(where, "must not hold numbers beyond the range of a double");
  }
}

/// The objects of `over` go into those of `under`; everything else replaces.
void merge(Json& under, const Json& over) {
  for (const auto& [key, value] : over.items()) {
    if (value.is_object() && under.contains(key) && under[key].is_object())
      merge(under[key], value);
    else
      under[key] = value;
  }
}

/// The keys of "a.b".
std::vector<std::string> keys_of(const std::string& path) {
  std::vector<std::string> keys;
  for (size_t from = 0; from <= path.size();) {
    const size_t to = std::min(path.find('.', from), path.size());
    keys.push_back(path.substr(from, to - from));
    from = to + 1;
  }
  return keys;
}

/// The value at a path; null where there is none.
Json* find(Json& config, const std::string& path) {
  Json* at = &config;
  for (const std::string& key : keys_of(path)) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
  }
  return at;
}

/// The file itself, whatever it is called; a pipe has no path of its own.
fs::path identity(const fs::path& path) {
  std::error_code none;
  const fs::file_type type = fs::status(path, none).type();
  if (type == fs::file_type::fifo || type == fs::file_type::socket || type == fs::file_type::character)
    return fs::absolute(path).lexically_normal();
  const fs::path canonical = fs::weakly_canonical(fs::absolute(path), none);
  return none ? fs::absolute(path) : canonical;
}

/// Where a relative path leads: of the working folder, or of `folder` if there alone something is.
fs::path found_from(const fs::path& path, const fs::path& folder) {
  std::error_code unreadable;
  const bool beside = !fs::exists(path, unreadable) && fs::exists(folder / path, unreadable);
  return identity(beside ? folder / path : path);
}

}  // namespace

ConfigJson::Json ConfigJson::parse(const std::string& text, const std::string& where) const {
  Json config = parse_json(text, where);
  require(config.is_object(), where, "the config must be an object, got ", config.type_name());
  config.erase("made_by");
  return config;
}

ConfigJson::Json ConfigJson::read(const fs::path& path) const {
  std::vector<fs::path> open;
  return read_over_bases(path, open);
}

ConfigJson::Json ConfigJson::read_over_bases(const fs::path& path, std::vector<fs::path>& open) const {
  require(std::ranges::find(open, identity(path)) == open.end(), path.string(), "is its own base");
  open.push_back(identity(path));
  Json config = parse(data::read_utf8(path, "config"), path.string());
  make_absolute(config, path.parent_path());
  if (!config.contains("base")) return config;
  require(config["base"].is_string(), path.string(), "base must be a string, got ", shown(config["base"]));
  const std::string base = config["base"].get<std::string>();
  require(base.find('\0') == std::string::npos && !base.empty(), path.string(),
          "base must be the path of a config, got ", shown(config["base"]));
  Json under = read_over_bases(path.parent_path() / base, open);
  config.erase("base");
  merge(under, config);
  return under;
}

ConfigJson::Json ConfigJson::value_of(const std::string& path, const std::string& value) const {
  const bool is_text = std::ranges::find(text_keys_, path, &TextKey::path) != text_keys_.end();
  if (is_text && !value.starts_with('"')) return value;
  return Json::accept(value) ? parse_json(value, "--set") : Json(value);
}

void ConfigJson::assign(Json& config, const std::string& assignment) const {
  const size_t equals = assignment.find('=');
  require(equals != std::string::npos && equals > 0, "--set", "must be path=value, got '", assignment, "'");
  const std::string path = assignment.substr(0, equals);
  require(std::ranges::count(path, '.') < kMaxDepth, "--set", "must not lead deeper than ", kMaxDepth, " levels");
  for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
    const Json* above = find(config, path.substr(0, dot));
    require(!above || above->is_object(), "--set", "'", assignment, "' goes through a value that is no object");
  }
  Json over = value_of(path, assignment.substr(equals + 1));
  const std::vector<std::string> keys = keys_of(path);
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    Json outer = Json::object();
    outer[*key] = std::move(over);
    over = std::move(outer);
  }
  make_absolute(over, {});
  merge(config, over);
}

void ConfigJson::make_absolute(Json& config, const fs::path& folder) const {
  for (const TextKey& key : text_keys_) {
    Json* value = key.is_path ? find(config, key.path) : nullptr;
    if (!value || !value->is_string()) continue;
    const std::string given = value->get<std::string>();
    if (given.empty() || given == key.unless || given.find('\0') != std::string::npos) continue;
    const std::string absolute = fs::path(given).is_relative() ? found_from(given, folder).string() : given;
    if (data::is_utf8(absolute)) *value = absolute;  // what JSON cannot hold stays relative
  }
}

}  // namespace matmix::experiments
