#include "mixers/laws/error_sums.h"

#include <algorithm>
#include <cmath>

#include "tensor/transfer.h"

namespace matmix::mixers::laws {
namespace {

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::isfinite(sum) ? sum : INFINITY;
}

}  // namespace

double Pool::Sums::relative() const { return std::sqrt(error / (size > 0 ? size : 1)); }

void Pool::add(const std::string& part, const Tensor& got, const Tensor& want, const std::string& where) {
  auto known = std::ranges::find(parts_, part, &Sums::part);
  if (known == parts_.end()) {
    known = parts_.emplace(known);
    known->part = part;
  }
  const std::vector<double> values = to_vector<double>(want);
  const double error = squared_distance(to_vector<double>(got), values);
  known->error += error;
  for (const double x : values) known->size += x * x;
  if (error > known->worst) known->worst = error, known->where = where;
}

void Pool::add(const Evaluation& got, const Evaluation& want, const std::string& where) {
  add("y", got.y, want.y, where);
  for (size_t i = 0; i < got.gradients.size(); ++i)
    add("d " + got.gradients[i].name, got.gradients[i].value, want.gradients[i].value, where);
}

double Pool::relative(const std::string& part) const {
  const auto found = std::ranges::find(parts_, part, &Sums::part);
  require(found != parts_.end(), "laws", "no errors were added for '", part, "'");
  return found->relative();
}

void Pool::write(LawBook& book, const std::string& law, double tolerance) const {
  for (const Sums& s : parts_) book.add(law, s.relative(), tolerance, s.where + ", " + s.part);
}

}  // namespace matmix::mixers::laws
