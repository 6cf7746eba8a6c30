#include "ops/quasiseparable/quasiseparable.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/backward.h"
#include "autograd/trace.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/gradients.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

/// What a problem is made of; arguments and results are lists in this order, undefined where left out.
enum Argument { kX, kDtF, kDtB, kDtBias, kALog, kBF, kBB, kCF, kCB, kDelta, kInitialF, kInitialB, kArguments };
const char* const kNames[] = {"dx",   "ddt_f", "ddt_b", "ddt_bias", "dA_log",     "dB_f",
                              "dB_b", "dC_f",  "dC_b",  "ddelta",   "dinitial_f", "dinitial_b"};

struct Problem {
  int64_t B = 2, L = 7, H = 4, P = 3, G = 2, N = 2;
  bool bias = true, decay = true, delta = true, initial = true;
  QuasiseparableOptions options = {};
};

bool is_by_token(int argument) { return argument != kDtBias && argument != kALog && argument < kInitialF; }

std::vector<Tensor> draw(const Problem& p) {
  const Shape step{p.B, p.L, p.H}, rows{p.B, p.L, p.G, p.N}, state{p.H, p.P, p.N};
  std::vector<Tensor> in(kArguments);
  const auto fill = [&](Argument a, const Shape& shape) { in[a] = random_tensor(shape, 100 + a); };
  fill(kX, {p.B, p.L, p.H, p.P});
  for (const Argument a : {kDtF, kDtB}) fill(a, step);
  for (const Argument a : {kBF, kBB, kCF, kCB}) fill(a, rows);
  if (p.bias) fill(kDtBias, {p.H});
  if (p.decay) fill(kALog, {p.H});
  if (p.delta) fill(kDelta, step);
  for (const Argument a : {kInitialF, kInitialB})
    if (p.initial) fill(a, state);
  return in;
}

std::vector<Tensor> in_dtype(std::vector<Tensor> in, DType dtype, Device device = kCpu) {
  return testing::in_dtype(std::move(in), dtype, device, is_by_token);
}
std::vector<Tensor> in_f64(std::vector<Tensor> in) {
  for (Tensor& x : in)
    if (x.defined()) x = to(cast(x, DType::F64), kCpu);
  return in;
}

QuasiseparableInputs inputs_of(const std::vector<Var>& v) {
  return {.dt_f = v[kDtF],
          .dt_b = v[kDtB],
          .dt_bias = v[kDtBias],
          .A_log = v[kALog],
          .B_f = v[kBF],
          .C_f = v[kCF],
          .B_b = v[kBB],
          .C_b = v[kCB],
          .delta = v[kDelta],
          .initial_f = v[kInitialF],
          .initial_b = v[kInitialB]};
}

using Form = Var (*)(const std::vector<Var>&, const QuasiseparableOptions&);

Var fast(const std::vector<Var>& v, const QuasiseparableOptions& o) { return quasiseparable(v[kX], inputs_of(v), o); }

Var explicit_form(const std::vector<Var>& v, const QuasiseparableOptions& o) {
  Var x = v[kX];
  if (o.runs) {  // what M multiplies by 0 may be NaN
    const Tensor is_token = zeros({o.runs->B(), o.runs->L(), 1, 1}, DType::Bool);
    for (const Run& run : o.runs->all())
      ::matmix::fill(is_token.select(0, run.row).narrow(0, run.start, run.length), 1);
    x = where(to(is_token, x.device()), x, zeros({1}, x.dtype(), x.device()));
  }
  const Var M = quasiseparable_matrix(inputs_of(v), o), r = quasiseparable_offset(inputs_of(v), o);
  const Var y = transpose(matmul(M, transpose(x, 1, 2)), 1, 2);
  return r.defined() ? y + r : y;
}

/// y, then the gradient of every argument for a fixed upstream gradient; 0 where nothing was given.
std::vector<Tensor> results_of(Form form, const std::vector<Tensor>& in, const QuasiseparableOptions& options) {
  const std::vector<Var> v = leaves(in);
  const Var y = form(v, options);
  backward(y, {.seed = random_tensor(y.shape(), 7, y.dtype(), y.device())});
  std::vector<Tensor> results{y.value()};
  append_gradients(v, results);
  return results;
}

