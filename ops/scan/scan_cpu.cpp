#include <algorithm>
#include <cmath>

#include "ops/scan/scan_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kColumns = 512;  // sums carried at a time

/// f(r, first, last) for tiles of columns of R matrices.
template <class F>
void for_columns(int64_t R, int64_t columns, int64_t worth, F&& f) {
  const int64_t tiles = (columns + kColumns - 1) / kColumns;
  parallel_for(R * tiles, worth, [&](int64_t unit) {
    const int64_t first = unit % tiles * kColumns;
    f(unit / tiles, first, std::min(columns, first + kColumns));
  });
}

/// Calls f.operator()<step>() with -1 where arrays are to be walked from their ends, else 1.
template <class F>
void dispatch_direction(bool reverse, F&& f) {
  reverse ? f.template operator()<-1>() : f.template operator()<1>();
}

}  // namespace

void cumsum(const Tensor& x, const Tensor& y, bool reverse, bool exclusive) {
  const int64_t n = x.dim(1), B = x.dim(2);
  const auto run = [&]<class T, class Y>() {
    const T* in = x.data<T>();
    Y* out = y.data<Y>();
    for_columns(x.dim(0), B, x.numel(), [=](int64_t a, int64_t first, int64_t last) {
      double sums[kColumns] = {};
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = (a * n + (reverse ? n - 1 - i : i)) * B;
        for (int64_t b = first; b < last; ++b) {
          const double before = sums[b - first], after = before + static_cast<double>(in[row + b]);
          out[row + b] = static_cast<Y>(exclusive ? before : after);
          sums[b - first] = after;
        }
      }
    });
  };
  dispatch_float(x.dtype(), "cumsum", [&]<class T>() {
    y.dtype() == x.dtype() ? run.template operator()<T, T>() : run.template operator()<T, double>();
  });
}

void segsum(const Tensor& x, const Tensor& y, bool reverse) {
  const int64_t L = x.dim(1);
  dispatch_float(x.dtype(), "segsum", [&]<class T>() {
    dispatch_direction(reverse, [&]<int kStep>() {
      const T* in = x.data<T>() + (reverse ? L - 1 : 0);
      T* out = y.data<T>() + (reverse ? L * L - 1 : 0);
      for_columns(x.dim(0), L, y.numel(), [=](int64_t r, int64_t first, int64_t last) {
        double sums[kColumns] = {};
        for (int64_t i = 0; i < L; ++i) {
          const double term = static_cast<double>(in[r * L + kStep * i]);
          T* row = out + r * L * L + kStep * i * L;
          const int64_t diagonal = std::clamp(i, first, last);
          for (int64_t j = first; j < diagonal; ++j) row[kStep * j] = static_cast<T>(sums[j - first] += term);
          if (diagonal == i && i < last) row[kStep * i] = static_cast<T>(0.0f);
          for (int64_t j = std::max(first, i + 1); j < last; ++j) row[kStep * j] = static_cast<T>(-INFINITY);
        }
      });
    });
  });
}

void triangle_sum(const Tensor& x, const Tensor& y, bool reverse) {
  const int64_t L = x.dim(1);
  dispatch_float(y.dtype(), "segsum", [&]<class T>() {
    dispatch_direction(reverse, [&]<int kStep>() {
      const double* in = x.data<double>() + (reverse ? L * L - 1 : 0);
      T* out = y.data<T>() + (reverse ? L - 1 : 0);
      for_columns(x.dim(0), L, x.numel(), [=](int64_t r, int64_t first, int64_t last) {
        double sums[kColumns] = {};
        for (int64_t i = first; i < L; ++i)
          for (int64_t k = first; k < std::min(last, i + 1); ++k)
            sums[k - first] += in[r * L * L + kStep * (i * L + k)];
        for (int64_t k = first; k < last; ++k) out[r * L + kStep * k] = static_cast<T>(sums[k - first]);
      });
    });
  });
}

}  // namespace matmix::cpu
