#include "ops/elementwise/elementwise.h"

#include <algorithm>

#include "autograd/node.h"
#include "ops/elementwise/elementwise_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

void check_floating(const char* op, const char* name, const Var& x) {
  require(x.defined() && is_floating(x.dtype()), op, name, " must be a floating tensor, got ", x);
}

/// Where a kernel writes a gradient of dy's shape and dtype: the input's own place, if it is like that.
Tensor room_for(const Backward& b, int input) {
  const Tensor target = b.target(input);
  return target.shape() == b.dy().shape() && target.dtype() == b.dy().dtype() ? target : empty_like(b.dy());
}

/// The same where the gradient may still have to be summed over broadcast axes: then it is not rounded to BF16 before.
Tensor room_for_terms(const Backward& b, int input) {
  const Tensor target = b.target(input);
  const DType dtype = b.dy().dtype(), sums = accumulator(dtype);
  if (target.shape() != b.dy().shape()) return empty(b.dy().shape(), sums, b.dy().device());
  return target.dtype() == dtype || target.dtype() == sums ? target : empty_like(b.dy());
}

template <class F>
Var unary(const char* op, const Var& x) {
  check_floating(op, "x", x);
  const Tensor y = empty_like(x.value());
  kUnaryForward(x.device(), UnaryMaps::id<F>(), x.value(), y);
  const Saved kept = F::kKeeps == Keeps::kInput ? Saved(x.value(), "x") : Saved(y, "y");
  return record(op, {x}, y, [kept](Backward& b) {
    const Tensor dx = room_for(b, 0);
    kUnaryBackward(dx.device(), UnaryMaps::id<F>(), kept, b.dy(), dx);
    b.give(0, dx);
  });
}

Var affine(const char* op, const Var& x, double scale, double shift) {
  check_floating(op, "x", x);
  const Tensor y = empty_like(x.value());
  kAffine(x.device(), scale, shift, x.value(), y);
  return record(op, {x}, y, [scale](Backward& b) {
    const Tensor dx = room_for(b, 0);
    kAffine(dx.device(), scale, 0, b.dy(), dx);
    b.give(0, dx);
  });
}

/// a and b checked and of one dtype, and the shape they broadcast to.
struct Operands {
  Var a, b;
  Shape shape;

  Operands(const char* op, const Var& given_a, const Var& given_b) {
    check_floating(op, "a", given_a);
    check_floating(op, "b", given_b);
    require(given_a.device() == given_b.device(), op, "a and b must be on one device, got ", given_a, " and ", given_b);
    const DType wider = std::min(given_a.dtype(), given_b.dtype());
    a = cast(given_a, wider);
    b = cast(given_b, wider);
    shape = broadcast_shapes(a.shape(), b.shape(), op);
  }
};

template <class F>
Tensor binary_forward(const Operands& in) {
  const Tensor y = empty(in.shape, in.a.dtype(), in.a.device());
  kBinaryForward(y.device(), BinaryMaps::id<F>(), in.a.value().expand(in.shape), in.b.value().expand(in.shape), y);
  return y;
}

template <class F>
Var binary(const char* op, const Var& given_a, const Var& given_b) {
  const Operands in(op, given_a, given_b);
  const Saved kept_a(in.a.value(), "a"), kept_b(in.b.value(), "b");
  return record(op, {in.a, in.b}, binary_forward<F>(in), [=](Backward& b) {
    constexpr int kGradients[] = {BinaryGradients::id<GradientOfA<F>>(), BinaryGradients::id<GradientOfB<F>>()};
    const Shape& shape = b.dy().shape();
    for (const int input : {0, 1}) {
      if (!b.needs(input)) continue;
      const Tensor dx = room_for_terms(b, input);
      kBinaryBackward(dx.device(), kGradients[input], kept_a.get().expand(shape), kept_b.get().expand(shape), b.dy(),
                      dx);
      b.give(input, dx);
    }
  });
}

}  // namespace