const char* name_of(size_t i) { return i == 0 ? "y" : kNames[i - 1]; }

void check_close(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  testing::check_close(got, want, tolerance, name_of);
}

/// Rounding of the longest sums: over the batch, the tokens and a state.
double rounding(const Problem& p, DType dtype = DType::F64) {
  return tolerance(dtype, static_cast<double>(p.B * p.L * p.P * p.N));
}

void check_twins(const Problem& p) {
  CAPTURE(p.L);
  CAPTURE(p.G);
  CAPTURE(p.options.Q);
  CAPTURE(p.options.shift);
  const std::vector<Tensor> in = draw(p);
  check_close(results_of(fast, in, p.options), results_of(explicit_form, in, p.options), rounding(p));
}

/// In `dtype` on `device` against F64 from the same numbers: the fast form errs no more than twice as much as the
/// matrix does in the same precision, and a rounding.
void check_rounding(const Problem& p, const std::vector<Tensor>& in, DType dtype, Device device) {
  const std::vector<Tensor> rounded = in_dtype(in, dtype, device);
  const std::vector<Tensor> truth = results_of(explicit_form, in_f64(rounded), p.options);
  const std::vector<Tensor> plain = results_of(explicit_form, rounded, p.options);
  const std::vector<Tensor> got = results_of(fast, rounded, p.options);
  for (size_t i = 0; i < got.size(); ++i) {
    if (!truth[i].defined()) continue;
    CAPTURE((i == 0 ? "y" : kNames[i - 1]));
    CHECK(relative_error(got[i], truth[i]) <= 2 * relative_error(plain[i], truth[i]) + rounding(p, dtype));
  }
}

TEST_CASE("quasiseparable: equals its matrix and offset, in value and every gradient") {
  for (const bool shift : {true, false}) {
    for (int64_t L = 0; L <= 17; ++L)
      for (const int64_t G : {1, 2, 4}) check_twins({.L = L, .G = G, .options = {.shift = shift, .Q = 8}});
    for (const int64_t L : {63, 64, 65, 128, 129})
      check_twins({.B = 1, .L = L, .H = 2, .G = 1, .options = {.shift = shift, .Q = 64}});
    for (const int64_t Q : {1, 2, 3, 5, 1000}) check_twins({.options = {.shift = shift, .Q = Q}});
  }
  check_twins({.B = 1, .L = 20, .H = 3, .P = 7, .G = 3, .N = 19, .options = {.Q = 8}});
}

TEST_CASE("quasiseparable: equals its matrix whatever is left out") {
  for (int bits = 0; bits < 16; ++bits)
    for (const bool shift : {true, false})
      check_twins({.bias = (bits & 1) != 0,
                   .decay = (bits & 2) != 0,
                   .delta = (bits & 4) != 0,
                   .initial = (bits & 8) != 0,
                   .options = {.shift = shift, .Q = 4}});
}

/// Three tokens, dt = log 2 and A = -1, so a step halves: worked out by hand.
struct ThreeTokens {
  std::vector<Tensor> in = std::vector<Tensor>(kArguments);

  ThreeTokens() {
    const auto row = [&](const std::vector<double>& values) { return from_vector(values, {1, 3, 1, 1}); };
    in[kX] = row({1, 10, 100});
    in[kBF] = row({1, 2, 9});
    in[kCF] = row({3, 5, 9});
    in[kBB] = row({9, 7, 2});
    in[kCB] = row({9, 4, 6});
    in[kDtF] = in[kDtB] = zeros({1, 3, 1}, DType::F64);
    in[kALog] = zeros({1}, DType::F64);
    in[kDelta] = from_vector<double>({1, 2, 3}, {1, 3, 1});
  }
  void check(Form form, const QuasiseparableOptions& options, const std::vector<double>& want) const {
    const Var y = form({in.begin(), in.end()}, options);
    CHECK(relative_error(y.value(), from_vector(want, {1, 3, 1, 1})) <= tolerance(DType::F64));
  }
};

