#include "tensor/wide.h"

#include <algorithm>

namespace matmix::cpu {
namespace {

template <class T, class A>
void widen(const T* x, int64_t step, int64_t n, A* __restrict__ buffer) {
  if (step == 1)
    for (int64_t i = 0; i < n; ++i) buffer[i] = x[i];
  else if (step == 0)
    std::fill_n(buffer, n, static_cast<A>(*x));
  else
    for (int64_t i = 0; i < n; ++i) buffer[i] = x[i * step];
}

}  // namespace

void widen(DType dtype, const void* x, int64_t step, int64_t n, void* buffer) {
  if (dtype == DType::Bool) return widen(static_cast<const bool*>(x), step, n, static_cast<bool*>(buffer));
  dispatch_float(dtype, "widen",
                 [&]<class T>() { widen(static_cast<const T*>(x), step, n, static_cast<Accumulator<T>*>(buffer)); });
}

void narrow(DType dtype, const void* x, int64_t n, void* y, int64_t step) {
  dispatch_float(dtype, "narrow", [&]<class T>() {
    const auto* __restrict__ from = static_cast<const Accumulator<T>*>(x);
    auto* __restrict__ to = static_cast<T*>(y);
    if (step == 1)
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(from[i]);
    else
      for (int64_t i = 0; i < n; ++i) to[i * step] = static_cast<T>(from[i]);
  });
}

}  // namespace matmix::cpu