Var neg(const Var& x) { return affine("neg", x, -1, 0); }
Var exp(const Var& x) { return unary<Exp>("exp", x); }
Var log(const Var& x) { return unary<Log>("log", x); }
Var sqrt(const Var& x) { return unary<Sqrt>("sqrt", x); }
Var rsqrt(const Var& x) { return unary<Rsqrt>("rsqrt", x); }
Var square(const Var& x) { return unary<Square>("square", x); }
Var reciprocal(const Var& x) { return unary<Reciprocal>("reciprocal", x); }
Var abs(const Var& x) { return unary<Abs>("abs", x); }
Var sin(const Var& x) { return unary<Sin>("sin", x); }
Var cos(const Var& x) { return unary<Cos>("cos", x); }
Var tanh(const Var& x) { return unary<Tanh>("tanh", x); }
Var sigmoid(const Var& x) { return unary<Sigmoid>("sigmoid", x); }
Var softplus(const Var& x) { return unary<Softplus>("softplus", x); }
Var relu(const Var& x) { return unary<Relu>("relu", x); }
Var silu(const Var& x) { return unary<Silu>("silu", x); }
Var gelu(const Var& x) { return unary<Gelu>("gelu", x); }

Var activate(const Var& x, Activation activation) {
  return dispatch_activation(activation, [&]<class F>() {
    if constexpr (std::is_same_v<F, Identity>)
      return x;
    else
      return unary<F>(to_string(activation).data(), x);
  });
}

Var mul(const Var& a, const Var& b) { return binary<Mul>("mul", a, b); }
Var div(const Var& a, const Var& b) { return binary<Div>("div", a, b); }
Var maximum(const Var& a, const Var& b) { return binary<Maximum>("maximum", a, b); }
Var minimum(const Var& a, const Var& b) { return binary<Minimum>("minimum", a, b); }
Var glu(const Var& a, const Var& b) { return binary<Gated<Sigmoid>>("glu", a, b); }

Var gated(const Var& a, const Var& b, Activation act) {
  return dispatch_activation(act, [&]<class F>() {
    if constexpr (std::is_same_v<F, Identity>)
      return mul(a, b);
    else
      return binary<Gated<F>>("gated", a, b);
  });
}

Var add(const Var& a, const Var& b) {
  const Operands in("add", a, b);
  return record("add", {in.a, in.b}, binary_forward<Add>(in), [](Backward& back) {
    back.give(0, back.dy());
    back.give(1, back.dy());
  });
}

Var sub(const Var& a, const Var& b) {
  const Operands in("sub", a, b);
  return record("sub", {in.a, in.b}, binary_forward<Sub>(in), [](Backward& back) {
    back.give(0, back.dy());
    if (!back.needs(1)) return;
    const Tensor db = room_for(back, 1);
    kAffine(db.device(), -1, 0, back.dy(), db);
    back.give(1, db);
  });
}

Var affine(const Var& x, double scale, double shift) { return affine("affine", x, scale, shift); }

Var where(const Tensor& condition, const Var& a, const Var& b) {
  require(condition.defined() && condition.dtype() == DType::Bool, "where", "condition must be Bool, got ", condition);
  const Operands in("where", a, b);
  require(condition.device() == in.a.device(), "where", "condition must be on ", in.a.device(), ", got ", condition);
  const Shape shape = broadcast_shapes(condition.shape(), in.shape, "where");
  const Tensor y = empty(shape, in.a.dtype(), in.a.device());
  kWhere(y.device(), condition.expand(shape), in.a.value().expand(shape), in.b.value().expand(shape), y);
  return record("where", {in.a, in.b}, y, [condition = Saved(condition, "condition")](Backward& back) {
    const Tensor& dy = back.dy();
    const Tensor chosen = condition.get().expand(dy.shape());
    const Tensor zero = zeros({}, dy.dtype(), dy.device()).expand(dy.shape());
    for (const int input : {0, 1}) {
      if (!back.needs(input)) continue;
      const Tensor dx = room_for(back, input);
      kWhere(dx.device(), chosen, input == 0 ? dy : zero, input == 0 ? zero : dy, dx);
      back.give(input, dx);
    }
  });
}

Var zero_padding(const Var& x, const Runs& runs) {
  check_floating("zero_padding", "x", x);
  require(x.rank() >= 2 && x.dim(0) == runs.B() && x.dim(1) == runs.L(), "zero_padding", "x must be [", runs.B(), ", ",
          runs.L(), ", ...], got ", x);
  if (runs.is_full()) return x;
  Shape shape{runs.B(), runs.L()};
  while (shape.rank() < x.rank()) shape.push_back(1);
  return where(runs.mask(x.device()).reshape(shape), x, zeros({}, x.dtype(), x.device()));
}

Var cast(const Var& x, DType dtype) {
  check_floating("cast", "x", x);
  require(is_floating(dtype), "cast", "dtype must be F64, F32 or BF16, got ", dtype);
  if (x.dtype() == dtype) return x;
  return record("cast", {x}, cast(x.value(), dtype), [](Backward& b) { b.give(0, b.dy()); });
}

}  // namespace matmix