TEST_CASE("quasiseparable: three tokens by hand") {
  const double t = std::log(2.0);
  for (const Form form : {fast, explicit_form})
    for (const int64_t Q : {1, 2, 64}) {
      ThreeTokens tokens;
      tokens.check(form, {.Q = Q}, {1 + 680 * t, 20 + 1203 * t, 300 + 102.5 * t});
      tokens.check(form, {.shift = false, .Q = Q}, {1 + 849 * t, 20 + 782.5 * t, 300 + 9392.25 * t});
      // States 16 and 32 on either side: each row reads them halved once a token in between, rows at the edge not at
      // all.
      tokens.in[kInitialF] = full({1, 1, 1}, 16, DType::F64);
      tokens.in[kInitialB] = full({1, 1, 1}, 32, DType::F64);
      tokens.check(form, {.Q = Q}, {1 + 680 * t + 32, 20 + 1203 * t + 24 + 96, 300 + 102.5 * t + 20});
    }
}

TEST_CASE("quasiseparable: packed and padded runs equal the matrix, and the sequences apart") {
  const std::vector<Run> runs{{0, 1, 5}, {0, 6, 9}, {1, 0, 1}, {1, 3, 2}, {2, 0, 16}};
  for (const bool shift : {true, false}) {
    const Problem p{.B = 4, .L = 16, .options = {.shift = shift, .Q = 4, .runs = Runs::of(4, 16, runs)}};
    check_twins(p);
    const std::vector<Tensor> in = draw(p), whole = results_of(fast, in, p.options);
    std::vector<Tensor> sums(whole.size());
    const Tensor seed = random_tensor(whole[0].shape(), 7);
    for (const Run& run : runs) {
      const auto part = [&](const Tensor& x) { return x.narrow(0, run.row, 1).narrow(1, run.start, run.length); };
      std::vector<Var> v;
      for (int a = 0; a < kArguments; ++a) v.push_back(leaf(is_by_token(a) ? part(in[a]) : in[a]));
      const Var y = fast(v, {.shift = shift, .Q = 4});
      backward(y, {.seed = part(seed)});
      CHECK(relative_error(part(whole[0]), y.value()) <= rounding(p));
      for (int a = 0; a < kArguments; ++a) {
        Tensor& sum = sums[static_cast<size_t>(a) + 1];
        if (is_by_token(a))
          CHECK(relative_error(part(whole[a + 1]), v[a].grad()) <= rounding(p));
        else
          sum = sum.defined() ? add(sum, v[a].grad()).value() : v[a].grad();
      }
    }
    for (size_t i = 0; i < sums.size(); ++i)
      if (sums[i].defined()) CHECK(relative_error(whole[i], sums[i]) <= rounding(p));
  }
}

TEST_CASE("quasiseparable: what padding holds is never read, and it receives exactly 0") {
  for (const Device device : test_devices()) {
    const Runs runs = Runs::of(2, 9, {{0, 2, 4}, {1, 0, 3}, {1, 3, 5}});
    const Problem p{.L = 9, .options = {.Q = 2, .runs = runs}};
    for (const Form form : {fast, explicit_form}) {
      std::vector<Tensor> in = in_dtype(draw(p), DType::F64, device);
      const std::vector<Tensor> clean = results_of(form, in, p.options);
      const auto at_padding = [&](const Tensor& x, const auto& f) {
        f(x.select(0, 0).narrow(0, 0, 2)), f(x.select(0, 0).narrow(0, 6, 3)), f(x.select(0, 1).narrow(0, 8, 1));
      };
      for (int a = 0; a < kArguments; ++a)
        if (is_by_token(a)) at_padding(in[a], [](const Tensor& x) { fill(x, NAN); });
      const std::vector<Tensor> dirty = results_of(form, in, p.options);
      check_same_bits(dirty, clean);
      for (size_t i = 0; i < dirty.size(); ++i)
        if (i == 0 || is_by_token(static_cast<int>(i) - 1))
          at_padding(dirty[i], [](const Tensor& x) {
            for (const double value : to_vector<double>(x)) CHECK(value == 0);
          });
    }
  }
}

