#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "autograd/node.h"
#include "tensor/create.h"
#include "tensor/random.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

using Function = std::function<std::vector<Var>(const std::vector<Var>&)>;
using Values = std::vector<double>;

std::vector<Var> floating(const std::vector<Var>& outputs) {
  std::vector<Var> kept;
  for (const Var& y : outputs)
    if (y.defined() && is_floating(y.dtype())) kept.push_back(y);
  return kept;
}

/// The derivative of the loss along `direction` is taken in steps of `h`.
struct Probe {
  Values direction;
  double h;
};

Probe along_element(const Values& x, size_t k, double step) {
  Probe probe{Values(x.size(), 0), step * std::max(1.0, std::abs(x[k]))};
  probe.direction[k] = 1;
  return probe;
}

/// Of length 1 after division by max(1, |x|).
Probe along_random(const Values& x, const RandomKey& key, double step) {
  const Tensor normal = empty({static_cast<int64_t>(x.size())}, DType::F64);
  random_normal(normal, 0, 1, key);
  Probe probe{to_vector<double>(normal), step};
  double square = 0;
  for (const double d : probe.direction) square += d * d;
  for (size_t i = 0; i < x.size(); ++i) probe.direction[i] *= std::max(1.0, std::abs(x[i])) / std::sqrt(square);
  return probe;
}

class Gradcheck {
 public:
  Gradcheck(std::string op, const Function& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options)
      : op_(std::move(op)), f_(f), inputs_(inputs), options_(options) {
    draw_weights();
    gradients_ = analytic();
    again_ = analytic();
  }

  GradError argument(size_t a) const {
    const Values x = to_vector<double>(inputs_[a]);
    const bool full = inputs_[a].numel() <= options_.full_up_to;
    const size_t probes = full ? x.size() : static_cast<size_t>(options_.directions);
    GradError worst{op_, name(a), "none"};
    double largest = 0, difference = -1;
    for (size_t k = 0; k < probes; ++k) {
      const Probe probe =
          full ? along_element(x, k, options_.step) : along_random(x, key("direction", k), options_.step);
      const double want = numeric(a, x, probe), got = slope(gradients_[a], probe);
      largest = std::max(largest, std::abs(want));
      if (std::abs(got - want) <= difference) continue;
      difference = std::abs(got - want);
      worst.analytic = got;
      worst.numeric = want;
      worst.index = full ? to_string(unravel(static_cast<int64_t>(k), inputs_[a].shape())) : text("direction ", k);
      if (std::isnan(difference)) break;
    }
    if (probes > 0) worst.error = largest > 0 ? difference / largest : difference;
    return repeatable(a, worst);
  }

 private:
  RandomKey key(const char* use, size_t k) const {
    return {.seed = options_.seed, .stream = stream_of(text("gradcheck ", use)), .step = k};
  }

  std::string name(size_t a) const { return a < options_.names.size() ? options_.names[a] : text("input ", a); }

  void draw_weights() {
    for (const Var& y : outputs_at(inputs_)) {
      require(y.dtype() == DType::F64, "gradcheck", "outputs of ", op_, " must be F64, got ", y);
      weights_.push_back(empty(y.shape(), DType::F64, y.device()));
      random_normal(weights_.back(), 0, 1, key("weights", weights_.size()));
      weight_values_.push_back(to_vector<double>(weights_.back()));
    }
  }

  std::vector<Var> outputs_at(const std::vector<Tensor>& inputs) const {
    const NoGrad values_only;
    return floating(f_({inputs.begin(), inputs.end()}));
  }

  std::vector<Values> analytic() const {
    const WithGrad recording;
    std::vector<Var> leaves;
    for (size_t a = 0; a < inputs_.size(); ++a) leaves.push_back(leaf(inputs_[a], name(a)));
    const Var loss = record("gradcheck", floating(f_(leaves)), zeros({}, DType::F64), [this](Backward& b) {
      for (size_t i = 0; i < weights_.size(); ++i) b.give(static_cast<int>(i), weights_[i]);
    });
    if (loss.requires_grad()) backward(loss);
    std::vector<Values> gradients;
    for (const Var& x : leaves)
      gradients.push_back(x.grad().defined() ? to_vector<double>(x.grad()) : Values(static_cast<size_t>(x.numel()), 0));
    return gradients;
  }

