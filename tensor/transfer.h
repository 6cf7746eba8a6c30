#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace matmix {

/// dst = src, element by element: any strides, any dtypes (floating to integer truncates; to Bool: != 0), any two
/// devices. Shapes must be equal (Error otherwise). Bumps dst's version. Bound by memory; both contiguous and of
/// one dtype is one bulk copy. dst and src must not overlap unless they are the same window (then nothing is done).
void copy(const Tensor& dst, const Tensor& src);

/// x itself if it is contiguous, else a contiguous copy.
Tensor contiguous(const Tensor& x);
/// A contiguous copy.
Tensor clone(const Tensor& x);
/// x itself if it has that dtype, else a contiguous copy that has.
Tensor cast(const Tensor& x, DType dtype);
/// x itself if it is there, else a contiguous copy on `device`.
Tensor to(const Tensor& x, Device device);

/// All elements in row-major order, cast to T (waits for the device). T: the C++ type of any dtype.
template <class T>
std::vector<T> to_vector(const Tensor& x);
/// The only element, cast to T; Error unless numel() is 1.
template <class T>
T item(const Tensor& x);

}  // namespace matmix
