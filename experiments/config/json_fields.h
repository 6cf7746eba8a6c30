#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/config/fields.h"

namespace matmix::experiments {

using Json = nlohmann::ordered_json;

/// "a, b, c".
std::string listed(const std::vector<std::string>& names);
/// JSON for a message: cut where it is long.
std::string shown(const Json& value);

/// Reads the keys of a JSON object; those that are missing keep their values. Error "<where>: <path> must be ..." for
/// what a key may not be, and for a key that is none.
class JsonReader final : public Fields {
 public:
  JsonReader(const Json& object, std::string where);

  void operator()(const char* key, bool& x, const char* note) override;
  void operator()(const char* key, int64_t& x, const Whole& within, const char* note) override;
  void operator()(const char* key, double& x, const Real& within, const char* note) override;
  void operator()(const char* key, std::string& x, const Text& kind, const char* note) override;
  /// After the walk: Error that names a key which the walk did not meet, and the nearest ones.
  void finish() const { refuse_unknown(sections_.back()); }

 private:
  struct Section {
    const Json* object;
    std::string path;  ///< "" or "model.mixer."
    std::vector<std::string> known;
  };
  bool open(const char* key) override;
  void close() override;
  void push(const Json& object, std::string path);
  void refuse_unknown(const Section& section) const;
  /// The value of a key of the section that is open; null if it is missing.
  const Json* find(const char* key);
  /// Error "<where>: <path> must be <what>, got <value>" unless ok.
  void expect(bool ok, const char* key, const std::string& what, const Json& value) const;

  std::string where_;
  std::vector<Section> sections_;  ///< those that are open, the innermost last
};

/// Writes the keys to a JSON object.
class JsonWriter final : public Fields {
 public:
  /// with_paths: whether keys that say where a file is are written.
  explicit JsonWriter(bool with_paths = true) : with_paths_(with_paths) {}
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  void operator()(const char* key, bool& x, const char* note) override;
  void operator()(const char* key, int64_t& x, const Whole& within, const char* note) override;
  void operator()(const char* key, double& x, const Real& within, const char* note) override;
  void operator()(const char* key, std::string& x, const Text& kind, const char* note) override;

  Json object = Json::object();

 private:
  bool open(const char* key) override;
  void close() override { sections_.pop_back(); }
  Json& at(const char* key) { return (*sections_.back())[key]; }

  bool with_paths_;
  std::vector<Json*> sections_{&object};
};

}  // namespace matmix::experiments
