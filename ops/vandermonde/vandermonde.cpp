#include "ops/vandermonde/vandermonde.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/elementwise/elementwise.h"
#include "ops/fft/fft.h"
#include "ops/layout/layout.h"
#include "ops/low_rank/low_rank.h"
#include "ops/matmul/matmul.h"
#include "ops/reduce/reduce.h"
#include "ops/vandermonde/vandermonde_check.h"
#include "ops/vandermonde/vandermonde_kernels.h"
#include "tensor/create.h"
#include "tensor/math_mode.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

constexpr const char* kVandermonde = "vandermonde";
constexpr int64_t kShort = 256;    ///< tokens up to which entries are no slower than the grid
constexpr double kSmallAngle = 2;  ///< up to which kSeriesTerms of the cosine's series are exact in F64
constexpr int kSeriesTerms = 10;   ///< 2^22 / 22! = 4e-15 is left out

Tensor gather(const VandermondeBasis& basis, const Tensor& x, const Tensor& w) {
  const Tensor y = empty({w.dim(0), x.dim(1), w.dim(2), w.dim(3)}, w.dtype(), w.device());
  kVandermondeGather(w.device(), basis, over_batch(x, w.dim(0)), dense_rows(w), y);
  return y;
}
Tensor spread(const VandermondeBasis& basis, const Tensor& x, const Tensor& u) {
  const int64_t places = basis.grid.n > 0 ? basis.grid.rows() : u.dim(1);
  const Tensor S = empty({u.dim(0), places, u.dim(2), u.dim(3)}, u.dtype(), u.device());
  kVandermondeSpread(u.device(), basis, over_batch(x, u.dim(0)), dense_rows(u), S);
  return S;
}
Tensor slope(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u) {
  const Tensor rows = over_batch(x, u.dim(0)), dx = empty(rows.shape(), x.dtype(), x.device());
  kVandermondeSlope(u.device(), basis, rows, dense_rows(w), dense_rows(u), dx);
  return dx;
}

/// N w of the kernels' contract.
Var gathered(const VandermondeBasis& basis, const Var& x, const Var& w) {
  return record(kVandermonde, {x, w}, gather(basis, x.value(), w.value()),
                [basis, x = Saved(x.value(), "x"), w = Saved(w.value(), "w")](Backward& b) {
                  if (b.needs(0)) b.give(0, slope(basis, x, w, b.dy()));
                  if (b.needs(1)) b.give(1, spread(basis, x, b.dy()));
                });
}
/// N' u.
Var spread_out(const VandermondeBasis& basis, const Var& x, const Var& u) {
  return record(kVandermonde, {x, u}, spread(basis, x.value(), u.value()),
                [basis, x = Saved(x.value(), "x"), u = Saved(u.value(), "u")](Backward& b) {
                  if (b.needs(0)) b.give(0, slope(basis, x, b.dy(), u));
                  if (b.needs(1)) b.give(1, gather(basis, x, b.dy()));
                });
}

/// The ones of both terms cancel, so they are left out of both.
double lift_of(const VandermondeOptions& options) { return options.sign == -1 ? 1 : 0; }

Var by_entries(const Var& q, const Var& k, const Var& v, const VandermondeOptions& options) {
  const VandermondeBasis basis{.eps = options.eps, .lift = lift_of(options)};
  return gathered(basis, q, v) + affine(spread_out(basis, k, v), options.sign);
}

/// powers x, or their transpose, of x [B, *, H, P]; in full F32 where TF32 is allowed too.
Tensor times_powers(const Tensor& powers, const Tensor& x, bool transpose) {
  const Tf32Scope strict(false);
  const std::vector<int> heads_first{0, 2, 1, 3};
  const Var y = matmul(powers, permute(x, heads_first), {.transpose_a = transpose});
  return permute(y, heads_first).value();
}
Var by_powers(const Tensor& powers, const Var& x, bool transpose = false) {
  return record(
      kVandermonde, {x}, times_powers(powers, x.value(), transpose),
      [=, powers = Saved(powers, "powers")](Backward& b) { b.give(0, times_powers(powers, b.dy(), !transpose)); });
}

Var by_grid(const Var& q, const Var& k, const Var& v, const VandermondeOptions& options) {
  const int64_t L = v.dim(1);
  const double usual = v.dtype() == DType::F64 ? 1e-10 : 1e-7;
  const Grid grid = Grid::of(L, options.accuracy > 0 ? options.accuracy : usual);
  const VandermondeBasis basis{.eps = options.eps, .lift = lift_of(options), .grid = grid};
  const Tensor filter = empty({L, 1, 1}, v.dtype(), v.device());
  const Tensor powers = empty({L, Grid::kMoments}, v.dtype(), v.device());
  kVandermondeTables(v.device(), grid, filter, powers);
  const Var waves = cosine_transform(pad(v * filter, 1, 0, grid.points() - L), 1, grid.n);
  const Var first = gathered(basis, q, concat({waves, by_powers(powers, v, true)}, 1));
  const std::vector<Var> rows = split(spread_out(basis, k, v), {grid.points(), Grid::kMoments}, 1);
  const Var second = narrow(cosine_transform(rows[0], 1, grid.n), 1, 0, L) * filter + by_powers(powers, rows[1]);
  return first + affine(second, options.sign);
}

