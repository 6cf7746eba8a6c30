#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace matmix {

/// Everything matmix refuses: one sentence that says what, where, what was expected and what was got.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A failure that the CUDA runtime or one of its libraries reported.
class CudaError : public Error {
 public:
  using Error::Error;
};

namespace detail {
std::string text_of(double x);
inline std::string text_of(float x) { return text_of(static_cast<double>(x)); }
inline std::string text_of(std::string_view s) { return std::string(s); }
inline std::string text_of(const char* s) { return s; }
template <std::integral T>
std::string text_of(T x) {
  if constexpr (std::same_as<T, bool>)
    return x ? "true" : "false";
  else
    return std::to_string(x);
}
template <class T>
requires requires(const T& x) { to_string(x); }
std::string text_of(const T& x) { return std::string(to_string(x)); }
}  // namespace detail

/// The parts as one text: strings as they are, numbers in decimal, and whatever has a to_string().
template <class... Parts>
std::string text(const Parts&... parts) {
  return (std::string() + ... + detail::text_of(parts));
}

/// Throws Error("<where>: <parts...>").
template <class... Parts>
[[noreturn]] void fail(std::string_view where, const Parts&... parts) {
  throw Error(text(where, ": ", parts...));
}

/// Throws Error("<where>: <parts...>") unless ok; the text is built only then.
/// Style: require(k > 0, "conv1d", "width must be positive, got ", k).
template <class... Parts>
void require(bool ok, std::string_view where, const Parts&... parts) {
  if (!ok) [[unlikely]]
    fail(where, parts...);
}

}  // namespace matmix
