#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace matmix::experiments {

/// One line of a .jsonl file that a run wrote: an object, no key twice. Errors name file and line.
class JsonObject {
 public:
  JsonObject(const std::string& text, std::string where);
  ~JsonObject();

  bool has(const char* key) const;
  /// In [low, high]; null, which stands for what is no number, is NaN.
  double number(const char* key, double low = 0, double high = 1e300) const;
  int64_t whole(const char* key, int64_t low = 0) const;
  std::string word(const char* key) const;
  const std::string& where() const { return where_; }

 private:
  struct Content;
  std::string where_;
  std::unique_ptr<Content> content_;
};

/// The whole lines of a file: what a killed run has half written at its end is not one.
void for_each_json_line(const std::filesystem::path& path, const std::function<void(const JsonObject&)>& sink);

}  // namespace matmix::experiments