TEST_CASE("quasiseparable: with shift the edges that never reach y receive exactly 0") {
  for (const Device device : test_devices())
    for (const int64_t Q : {3, 64}) {
      const Problem p{.L = 8, .options = {.Q = Q}};
      const std::vector<Tensor> results = results_of(fast, in_dtype(draw(p), DType::F64, device), p.options);
      const auto is_zero = [&](int argument, int64_t token) {
        for (const double value : to_vector<double>(results[argument + 1].select(1, token)))
          if (value != 0) return false;
        return true;
      };
      for (const int a : {kCF, kBF, kDtF}) {
        CHECK(is_zero(a, 7));
        CHECK(!is_zero(a, 6));
      }
      for (const int a : {kCB, kBB, kDtB}) {
        CHECK(is_zero(a, 0));
        CHECK(!is_zero(a, 1));
      }
    }
}

TEST_CASE("quasiseparable: the chunk length does not matter") {
  for (const bool shift : {true, false}) {
    Problem p{.L = 70, .options = {.shift = shift, .Q = 70}};
    const std::vector<Tensor> in = draw(p), want = results_of(fast, in, p.options);
    for (const int64_t Q : {1, 7, 16, 64}) {
      p.options.Q = Q;
      check_close(results_of(fast, in, p.options), want, rounding(p));
    }
  }
}

TEST_CASE("quasiseparable: streams of one row serve the whole batch, and their gradients are summed") {
  const Problem p{.B = 3, .options = {.Q = 4}};
  std::vector<Tensor> one_row = draw(p);
  for (int a = kDtF; a < kArguments; ++a)
    if (is_by_token(a)) one_row[a] = one_row[a].narrow(0, 0, 1);
  std::vector<Tensor> spread = one_row;
  for (int a = kDtF; a < kArguments; ++a)
    if (is_by_token(a)) spread[a] = contiguous(expand(spread[a], Shape{3} + spread[a].shape()).value().select(1, 0));
  std::vector<Tensor> want = results_of(fast, spread, p.options);
  for (int a = kDtF; a < kArguments; ++a) {
    if (!is_by_token(a)) continue;
    Tensor& sum = want[a + 1];
    sum = add(add(sum.narrow(0, 0, 1), sum.narrow(0, 1, 1)), sum.narrow(0, 2, 1)).value();
  }
  check_close(results_of(fast, one_row, p.options), want, rounding(p));
  check_close(results_of(explicit_form, one_row, p.options), want, rounding(p));
}

TEST_CASE("quasiseparable: one Var for both directions, and parts of a projection") {
  const Problem p{.G = 1, .N = 4, .initial = false, .options = {.Q = 3}};
  std::vector<Tensor> in = draw(p);
  in[kBB] = in[kBF], in[kCB] = in[kCF], in[kDtB] = in[kDtF];
  const std::vector<Tensor> apart = results_of(fast, in, p.options);

  const Tensor projected = zeros({p.B, p.L, 12 + 4 + 4 + 4}, DType::F64);
  const auto rows = [](const Tensor& x) { return x.reshape({x.dim(0), x.dim(1), -1}); };
  const Argument order[] = {kX, kBF, kCF, kDtF};
  int64_t at = 0;
  for (const Argument a : order) {
    copy(projected.narrow(2, at, rows(in[a]).dim(2)), rows(in[a]));
    at += rows(in[a]).dim(2);
  }
  const Var source = leaf(projected);
  const std::vector<Var> parts = split(source, {12, 4, 4, 4}, 2);
  std::vector<Var> v(in.begin(), in.end());
  v[kX] = reshape(parts[0], {p.B, p.L, p.H, p.P});
  v[kBF] = v[kBB] = reshape(parts[1], {p.B, p.L, 1, p.N});
  v[kCF] = v[kCB] = reshape(parts[2], {p.B, p.L, 1, p.N});
  v[kDtF] = v[kDtB] = parts[3];
  const Var y = fast(v, p.options);
  CHECK(same_bits(y.value(), apart[0]));
  backward(y, {.seed = random_tensor(y.shape(), 7)});
  at = 0;
  const std::pair<Argument, Argument> both[] = {{kX, kX}, {kBF, kBB}, {kCF, kCB}, {kDtF, kDtB}};
  for (const auto& [a, b] : both) {
    Tensor want = rows(apart[a + 1]);
    if (a != b) want = add(want, rows(apart[b + 1])).value();
    CHECK(relative_error(source.grad().narrow(2, at, want.dim(2)), want) <= tolerance(DType::F64));
    at += want.dim(2);
  }
}