  std::vector<Values> outputs_at(size_t a, Values x, const Values& direction, double t) const {
    for (size_t i = 0; i < x.size(); ++i) x[i] += t * direction[i];
    std::vector<Tensor> inputs = inputs_;
    inputs[a] = from_vector(x, inputs_[a].shape(), inputs_[a].device());
    std::vector<Values> values;
    for (const Var& y : outputs_at(inputs)) values.push_back(to_vector<double>(y.value()));
    return values;
  }

  /// Five-point stencil. The outputs are subtracted before they are summed, which loses fewer digits than
  /// subtracting losses.
  double numeric(size_t a, const Values& x, const Probe& probe) const {
    const auto at = [&](double steps) { return outputs_at(a, x, probe.direction, steps * probe.h); };
    const auto right = at(1), left = at(-1), far_right = at(2), far_left = at(-2);
    double sum = 0;
    for (size_t i = 0; i < weight_values_.size(); ++i)
      for (size_t j = 0; j < weight_values_[i].size(); ++j)
        sum += weight_values_[i][j] * (8 * (right[i][j] - left[i][j]) - (far_right[i][j] - far_left[i][j]));
    return sum / (12 * probe.h);
  }

  static double slope(const Values& gradient, const Probe& probe) {
    double sum = 0;
    for (size_t i = 0; i < gradient.size(); ++i)
      if (probe.direction[i] != 0) sum += gradient[i] * probe.direction[i];  // a NaN elsewhere is not this slope's
    return sum;
  }

  /// `error`, or what differs in bits between two runs.
  GradError repeatable(size_t a, GradError error) const {
    for (size_t i = 0; i < gradients_[a].size(); ++i) {
      if (std::memcmp(&gradients_[a][i], &again_[a][i], sizeof(double)) == 0) continue;
      error.index = to_string(unravel(static_cast<int64_t>(i), inputs_[a].shape())) + " of two runs";
      error.analytic = gradients_[a][i];
      error.numeric = again_[a][i];
      error.error = INFINITY;
      break;
    }
    return error;
  }

  std::string op_;
  const Function& f_;
  const std::vector<Tensor>& inputs_;
  const GradcheckOptions& options_;
  std::vector<Tensor> weights_;
  std::vector<Values> weight_values_, gradients_, again_;
};

}  // namespace

double GradcheckReport::worst() const {
  double worst = 0;
  for (const GradError& e : arguments) worst = std::isnan(e.error) ? INFINITY : std::max(worst, e.error);
  return worst;
}

std::string GradcheckReport::text() const {
  size_t op = 2, argument = 8, index = 5;
  for (const GradError& e : arguments) {
    op = std::max(op, e.op.size());
    argument = std::max(argument, e.argument.size());
    index = std::max(index, e.index.size());
  }
  const auto row = [&](const auto&... cells) {
    return fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>22}  {:>22}  {:>9}\n", cells...);
  };
  std::string s = row("op", op, "argument", argument, "index", index, "analytic", "numeric", "error");
  for (const GradError& e : arguments)
    s += row(e.op, op, e.argument, argument, e.index, index, fmt::format("{:.15e}", e.analytic),
             fmt::format("{:.15e}", e.numeric), fmt::format("{:.2e}", e.error));
  return s;
}

GradcheckReport gradcheck(const std::string& op, const Function& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  for (const Tensor& x : inputs)
    require(x.dtype() == DType::F64, "gradcheck", "inputs of ", op, " must be F64, got ", x);
  const Gradcheck check(op, f, inputs, options);
  GradcheckReport report;
  for (size_t a = 0; a < inputs.size(); ++a) report.arguments.push_back(check.argument(a));
  return report;
}

}  // namespace matmix
