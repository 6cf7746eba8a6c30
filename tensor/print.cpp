#include "tensor/print.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tensor/transfer.h"

namespace matmix {
namespace {

std::string formatted(const char* format, int precision, double value) {
  if (std::isnan(value)) return "nan";
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, format, precision, value);
  return buffer;
}

/// One format for all values: fixed with as few digits as all of them need, or scientific where that would be long or
/// lose the small ones.
std::vector<std::string> format_floats(const std::vector<double>& values, int precision) {
  double largest = 0, smallest = INFINITY;
  for (const double v : values)
    if (std::isfinite(v) && v != 0) {
      largest = std::max(largest, std::abs(v));
      smallest = std::min(smallest, std::abs(v));
    }
  const bool scientific =
      largest >= 1e8 || (largest > 0 && smallest < 1e-4 && largest < 1e-1) || largest / smallest > 1e8;
  std::vector<std::string> cells;
  size_t needed = 0;  // digits after the point
  for (const double v : values) {
    cells.push_back(formatted(scientific ? "%.*e" : "%.*f", precision, v));
    const size_t point = cells.back().find('.');
    if (point != std::string::npos) needed = std::max(needed, cells.back().find_last_not_of('0') - point);
  }
  if (scientific) return cells;
  for (size_t i = 0; i < values.size(); ++i)
    if (std::isfinite(values[i])) cells[i] = formatted("%.*f", static_cast<int>(needed), values[i]);
  return cells;
}

std::vector<std::string> format_integers(const std::vector<int64_t>& values, bool truth) {
  std::vector<std::string> cells;
  for (const int64_t v : values) cells.push_back(truth ? (v ? "true" : "false") : std::to_string(v));
  return cells;
}

/// Walks the shown elements twice in the same order: once for their values, once for their layout.
class Printer {
 public:
  Printer(const Tensor& x, const PrintOptions& options) : x_(to(x, kCpu)), options_(options) {
    const bool floating = is_floating(x.dtype());
    std::vector<double> floats;
    std::vector<int64_t> integers;
    for_each_shown(x_, [&](const Tensor& element) {
      if (floating)
        floats.push_back(item<double>(element));
      else
        integers.push_back(item<int64_t>(element));
    });
    cells_ = floating ? format_floats(floats, options.precision) : format_integers(integers, x.dtype() == DType::Bool);
    for (const std::string& cell : cells_) cell_width_ = std::max(cell_width_, cell.size());
  }

  std::string print() {
    print_axis(x_, 1);
    return std::move(out_);
  }

 private:
  bool elided(int64_t size) const { return x_.numel() > options_.threshold && size > 2 * options_.edge; }
  /// The index shown after i: the one after the gap where axes are elided.
  int64_t after(int64_t i, int64_t size) const {
    return elided(size) && i + 1 == options_.edge ? size - options_.edge : i + 1;
  }

  template <class F>
  void for_each_shown(const Tensor& x, const F& f) const {
    if (x.rank() == 0) return f(x);
    for (int64_t i = 0; i < x.dim(0); i = after(i, x.dim(0))) for_each_shown(x.select(0, i), f);
  }

  void put_cell() {
    const std::string& cell = cells_[next_++];
    out_ += std::string(cell_width_ - cell.size(), ' ') + cell;
  }

  /// `indent`: columns before the elements of x, one a bracket.
  void print_axis(const Tensor& x, int64_t indent) {
    if (x.rank() == 0) return put_cell();
    const int64_t size = x.dim(0);
    out_ += '[';
    for (int64_t i = 0; i < size; i = after(i, size)) {
      if (i > 0) separate(x, indent, i, size);
      print_axis(x.select(0, i), indent + 1);
    }
    out_ += ']';
  }

  void separate(const Tensor& x, int64_t indent, int64_t i, int64_t size) {
    const bool gap = elided(size) && i == size - options_.edge;
    if (x.rank() > 1) {
      const std::string line =
          std::string(static_cast<size_t>(x.rank() - 1), '\n') + std::string(static_cast<size_t>(indent), ' ');
      out_ += gap ? "," + line + "..." + "," + line : "," + line;
      return;
    }
    out_ += gap ? ", ..., " : ", ";
    const auto column = static_cast<int64_t>(out_.size() - (out_.rfind('\n') + 1));
    if (column + static_cast<int64_t>(cell_width_) < options_.width) return;
    out_.back() = '\n';
    out_ += std::string(static_cast<size_t>(indent), ' ');
  }

  Tensor x_;
  PrintOptions options_;
  std::vector<std::string> cells_;
  size_t cell_width_ = 0;
  size_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string print(const Tensor& x, const PrintOptions& options) {
  if (!x.defined()) return to_string(x);
  require(options.precision >= 0 && options.edge > 0, "print", "precision must not be negative and edge positive, got ",
          options.precision, " and ", options.edge);
  return Printer(x, options).print();
}

}  // namespace matmix
