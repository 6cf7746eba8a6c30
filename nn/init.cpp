#include "nn/init.h"

#include <array>
#include <cmath>

#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::nn {
namespace {

constexpr std::array<std::string_view, 5> kNames{"constant", "normal", "uniform", "log_of_uniform",
                                                 "inverse_softplus_of_log_uniform"};  // in order of Init::Kind

std::string_view name_of(const Init& init) { return kNames[static_cast<size_t>(init.kind)]; }

template <class F>
void map(const Tensor& x, F f) {
  double* values = x.data<double>();
  for (int64_t i = 0; i < x.numel(); ++i) values[i] = f(values[i]);
}

constexpr double kSmallestStep = 1e-4;  // of dt

/// The b with log(1 + e^b) = y, y > 0.
double inverse_softplus(double y) { return y + std::log(-std::expm1(-y)); }

/// Of x, F64 on the CPU.
void draw(const Tensor& x, const Init& init, const RandomKey& key) {
  switch (init.kind) {
    case Init::Kind::kConstant: return fill(x, init.a);
    case Init::Kind::kNormal: return random_normal(x, init.a, init.b, key);
    case Init::Kind::kUniform: return random_uniform(x, init.a, init.b, key);
    case Init::Kind::kLogOfUniform:
      random_uniform(x, init.a, init.b, key);
      return map(x, [](double u) { return std::log(u); });
    case Init::Kind::kInverseSoftplusOfLogUniform:
      random_uniform(x, std::log(init.a), std::log(init.b), key);
      return map(x, [](double u) { return inverse_softplus(std::max(kSmallestStep, std::exp(u))); });
  }
}

}  // namespace

Init Init::linear_uniform(int64_t fan_in) {
  require(fan_in > 0, "linear_uniform", "fan_in must be positive, got ", fan_in);
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return uniform(-bound, bound);
}

std::string to_string(const Init& init) {
  return init.kind == Init::Kind::kConstant ? text(name_of(init), "(", init.a, ")")
                                            : text(name_of(init), "(", init.a, ", ", init.b, ")");
}

void initialize(const Tensor& master, const Init& init, const RandomKey& key) {
  require(is_floating(master.dtype()), "initialize", "master must be floating, got ", master);
  const bool takes_log =
      init.kind == Init::Kind::kLogOfUniform || init.kind == Init::Kind::kInverseSoftplusOfLogUniform;
  require(!takes_log || init.a > 0, "initialize", name_of(init), " must have low > 0, got ", init.a);
  const Tensor drawn = empty(master.shape(), DType::F64);
  draw(drawn, init, key);
  copy(master, drawn);
}

}  // namespace matmix::nn
