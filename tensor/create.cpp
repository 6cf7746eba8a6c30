#include "tensor/create.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "tensor/create_kernels.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

bool poison() {
  static const bool on = [] {
    const char* value = std::getenv("MATMIX_POISON");
    return value != nullptr && std::string_view(value) == "1";
  }();
  return on;
}

Tensor unwritten(const Shape& shape, DType dtype, Device device) {
  int64_t bytes = 0;
  require(!__builtin_mul_overflow(shape.numel(), static_cast<int64_t>(size_of(dtype)), &bytes), "empty", dtype, " ",
          shape, " needs more bytes than fit in 63 bits");
  return Tensor(std::make_shared<Storage>(static_cast<size_t>(bytes), device), 0, shape, contiguous_strides(shape),
                dtype);
}

/// An integer dtype can hold value: a whole number in its range.
template <class T>
bool fits(double value) {
  const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);
  return value == std::trunc(value) && value < above && value >= static_cast<double>(std::numeric_limits<T>::min());
}

}  // namespace

Tensor empty(const Shape& shape, DType dtype, Device device) {
  const Tensor x = unwritten(shape, dtype, device);
  if (poison() && is_floating(dtype)) kFill(device, x, std::numeric_limits<double>::quiet_NaN());
  return x;
}

Tensor zeros(const Shape& shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }

Tensor full(const Shape& shape, double value, DType dtype, Device device) {
  const Tensor x = unwritten(shape, dtype, device);
  fill(x, value);
  return x;
}

Tensor arange(int64_t n, DType dtype, Device device) {
  require(n >= 0, "arange", "n must not be negative, got ", n);
  const Tensor x = unwritten({n}, dtype, device);
  kArange(device, x);
  return x;
}

Tensor eye(int64_t n, DType dtype, Device device) {
  // In rows of n + 1 the ones stand in column 0.
  const Tensor x = zeros({n, n + 1}, dtype, device);
  fill(x.narrow(1, 0, 1), 1);
  return x.reshape({n * (n + 1)}).narrow(0, 0, n * n).reshape({n, n});
}

Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype(), x.device()); }
Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype(), x.device()); }

template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape, Device device) {
  require(static_cast<int64_t>(values.size()) == shape.numel(), "from_vector", shape, " has ", shape.numel(),
          " elements, got ", values.size(), " values");
  const Tensor x = unwritten(shape, dtype_of<T>(), kCpu);
  std::copy(values.begin(), values.end(), x.data<T>());
  return to(x, device);
}
template Tensor from_vector(const std::vector<double>&, const Shape&, Device);
template Tensor from_vector(const std::vector<float>&, const Shape&, Device);
template Tensor from_vector(const std::vector<bfloat16>&, const Shape&, Device);
template Tensor from_vector(const std::vector<int64_t>&, const Shape&, Device);
template Tensor from_vector(const std::vector<int32_t>&, const Shape&, Device);
template Tensor from_vector(const std::vector<uint8_t>&, const Shape&, Device);
template Tensor from_vector(const std::vector<bool>&, const Shape&, Device);

void fill(const Tensor& x, double value) {
  dispatch_all(x.dtype(), "fill", [&]<class T>() {
    if constexpr (std::is_integral_v<T>)
      require(fits<T>(value), "fill", "value must be a whole number that ", x.dtype(), " holds, got ", value);
  });
  if (!x.is_contiguous()) return copy(x, full({}, value, x.dtype(), x.device()).expand(x.shape()));
  kFill(x.device(), x, value);
  x.bump_version();
}

}  // namespace matmix
