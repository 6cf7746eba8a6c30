#pragma once

#include "autograd/var.h"
#include "ops/elementwise/activation.h"
#include "tensor/runs.h"

namespace matmix {

// Unary maps y = f(x), element by element.  x: any shape and strides, floating. Returns x's shape, dtype, device,
// contiguous. Gradient: dx = f'(x) dy; keeps x or y, whichever f' needs (functors.h states both). Cost: 1 read, 1
// write. NaN passes through, value and slope; at infinities both are the limits.
Var neg(const Var& x);
Var exp(const Var& x);
Var log(const Var& x);
Var sqrt(const Var& x);
Var rsqrt(const Var& x);
Var square(const Var& x);
Var reciprocal(const Var& x);
Var abs(const Var& x);  ///< slope 0 at 0
Var sin(const Var& x);
Var cos(const Var& x);
Var tanh(const Var& x);
Var sigmoid(const Var& x);   ///< stable for any x
Var softplus(const Var& x);  ///< log(1 + e^x) without overflow; x itself above 20 in F32
Var relu(const Var& x);
Var silu(const Var& x);  ///< x sigmoid(x)
Var gelu(const Var& x);  ///< x Phi(x), the exact form with erf
Var activate(const Var& x, Activation activation);

// Binary maps with NumPy broadcasting. Dtypes may differ: the result has the wider (F64 > F32 > BF16).
// Gradients are summed back over broadcast axes. Throws Error naming both shapes if they do not broadcast.
Var add(const Var& a, const Var& b);
Var sub(const Var& a, const Var& b);
Var mul(const Var& a, const Var& b);
Var div(const Var& a, const Var& b);
Var maximum(const Var& a, const Var& b);  ///< a tie sends the gradient to a
Var minimum(const Var& a, const Var& b);  ///< a tie sends the gradient to a
Var glu(const Var& a, const Var& b);      ///< a sigmoid(b)
/// a act(b): SwiGLU for silu, GeGLU for gelu, ReGLU for relu. Keeps a and b alone. Source: Shazeer 2020 (2002.05202).
Var gated(const Var& a, const Var& b, Activation act);

/// scale x + shift with plain numbers.
Var affine(const Var& x, double scale, double shift = 0);
/// a where condition is true, else b. condition: Bool, broadcasts with a and b; no gradient to it.
Var where(const Tensor& condition, const Var& a, const Var& b);
/// x, its padding as 0 whatever it holds (NaN too): zeros that sums over all rows can take in. x itself if no token is
/// padding. x: [B, L, ...]. Gradient: dy, 0 at padding.
Var zero_padding(const Var& x, const Runs& runs);
/// x in another floating dtype; x itself if it has it. Gradient: cast back.
Var cast(const Var& x, DType dtype);

inline Var operator+(const Var& a, const Var& b) { return add(a, b); }
inline Var operator-(const Var& a, const Var& b) { return sub(a, b); }
inline Var operator*(const Var& a, const Var& b) { return mul(a, b); }
inline Var operator/(const Var& a, const Var& b) { return div(a, b); }
inline Var operator-(const Var& x) { return neg(x); }
inline Var operator*(double scale, const Var& x) { return affine(x, scale); }

}  // namespace matmix
