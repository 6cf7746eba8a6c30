#pragma once

#include <string>
#include <vector>

#include "mixers/laws/law_report.h"

namespace matmix::mixers::laws {

/// The comparisons of many cases, those of one part (y, the gradient of B_f, ...) end to end as one vector. The error
/// of a few numbers is luck, and a gradient that happens to cancel has no digits of its own; that of many is neither.
class Pool {
 public:
  /// ||got - want|| with what else there is to say of it.
  struct Sums {
    std::string part;
    double error = 0, size = 0;  ///< squares of got - want and want
    double worst = -1;           ///< share of `error` of the case `where`
    std::string where;

    /// ||got - want|| / ||want||; absolute where want is 0.
    double relative() const;
  };

  void add(const std::string& part, const Tensor& got, const Tensor& want, const std::string& where);
  void add(const Evaluation& got, const Evaluation& want, const std::string& where);
  const std::vector<Sums>& parts() const { return parts_; }
  /// That of the part; Error if there is none.
  double relative(const std::string& part) const;
  /// All parts as cases of the law that law_of(part) names, allowed(part) each.
  void write(LawBook& book, const std::function<std::string(const std::string& part)>& law_of,
             const std::function<double(const std::string& part)>& allowed) const;

 private:
  std::vector<Sums> parts_;
};

/// What rounding does to a mixer: the error of the explicit form in the subject's dtype, on the CPU, against the oracle,
/// part by part. F64, for which there is no better oracle, is measured in F32, in units of the last place: a rounding
/// has no scale.
class Rounding {
 public:
  explicit Rounding(const Subject& subject);

  /// Adds the sequences of these lengths, laid out so.
  void add(const std::vector<int64_t>& lengths, const Layout& layout);
  /// The same where `truth` is the oracle's result for `tokens` of the subject.
  void add(const Tokens& tokens, const Layout& layout, const Evaluation& truth);
  /// What a part ("y", "d v") may err; at least what the fast form itself states, if `states`.
  double allowed(const std::string& part, bool states = false) const;

 private:
  DType dtype_;
  std::unique_ptr<Subject> plain_, oracle_;
  Pool errors_;
};

}  // namespace matmix::mixers::laws
