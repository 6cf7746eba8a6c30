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
  /// All parts as cases of one law.
  void write(LawBook& book, const std::string& law, double tolerance) const;

 private:
  std::vector<Sums> parts_;
};

}  // namespace matmix::mixers::laws