TEST_CASE("quasiseparable: any step sizes, from slow decay to none left after one token") {
  for (const double mean : {1e-2, 1.0, 30.0, 1e3, 1e5})
    for (const bool by_rate : {true, false}) {
      const Problem p{.B = 1, .L = 70, .H = 2, .G = 1, .bias = false, .delta = false, .options = {.Q = 32}};
      std::vector<Tensor> in = draw(p);
      if (by_rate)
        in[kALog] = full({2}, std::log(mean), DType::F64);
      else
        for (const Argument a : {kDtF, kDtB}) in[a] = affine(abs(in[a]), mean).value();
      const std::vector<Tensor> want = results_of(explicit_form, in, p.options);
      CAPTURE(mean);
      CAPTURE(by_rate);
      check_close(results_of(fast, in, p.options), want, rounding(p));
      check_rounding(p, in, DType::F32, kCpu);
    }
}

TEST_CASE("quasiseparable: F32 and BF16 err no more than the matrix in the same precision") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F32, DType::BF16})
      for (const bool shift : {true, false}) {
        const Problem p{.L = 90, .P = 9, .N = 6, .options = {.shift = shift, .Q = 32}};
        check_rounding(p, draw(p), dtype, device);
      }
}

TEST_CASE("quasiseparable: every device gives the same values, for any sizes and runs") {
  const Runs packed = Runs::of(2, 150, {{0, 3, 90}, {0, 93, 1}, {1, 0, 150}});
  const Problem problems[] = {
      {.L = 1},
      {.L = 40, .P = 7, .N = 5, .options = {.Q = 8}},
      {.L = 150, .P = 64, .N = 64, .options = {.Q = 128}},
      {.L = 150, .P = 20, .N = 33, .initial = false, .options = {.shift = false, .runs = packed}},
      {.L = 64, .initial = false, .options = {.shift = false}},
      {.B = 1, .L = 130, .H = 2, .P = 128, .G = 1, .N = 192, .options = {}},
      {.B = 1, .L = 150, .H = 2, .P = 64, .G = 1, .N = 33, .options = {.Q = 16}},
      {.B = 3, .L = 128, .H = 6, .P = 64, .G = 1, .N = 64, .initial = false, .options = {}}};
  for (const Device device : test_devices()) {
    if (device == kCpu) continue;
    for (const Problem& p : problems)
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
        CAPTURE(p.L);
        CAPTURE(p.N);
        CAPTURE(to_string(dtype));
        const std::vector<Tensor> in = in_dtype(draw(p), dtype), there = in_dtype(in, dtype, device);
        const std::vector<Tensor> got = results_of(fast, there, p.options), want = results_of(fast, in, p.options);
        check_close(got, want, rounding(p, dtype));
        check_same_bits(results_of(fast, there, p.options), got);
      }
  }
}

TEST_CASE("quasiseparable: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
    const Problem p{.B = 3, .L = 50, .P = 8, .N = 8, .options = {.Q = 16}};
    const std::vector<Tensor> in = in_dtype(draw(p), dtype);
    set_thread_count(1);
    const std::vector<Tensor> once = results_of(fast, in, p.options);
    for (const int count : {1, 2, 3}) {
      set_thread_count(count);
      check_same_bits(results_of(fast, in, p.options), once);
    }
  }
  set_thread_count(threads);
}

