#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "autograd/node.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::testing {

inline std::vector<double> values(const Tensor& x) { return to_vector<double>(x); }
inline std::vector<double> values(const Var& x) { return values(x.value()); }

inline Tensor tensor(const std::vector<double>& x, DType dtype = DType::F64, Device device = kCpu) {
  return to(cast(from_vector(x), dtype), device);
}

/// f(a_i, b_i), in double, rounded to a's dtype; shapes are equal.
template <class F>
Tensor zip(const Tensor& a, const Tensor& b, F f) {
  std::vector<double> x = values(a);
  const std::vector<double> y = values(b);
  for (size_t i = 0; i < x.size(); ++i) x[i] = f(x[i], y[i]);
  return to(cast(from_vector(x, a.shape()), a.dtype()), a.device());
}
inline Tensor times(const Tensor& a, const Tensor& b) {
  return zip(a, b, [](double x, double y) { return x * y; });
}

/// a * b. Both targets are taken before either is given, as a fused kernel would.
inline Var mul(const Var& a, const Var& b) {
  const Saved x(a.value(), "a"), y(b.value(), "b");
  return record("mul", {a, b}, times(a.value(), b.value()), [x, y](Backward& g) {
    const Tensor da = g.target(0), db = g.target(1);
    if (g.needs(0)) copy(da, times(g.dy(), y));
    if (g.needs(1)) copy(db, times(g.dy(), x));
    g.give(0, da);
    g.give(1, db);
  });
}

/// a + b; hands the very same tensor to both inputs.
inline Var add(const Var& a, const Var& b) {
  const auto plus = [](double x, double y) { return x + y; };
  return record("add", {a, b}, zip(a.value(), b.value(), plus), [](Backward& g) {
    g.give(0, g.dy());
    g.give(1, g.dy());
  });
}

/// Sum of all elements; the gradient has stride 0.
inline Var total(const Var& x) {
  double sum = 0;
  for (const double value : values(x)) sum += value;
  return record("total", {x}, full({}, sum, x.dtype(), x.device()),
                [shape = x.shape()](Backward& g) { g.give(0, g.dy().expand(shape)); });
}

/// x itself, without a copy.
inline Var same(const Var& x) {
  return record("same", {x}, x.value(), [](Backward& g) { g.give(0, g.dy()); });
}

/// (x^2, x^3): two outputs, one closure.
inline std::vector<Var> powers(const Var& x) {
  const Saved kept(x.value(), "x");
  const Tensor square = times(x.value(), x.value());
  return record("powers", {x}, {square, times(square, x.value())}, [kept](Backward& g) {
    const auto by_square = [](double dy, double v) { return 2 * v * dy; };
    const auto by_cube = [](double dy, double v) { return 3 * v * v * dy; };
    if (g.dy(0).defined()) g.give(0, zip(g.dy(0), kept, by_square));
    if (g.dy(1).defined()) g.give(0, zip(g.dy(1), kept, by_cube));
  });
}

/// The two halves of axis 0 as views, whose gradients live in one buffer.
inline std::vector<Var> halves(const Var& x) {
  const int64_t n = x.dim(0) / 2;
  const auto buffer = std::make_shared<Tensor>();
  const auto half = [n](const Tensor& whole, int slot) { return whole.narrow(0, slot * n, n); };
  const auto slot_of = [buffer, half, like = x.value()](int slot) {
    if (!buffer->defined()) *buffer = empty_like(like);
    return half(*buffer, slot);
  };
  const auto closure = [buffer, half](Backward& g) {
    const Tensor dx = std::exchange(*buffer, Tensor());
    for (int slot = 0; slot < 2; ++slot)
      if (!g.dy(slot).defined()) fill(half(dx, slot), 0);
    g.give(0, dx);
  };
  return record("halves", {x}, {half(x.value(), 0), half(x.value(), 1)}, closure, slot_of);
}

/// a + 3 b, adding to gradients in place where there is a buffer; all is read before anything is written.
inline Var add_thrice(const Var& a, const Var& b) {
  const auto thrice = [](double x, double y) { return x + 3 * y; };
  return record("add_thrice", {a, b}, zip(a.value(), b.value(), thrice), [](Backward& g) {
    Tensor place[2], dx[2];
    bool in_place[2];
    for (int i = 0; i < 2; ++i) {
      const auto sum = g.sum(i);
      in_place[i] = sum.has_value();
      place[i] = sum ? *sum : g.target(i);
      const auto grown = [&](double dy, double old) { return (i == 0 ? 1 : 3) * dy + (sum ? old : 0); };
      if (g.needs(i)) dx[i] = cast(zip(cast(g.dy(), place[i].dtype()), place[i], grown), place[i].dtype());
    }
    for (int i = 0; i < 2; ++i)
      if (g.needs(i)) copy(place[i], dx[i]);
    for (int i = 0; i < 2; ++i)
      if (!in_place[i]) g.give(i, place[i]);
  });
}

/// The message of the Error that f throws, "" if it throws none.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace matmix::testing
