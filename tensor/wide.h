#pragma once

#include <cstdint>

#include "tensor/dtype.h"

// For kernels that compute in Accumulator<T> and are compiled for that alone: rows of T pass through here.
namespace matmix::cpu {

/// Whether elements of `dtype` pass through as they are.
constexpr bool is_wide(DType dtype) { return dtype == DType::F64 || dtype == DType::F32 || dtype == DType::Bool; }

/// n elements `step` apart from x on as dense elements of the accumulator, in `buffer`, which has room for n of them.
/// Bool stays bool; Error for other dtypes that are not floating.
void widen(DType dtype, const void* x, int64_t step, int64_t n, void* buffer);
/// The reverse: n dense elements rounded to `dtype`, a floating one, and written `step` apart from y on.
void narrow(DType dtype, const void* x, int64_t n, void* y, int64_t step);

/// As widen, but x itself where its elements are dense and wide.
inline const void* widened(DType dtype, const void* x, int64_t step, int64_t n, void* buffer) {
  if (step == 1 && is_wide(dtype)) return x;
  widen(dtype, x, step, n, buffer);
  return buffer;
}

/// Calls f.template operator()<A>() with the accumulator of a floating dtype; Error naming `where` for others.
template <class F>
decltype(auto) dispatch_wide(DType dtype, std::string_view where, F&& f) {
  if (!is_floating(dtype)) fail(where, "dtype must be F64, F32 or BF16, got ", dtype);
  return dtype == DType::F64 ? f.template operator()<double>() : f.template operator()<float>();
}

/// Error naming `where` unless elements of `dtype` are A here.
template <class A>
void check_wide(DType dtype, std::string_view where) {
  require((is_floating(dtype) ? accumulator(dtype) : dtype) == dtype_of<A>(), where, "elements must be ", dtype_of<A>(),
          " or rounded from it, got ", dtype);
}

}  // namespace matmix::cpu
