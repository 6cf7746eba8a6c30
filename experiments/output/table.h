#pragma once

#include <string>
#include <utility>
#include <vector>

namespace matmix::experiments {

/// Columns of a fixed width (negative: aligned left), printed line by line.
class Table {
 public:
  explicit Table(std::vector<std::pair<std::string, int>> columns) : columns_(std::move(columns)) {}
  void head() const;
  void row(const std::vector<std::string>& cells) const;

 private:
  std::vector<std::pair<std::string, int>> columns_;
};
/// x with so many digits behind the point, or with six that count where it is beyond a billion; "-" for NaN.
std::string decimal(double x, int digits);
/// "12.3", with three digits that count.
std::string short_number(double x);

}  // namespace matmix::experiments
