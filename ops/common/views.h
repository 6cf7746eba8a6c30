#pragma once

#include "tensor/tensor.h"

// How ops hand tensors to kernels: views where the strides allow them, contiguous copies where they do not. Dtype and
// device stay as they are.
namespace matmix {

/// x itself if its rows are dense, else a contiguous copy.
Tensor dense_rows(const Tensor& x);

/// x in another shape of as many elements.
Tensor reshaped(const Tensor& x, const Shape& shape);

/// x [..., n] as [R, n] with dense rows: the leading axes as one. Undefined stays so.
Tensor as_rows(const Tensor& x);
/// The same without a copy: undefined where the strides allow no such view.
Tensor rows_view(const Tensor& x);

/// x as [A, n, W]: the axes before `axis`, itself, and those behind it. Contiguous if x is.
Tensor around(const Tensor& x, int axis);

/// x [B or 1, L, H, E] with dense rows, as [B, L, H, E].
Tensor over_batch(const Tensor& x, int64_t B);

/// The batch of matrices of this shape: all but its last two axes.
Shape batch_of(const Shape& shape);

}  // namespace matmix
