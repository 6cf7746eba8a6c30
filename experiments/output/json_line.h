#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace matmix::experiments {

/// One JSON object on one line, its keys in the order they are put: what --json prints.
class JsonLine {
 public:
  JsonLine& put(std::string_view key, std::string_view value);
  JsonLine& put(std::string_view key, const char* value) { return put(key, std::string_view(value)); }
  /// Shortest text that reads back to the same double; null for NaN and infinities, which JSON has no words for.
  JsonLine& put(std::string_view key, std::floating_point auto value) { return put_double(key, value); }
  template <std::integral T>
  JsonLine& put(std::string_view key, T value) {
    if constexpr (std::same_as<T, bool>)
      return put_raw(key, value ? "true" : "false");
    else
      return put_raw(key, std::to_string(value));
  }
  /// A list of numbers, each as above.
  JsonLine& put(std::string_view key, const std::vector<double>& values);
  template <std::integral T>
  JsonLine& put(std::string_view key, const std::vector<T>& values) {
    std::string list;
    for (const T value : values) list += (list.empty() ? "" : ",") + std::to_string(value);
    return put_raw(key, "[" + list + "]");
  }
  JsonLine& put(std::string_view key, const std::vector<std::string>& values);
  JsonLine& put_null(std::string_view key) { return put_raw(key, "null"); }

  /// Without a newline.
  std::string text() const { return "{" + members_ + "}"; }
  /// As a line on stdout.
  void print() const;

 private:
  JsonLine& put_double(std::string_view key, double value);
  JsonLine& put_raw(std::string_view key, const std::string& json);

  std::string members_;
};

}  // namespace matmix::experiments