/// sum_d (2 pi eps x_id L)^(2 r) for r in [first, kSeriesTerms], [n, L, H, terms].
Var powers(const Var& x, double eps, int first) {
  const Var angles = affine(x, 2 * std::numbers::pi * eps * static_cast<double>(x.dim(1)));
  const Var squares = square(angles);
  std::vector<Var> columns;
  if (first == 0) columns.push_back(full({x.dim(0), x.dim(1), x.dim(2), 1}, static_cast<double>(x.dim(3)), x.dtype()));
  Var power = squares;
  for (int r = 1; r <= kSeriesTerms; ++r) {
    columns.push_back(sum(power, {3}, true));
    if (r < kSeriesTerms) power = power * squares;
  }
  return concat(columns, 3);
}

/// (-1)^r (j / L)^(2 r) / (2 r)!, [1, L, 1, terms].
Tensor coefficients(int64_t L, int first, DType dtype) {
  std::vector<double> table;
  for (int64_t j = 0; j < L; ++j) {
    const double place = static_cast<double>(j) / static_cast<double>(L);
    double term = 1;
    for (int r = 0; r <= kSeriesTerms; ++r) {
      if (r >= first) table.push_back(term);
      term *= -place * place / ((2 * r + 1) * (2 * r + 2));
    }
  }
  return cast(from_vector(table, {1, L, 1, kSeriesTerms + 1 - first}), dtype);
}

Var by_series(const Var& q, const Var& k, const Var& v, const VandermondeOptions& options) {
  const int first = lift_of(options) == 1 ? 1 : 0;
  const int64_t B = std::max(q.dim(0), k.dim(0)), L = v.dim(1), H = v.dim(2), terms = kSeriesTerms + 1 - first;
  const Shape shape{B, L, H, terms};
  const Var places = coefficients(L, first, v.dtype()).expand(shape);
  const Var rows = expand(powers(q, options.eps, first), shape), columns = expand(powers(k, options.eps, first), shape);
  return low_rank(concat({rows, affine(places, options.sign)}, 3), concat({places, columns}, 3), v);
}

/// The largest |x|; NaN if there is one. On the CPU.
double largest(const Tensor& x) {
  double largest = 0;
  for (const double value : to_vector<double>(x)) {
    if (std::isnan(value)) return value;
    largest = std::max(largest, std::fabs(value));
  }
  return largest;
}

VandermondeForm form_of(const Var& q, const Var& k, const VandermondeOptions& options) {
  if (options.form != VandermondeForm::kAuto) return options.form;
  const VandermondeForm for_all = q.dim(1) <= kShort ? VandermondeForm::kEntries : VandermondeForm::kGrid;
  if (q.device().is_cuda()) return for_all;
  const double angle = 2 * std::numbers::pi * std::fabs(options.eps) * static_cast<double>(q.dim(1));
  const double a = largest(q.value()), b = largest(k.value());
  return angle * a <= kSmallAngle && angle * b <= kSmallAngle ? VandermondeForm::kSeries : for_all;
}

}  // namespace

void check_vandermonde(const Var& q, const Var& k, const VandermondeOptions& options) {
  require(q.defined() && q.rank() == 4 && is_floating(q.dtype()) && q.dim(2) > 0 && q.dim(3) > 0, kVandermonde,
          "q must be floating [B, L, H, E] with H and E positive, got ", q);
  require(k.defined() && k.rank() == 4 && (k.dim(0) == q.dim(0) || k.dim(0) == 1 || q.dim(0) == 1) &&
              k.dim(1) == q.dim(1) && k.dim(2) == q.dim(2) && k.dim(3) == q.dim(3) && k.dtype() == q.dtype() &&
              k.device() == q.device(),
          kVandermonde, "k must be as q, which is ", q, ", got ", k);
  require(options.accuracy >= 0 && options.accuracy < 1, kVandermonde, "accuracy must be in [0, 1), got ",
          options.accuracy);
  require(q.device() == kCpu || options.form != VandermondeForm::kSeries, kVandermonde, "form must not be kSeries on ",
          q.device());
}

Var vandermonde(const Var& q, const Var& k, const Var& v, const VandermondeOptions& options) {
  check_vandermonde(q, k, options);
  require(v.defined() && v.rank() == 4 && v.dim(1) == q.dim(1) && v.dim(2) == q.dim(2) && v.dim(3) > 0 &&
              v.dtype() == q.dtype() && v.device() == q.device() && (q.dim(0) == 1 || q.dim(0) == v.dim(0)) &&
              (k.dim(0) == 1 || k.dim(0) == v.dim(0)),
          kVandermonde, "v must be [B, L, H, P] in the dtype and on the device of q, which is ", q, ", got ", v);
  if (v.numel() == 0) return v;
  const DType dtype = accumulator(v.dtype());
  const Var rows = cast(q, dtype), columns = cast(k, dtype), values = cast(v, dtype);
  const auto product = [&] {
    switch (form_of(rows, columns, options)) {
      case VandermondeForm::kSeries: return by_series(rows, columns, values, options);
      case VandermondeForm::kGrid: return by_grid(rows, columns, values, options);
      default: return by_entries(rows, columns, values, options);
    }
  };
  return cast(affine(product(), options.scale), v.dtype());
}

}  // namespace matmix