TEST_CASE("quasiseparable: keeps its inputs and one pair of states a chunk, none where all states are 0") {
  const auto kept_bytes = [](const Problem& p) {
    const std::vector<Tensor> in = draw(p);
    std::vector<Var> v;
    int64_t inputs = 0;
    for (const Tensor& x : in) {
      v.push_back(x.defined() ? leaf(x) : Var());
      inputs += x.defined() ? static_cast<int64_t>(x.bytes()) : 0;
    }
    reset_saved_bytes();
    fast(v, p.options);
    return saved_bytes().at("quasiseparable").bytes - inputs;
  };
  Problem p{.L = 20, .options = {.Q = 8}};
  const int64_t pair = p.H * 2 * p.N * p.P * 8;
  CHECK(kept_bytes(p) == p.B * 3 * pair);
  p.initial = false;
  CHECK(kept_bytes(p) == p.B * 3 * pair);
  p.options.Q = 20;
  CHECK(kept_bytes(p) == 0);
}

TEST_CASE("quasiseparable: refuses what does not fit, by name") {
  const Problem p{.B = 2, .L = 7, .H = 4, .P = 3, .G = 2, .N = 2};
  const auto message = [&](auto change) {
    std::vector<Tensor> in = draw(p);
    QuasiseparableOptions options;
    change(in, options);
    try {
      fast({in.begin(), in.end()}, options);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  const auto with = [&](Argument a, const Tensor& x) {
    return message([&](std::vector<Tensor>& in, QuasiseparableOptions&) { in[a] = x; });
  };
  const auto of = [](const Shape& shape, DType dtype = DType::F64) { return zeros(shape, dtype); };
  CHECK(with(kX, of({2, 7, 12})) ==
        "quasiseparable: x must be floating [B, L, H, P] with H and P positive, got F64 [2, 7, 12] on CPU");
  CHECK(with(kBF, of({2, 7, 2})) ==
        "quasiseparable: B_f must be [B, L, G, N] with G and N positive, got F64 [2, 7, 2] on CPU");
  CHECK(with(kBF, of({2, 7, 3, 2})) ==
        "quasiseparable: groups must divide the 4 heads, got B_f F64 [2, 7, 3, 2] on CPU");
  CHECK(with(kBF, of({3, 7, 2, 2})) == "quasiseparable: B_f must be [2, 7, 2, 2], got F64 [3, 7, 2, 2] on CPU");
  CHECK(with(kCB, of({1, 7, 2, 3})) == "quasiseparable: C_b must be [1, 7, 2, 2], got F64 [1, 7, 2, 3] on CPU");
  CHECK(with(kBB, of({2, 7, 2, 2}, DType::F32)) == "quasiseparable: B_b must be F64, got F32 [2, 7, 2, 2] on CPU");
  CHECK(with(kDtF, Tensor()) == "quasiseparable: dt_f must be [2, 7, 4], got undefined");
  CHECK(with(kDtB, of({2, 7, 4}, DType::I32)) ==
        "quasiseparable: dt_b must be floating on CPU, got I32 [2, 7, 4] on CPU");
  CHECK(with(kDelta, of({2, 6, 4})) == "quasiseparable: delta must be [2, 7, 4], got F64 [2, 6, 4] on CPU");
  CHECK(with(kALog, of({2})) == "quasiseparable: A_log must be [4], got F64 [2] on CPU");
  CHECK(with(kInitialB, of({4, 2, 3})) == "quasiseparable: initial_b must be [4, 3, 2], got F64 [4, 2, 3] on CPU");
  CHECK(message([](std::vector<Tensor>&, QuasiseparableOptions& o) { o.Q = 0; }) ==
        "quasiseparable: Q must be positive, got 0");
  CHECK(message([](std::vector<Tensor>&, QuasiseparableOptions& o) { o.runs = Runs::full(2, 8); }) ==
        "quasiseparable: runs must be of 2 rows of 7 tokens, got 2 of 8");
  CHECK(message([](std::vector<Tensor>&, QuasiseparableOptions&) {}) == "accepted");
}

}  // namespace
}  // namespace matmix::testing
