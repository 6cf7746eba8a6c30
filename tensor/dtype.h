#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "tensor/error.h"

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

namespace matmix {

/// bfloat16: the upper half of an IEEE float32. Conversion rounds to nearest even; NaN stays NaN.
struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;  // as with float: indeterminate unless value-initialised, so arrays may be __shared__
  HOST_DEVICE explicit bfloat16(float x) {
#ifdef __CUDA_ARCH__
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
    const uint32_t u = std::bit_cast<uint32_t>(x);
    bits = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u
                                                                 : (u + 0x7fffu + ((u >> 16) & 1)) >> 16);
#endif
  }
  HOST_DEVICE explicit bfloat16(double x) : bfloat16(to_odd(x)) {}
  template <class T>
  requires std::is_integral_v<T> HOST_DEVICE explicit bfloat16(T x) : bfloat16(to_odd(static_cast<int64_t>(x))) {}
  HOST_DEVICE operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

 private:
  /// x as a float that is odd in its last bit if it is not x: on which side of a middle between two bfloat16 it lies
  /// is then still to be seen, so the second rounding is as if it were the only one.  Source: Boldo, Melquiond 2008.
  HOST_DEVICE static float to_odd(double x) {
    const float nearest = static_cast<float>(x);
    if (static_cast<double>(nearest) == x || x != x) return nearest;
    const auto u = std::bit_cast<uint32_t>(nearest);
    const double size = x < 0 ? -x : x, got = std::bit_cast<float>(u & 0x7fffffffu);
    return std::bit_cast<float>((got > size ? u - 1 : u) | 1u);
  }
  HOST_DEVICE static float to_odd(int64_t x) {
    constexpr uint64_t kExact = uint64_t{1} << 24;
    uint64_t size = x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
    float unit = 1;
    for (; size >= kExact; unit *= 2) size = size >> 1 | (size & 1);
    return (x < 0 ? -unit : unit) * static_cast<float>(size);
  }
};

/// Element types. F64, F32 and BF16 are the floating ones, which alone carry gradients.
enum class DType : uint8_t { F64, F32, BF16, I64, I32, U8, Bool };

size_t size_of(DType dtype);
std::string_view to_string(DType dtype);
/// The dtype of that name ("F32"); throws Error naming the known ones.
DType parse_dtype(std::string_view name);
constexpr bool is_floating(DType dtype) { return dtype <= DType::BF16; }

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, double>)
    return DType::F64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::F32;
  else if constexpr (std::is_same_v<T, bfloat16>)
    return DType::BF16;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::I64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::I32;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::U8;
  else {
    static_assert(std::is_same_v<T, bool>, "no dtype for this element type");
    return DType::Bool;
  }
}

/// What sums of T are carried in: double for double, float for float and bfloat16.
template <class T>
using Accumulator = std::conditional_t<std::is_same_v<T, double>, double, float>;
constexpr DType accumulator(DType dtype) { return dtype == DType::F64 ? DType::F64 : DType::F32; }

/// Calls f.template operator()<T>() with the C++ type of a floating dtype; Error naming `where` for others.
/// Use: dispatch_float(x.dtype(), "softmax", [&]<class T>() { ... x.data<T>() ... });
template <class F>
decltype(auto) dispatch_float(DType dtype, std::string_view where, F&& f) {
  switch (dtype) {
    case DType::F64: return f.template operator()<double>();
    case DType::F32: return f.template operator()<float>();
    case DType::BF16: return f.template operator()<bfloat16>();
    default: fail(where, "dtype must be F64, F32 or BF16, got ", dtype);
  }
}

/// The same over all seven dtypes.
template <class F>
decltype(auto) dispatch_all(DType dtype, std::string_view where, F&& f) {
  switch (dtype) {
    case DType::I64: return f.template operator()<int64_t>();
    case DType::I32: return f.template operator()<int32_t>();
    case DType::U8: return f.template operator()<uint8_t>();
    case DType::Bool: return f.template operator()<bool>();
    default: return dispatch_float(dtype, where, f);
  }
}

}  // namespace matmix
