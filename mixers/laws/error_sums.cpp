#include "mixers/laws/error_sums.h"

#include <algorithm>
#include <cmath>

#include "tensor/tolerance.h"
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

void Pool::write(LawBook& book, const std::function<std::string(const std::string&)>& law_of,
                 const std::function<double(const std::string&)>& allowed) const {
  for (const Sums& s : parts_) book.add(law_of(s.part), s.relative(), allowed(s.part), s.where + ", " + s.part);
}

Rounding::Rounding(const Subject& subject)
    : dtype_(subject.setting().dtype),
      plain_(subject.in(dtype_ == DType::F64 ? DType::F32 : dtype_, kCpu)),
      oracle_(plain_->in(DType::F64, kCpu)) {}

void Rounding::add(const std::vector<int64_t>& lengths, const Layout& layout) {
  const Tokens tokens = plain_->draw_tokens(lengths);
  add(tokens, layout, evaluate(*oracle_, tokens, layout, Form::kExplicit));
}

void Rounding::add(const Tokens& tokens, const Layout& layout, const Evaluation& truth) {
  errors_.add(evaluate(*plain_, tokens, layout, Form::kExplicit), truth, layout.name);
}

double Rounding::allowed(const std::string& part, bool states) const {
  const DType measured = plain_->setting().dtype;
  const double allowed = tolerance_beside(dtype_, errors_.relative(part) * epsilon(dtype_) / epsilon(measured));
  return states ? std::max(allowed, plain_->mixer().traits().accuracy) : allowed;
}

}  // namespace matmix::mixers::laws
