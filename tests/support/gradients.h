#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "autograd/var.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

// Lists of an op's inputs, and of its results with the gradients of those inputs: undefined where left out.
namespace matmix::testing {

inline std::vector<Var> leaves(const std::vector<Tensor>& in) {
  std::vector<Var> v;
  for (const Tensor& x : in) v.push_back(x.defined() ? leaf(x) : Var());
  return v;
}

/// After backward, appends the gradient of every leaf to `results`: 0 where none came.
inline void append_gradients(const std::vector<Var>& v, std::vector<Tensor>& results) {
  for (const Var& x : v)
    results.push_back(!x.defined()         ? Tensor()
                      : x.grad().defined() ? x.grad()
                                           : zeros(x.shape(), x.dtype(), x.device()));
}

/// The inputs as BF16 training has them: those that are not streams of tokens stay F32.
template <class IsByToken>
std::vector<Tensor> in_dtype(std::vector<Tensor> in, DType dtype, Device device, IsByToken is_by_token) {
  for (size_t a = 0; a < in.size(); ++a)
    if (in[a].defined())
      in[a] = to(cast(in[a], dtype == DType::BF16 && !is_by_token(static_cast<int>(a)) ? DType::F32 : dtype), device);
  return in;
}

inline void check_same_bits(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  for (size_t i = 0; i < got.size(); ++i)
    if (want[i].defined()) CHECK(same_bits(got[i], want[i]));
}

/// name_of(i): what result i is called where it is not close.
template <class NameOf>
void check_close(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance, NameOf name_of) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (!want[i].defined()) continue;
    CAPTURE(name_of(i));
    CHECK(relative_error(got[i], want[i]) <= tolerance);
  }
}

}  // namespace matmix::testing
