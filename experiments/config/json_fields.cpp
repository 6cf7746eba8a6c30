#include "experiments/config/json_fields.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tensor/nearest.h"

namespace matmix::experiments {
namespace {

/// Up to here every double that is whole is the number that was written.
constexpr double kMostExact = 9007199254740992.0;

std::string what_it_may_be(const Text& kind) {
  return kind.choices.empty() ? kind.must_be : "one of " + listed(kind.choices);
}

bool fits(const Text& kind, const std::string& x) {
  if (!kind.choices.empty()) return std::ranges::find(kind.choices, x) != kind.choices.end();
  return !kind.fits || kind.fits(x);
}

}  // namespace

std::string to_string(const Whole& within) { return text("[", within.least, ", ", within.most, "]"); }

std::string to_string(const Real& within) {
  return text(within.open_below ? "(" : "[", within.least, ", ", within.most, within.open_above ? ")" : "]");
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string shown(const Json& value) {
  constexpr size_t kMost = 80;
  std::string out = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (out.size() > kMost) out.replace(kMost, std::string::npos, "...");
  return out;
}

JsonReader::JsonReader(const Json& object, std::string where) : where_(std::move(where)) { push(object, ""); }

void JsonReader::push(const Json& object, std::string path) {
  const std::string name = path.empty() ? "the config" : path.substr(0, path.size() - 1);
  require(object.is_object(), where_, name, " must be an object, got ", object.type_name());
  sections_.push_back({&object, std::move(path), {}});
}

bool JsonReader::open(const char* key) {
  const Json* found = find(key);
  if (found) push(*found, sections_.back().path + key + ".");
  return found != nullptr;
}

void JsonReader::close() {
  finish();
  sections_.pop_back();
}

void JsonReader::refuse_unknown(const Section& section) const {
  for (const auto& [key, value] : section.object->items()) {
    if (std::ranges::find(section.known, key) != section.known.end()) continue;
    fail(where_, "unknown key ", section.path, key, "; the nearest known ones are ", nearest_names(key, section.known));
  }
}

const Json* JsonReader::find(const char* key) {
  Section& section = sections_.back();
  section.known.emplace_back(key);
  const auto found = section.object->find(key);
  return found == section.object->end() ? nullptr : &*found;
}

void JsonReader::expect(bool ok, const char* key, const std::string& what, const Json& value) const {
  require(ok, where_, sections_.back().path, key, " must be ", what, ", got ", shown(value));
}

void JsonReader::operator()(const char* key, bool& x, const char*) {
  const Json* value = find(key);
  if (!value) return;
  expect(value->is_boolean(), key, "true or false", *value);
  x = value->get<bool>();
}

void JsonReader::operator()(const char* key, int64_t& x, const Whole& within, const char*) {
  const Json* value = find(key);
  if (!value) return;
  const std::string range = "in " + to_string(within);
  if (value->is_number_float()) {  // 3.0 and 1e3 are whole numbers too
    const double given = value->get<double>();
    expect(std::trunc(given) == given, key, "a whole number", *value);
    expect(given >= static_cast<double>(within.least) && given <= static_cast<double>(within.most), key, range, *value);
    expect(std::abs(given) <= kMostExact, key, "a whole number without a point or exponent", *value);
    x = static_cast<int64_t>(given);
    return;
  }
  expect(value->is_number_integer(), key, "a whole number", *value);
  expect(!value->is_number_unsigned() || value->get<uint64_t>() <= INT64_MAX, key, range, *value);
  const int64_t given = value->get<int64_t>();
  expect(given >= within.least && given <= within.most, key, range, *value);
  x = given;
}

void JsonReader::operator()(const char* key, double& x, const Real& within, const char*) {
  const Json* value = find(key);
  if (!value) return;
  expect(value->is_number(), key, "a number", *value);
  const double given = value->get<double>();
  expect(within.holds(given), key, "in " + to_string(within), *value);
  x = given + 0.0;  // -0 is 0
}

void JsonReader::operator()(const char* key, std::string& x, const Text& kind, const char*) {
  const Json* value = find(key);
  if (!value) return;
  expect(value->is_string(), key, "a string", *value);
  const std::string given = value->get<std::string>();
  expect(fits(kind, given), key, what_it_may_be(kind), *value);
  x = given;
}

bool JsonWriter::open(const char* key) {
  at(key) = Json::object();
  sections_.push_back(&at(key));
  return true;
}

void JsonWriter::operator()(const char* key, bool& x, const char*) { at(key) = x; }
void JsonWriter::operator()(const char* key, int64_t& x, const Whole&, const char*) { at(key) = x; }
void JsonWriter::operator()(const char* key, double& x, const Real&, const char*) { at(key) = x; }

void JsonWriter::operator()(const char* key, std::string& x, const Text& kind, const char*) {
  if (with_paths_ || !kind.is_path || x == kind.unless) at(key) = x;
}

}  // namespace matmix::experiments
