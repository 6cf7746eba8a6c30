#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace matmix::experiments {

/// What the readers below must know of a config's keys.
struct TextKey {
  std::string path;  ///< "data.path"
  bool is_path;      ///< where a file is, if it is not `unless`
  std::string unless;
};

/// One object from the files and assignments of a config; what its keys may be is not looked at.
class ConfigJson {
 public:
  using Json = nlohmann::ordered_json;

  explicit ConfigJson(std::vector<TextKey> text_keys) : text_keys_(std::move(text_keys)) {}

  /// The file's object over those of its bases. Error if it is no JSON object, names a key twice, or is its own base.
  Json read(const std::filesystem::path& path) const;
  /// One object without bases.
  Json parse(const std::string& text, const std::string& where) const;
  /// "train.steps=20" over what is there.
  void assign(Json& config, const std::string& assignment) const;

 private:
  Json read_over_bases(const std::filesystem::path& path, std::vector<std::filesystem::path>& open) const;
  Json value_of(const std::string& path, const std::string& value) const;
  void make_absolute(Json& config, const std::filesystem::path& folder) const;

  std::vector<TextKey> text_keys_;
};

}  // namespace matmix::experiments
