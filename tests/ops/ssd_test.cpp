#include "ops/ssd/ssd.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>

#include "autograd/backward.h"
#include "autograd/trace.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "ops/quasiseparable/quasiseparable.h"
#include "ops/reduce/reduce.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/gradients.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

/// What a problem is made of; arguments and gradients are lists in this order, undefined where left out.
enum Argument { kX, kDt, kB, kC, kDelta, kDtBias, kALog, kAIm, kInitial, kArguments };
const char* const kNames[] = {"x", "dt", "B", "C", "delta", "dt_bias", "A_log", "A_im", "initial"};
bool is_by_token(int argument) { return argument <= kDelta; }

enum class Kind { kScalar, kDiagonal, kComplex };
constexpr Kind kKinds[] = {Kind::kScalar, Kind::kDiagonal, Kind::kComplex};

struct Problem {
  Kind kind = Kind::kScalar;
  int64_t B = 2, L = 7, H = 4, P = 3, G = 2, N = 4;
  SsdOptions options = {};
};

std::vector<Tensor> draw(const Problem& p) {
  const int64_t runs = p.options.runs ? static_cast<int64_t>(p.options.runs->all().size()) : p.B;
  const Shape numbers = p.kind == Kind::kScalar ? Shape{p.H} : Shape{p.H, p.kind == Kind::kComplex ? p.N / 2 : p.N};
  const Shape shapes[] = {{p.B, p.L, p.H, p.P},
                          {p.B, p.L, p.H},
                          {p.B, p.L, p.G, p.N},
                          {p.B, p.L, p.G, p.N},
                          {p.B, p.L, p.H},
                          {p.H},
                          numbers,
                          numbers,
                          {runs, p.H, p.P, p.N}};
  std::vector<Tensor> in(kArguments);
  for (int a = 0; a < kArguments; ++a)
    if (a != kAIm || p.kind == Kind::kComplex) in[a] = random_tensor(shapes[a], 100 + static_cast<uint64_t>(a));
  return in;
}

std::vector<Tensor> in_dtype(std::vector<Tensor> in, DType dtype, Device device = kCpu) {
  return testing::in_dtype(std::move(in), dtype, device, is_by_token);
}

SsdInputs inputs_of(const std::vector<Var>& v) {
  return {.dt = v[kDt],
          .dt_bias = v[kDtBias],
          .A_log = v[kALog],
          .A_im = v[kAIm],
          .B = v[kB],
          .C = v[kC],
          .delta = v[kDelta],
          .initial = v[kInitial]};
}

using Form = SsdResult (*)(const std::vector<Var>&, const SsdOptions&);

SsdResult chunked(const std::vector<Var>& v, const SsdOptions& o) { return ssd(v[kX], inputs_of(v), o); }

/// Of whole rows. The final state is that of nothing else: no such form knows it.
SsdResult explicit_form(const std::vector<Var>& v, const SsdOptions& o) {
  const SsdInputs in = inputs_of(v);
  const Var y = transpose(matmul(ssd_matrix(in, o.reverse), transpose(v[kX], 1, 2)), 1, 2);
  const Var r = ssd_offset(in, o.reverse);
  return {r.defined() ? y + r : y, Var()};
}

SsdResult step_by_step(const std::vector<Var>& v, const SsdOptions& o) {
  const int64_t L = v[kX].dim(1);
  Var state = v[kInitial];
  std::vector<Var> rows(static_cast<size_t>(L));
  for (int64_t k = 0; k < L; ++k) {
    const int64_t i = o.reverse ? L - 1 - k : k;
    std::vector<Var> token = v;
    for (int a = 0; a < kArguments; ++a)
      if (is_by_token(a) && v[a].defined()) token[static_cast<size_t>(a)] = select(v[a], 1, i);
    const SsdResult result = ssd_step(state, token[kX], inputs_of(token));
    state = result.final_state;
    rows[static_cast<size_t>(i)] = unsqueeze(result.y, 1);
  }
  return {concat(rows, 1), state};
}

/// [0, L / 3) and [L / 3, L), the state carried over.
SsdResult in_two_parts(const std::vector<Var>& v, const SsdOptions& o) {
  const int64_t L = v[kX].dim(1), cut = o.reverse ? L - L / 3 : L / 3;
  std::vector<Var> ys(2);
  Var state = v[kInitial];
  for (const int part : {0, 1}) {
    const bool left = (part == 0) != o.reverse;
    std::vector<Var> piece = v;
    for (int a = 0; a < kArguments; ++a)
      if (is_by_token(a))
        piece[static_cast<size_t>(a)] = left ? narrow(v[a], 1, 0, cut) : narrow(v[a], 1, cut, L - cut);
    piece[kInitial] = state;
    const SsdResult result = chunked(piece, o);
    ys[left ? 0 : 1] = result.y;
    state = result.final_state;
  }
  return {concat(ys, 1), state};
}

/// y, the final state, then the gradient of every argument for fixed upstream gradients of both; 0 where none came.
std::vector<Tensor> results_of(Form form, const std::vector<Tensor>& in, const SsdOptions& options,
                               bool with_state = true) {
  const std::vector<Var> v = leaves(in);
  const SsdResult result = form(v, options);
  const auto seed_of = [](const Var& y, uint64_t seed) {
    return random_tensor(y.shape(), seed, y.dtype(), y.device());
  };
  backward(result.y, {.seed = seed_of(result.y, 7), .keep_graph = with_state});
  if (with_state) backward(result.final_state, {.seed = seed_of(result.final_state, 8)});
  std::vector<Tensor> results{result.y.value(), with_state ? result.final_state.value() : Tensor()};
  append_gradients(v, results);
  return results;
}

std::string name_of(size_t i) { return i == 0 ? "y" : i == 1 ? "final state" : text("d ", kNames[i - 2]); }

void check_close(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  testing::check_close(got, want, tolerance, name_of);
}

/// Rounding of the longest sums: over the batch, the tokens and a state.
double rounding(const Problem& p, DType dtype = DType::F64) {
  return tolerance(dtype, static_cast<double>(p.B * p.L * p.P * p.N));
}

void check_twins(const Problem& p) {
  CAPTURE(static_cast<int>(p.kind));
  CAPTURE(p.L);
  CAPTURE(p.options.Q);
  CAPTURE(p.options.reverse);
  const std::vector<Tensor> in = draw(p);
  check_close(results_of(chunked, in, p.options, false), results_of(explicit_form, in, p.options, false), rounding(p));
}

TEST_CASE("ssd: equals its matrix and offset, in value and every gradient") {
  for (const Kind kind : kKinds) {
    for (const bool reverse : {false, true}) {
      for (int64_t L = 1; L <= 17; ++L) check_twins({.kind = kind, .L = L, .options = {.reverse = reverse, .Q = 8}});
      for (const int64_t L : {63, 64, 65, 130})
        check_twins({.kind = kind, .B = 1, .L = L, .H = 2, .G = 1, .N = 2, .options = {.reverse = reverse}});
    }
    for (const int64_t Q : {1, 2, 3, 5, 1000}) check_twins({.kind = kind, .options = {.Q = Q}});
    check_twins({.kind = kind, .B = 1, .L = 20, .H = 3, .P = 7, .G = 3, .N = 18, .options = {.Q = 8}});
    check_twins({.kind = kind, .P = 1, .G = 4, .N = 2, .options = {.Q = 3}});
  }
}

TEST_CASE("ssd: explicit, chunked and step by step are one, and so are a sequence and its two parts") {
  for (const Kind kind : kKinds)
    for (const bool reverse : {false, true})
      for (const int64_t L : {1, 2, 6, 21}) {
        CAPTURE(static_cast<int>(kind));
        CAPTURE(reverse);
        CAPTURE(L);
        const Problem p{.kind = kind, .L = L, .options = {.reverse = reverse, .Q = 4}};
        const std::vector<Tensor> in = draw(p), whole = results_of(chunked, in, p.options);
        check_close(whole, results_of(step_by_step, in, p.options), 1e-12);
        check_close(results_of(in_two_parts, in, p.options), whole, 1e-12);
      }
}

TEST_CASE("ssd: a scan from either end is half of a quasiseparable matrix without shift") {
  const Problem p{.L = 21, .options = {.Q = 8}};
  const std::vector<Tensor> in = draw(p);
  const std::vector<Var> v(in.begin(), in.end());
  const auto with = [&](bool reverse) {
    SsdOptions options = p.options;
    options.reverse = reverse;
    return chunked(v, options).y;
  };
  const QuasiseparableInputs both{.dt_f = v[kDt],
                                  .dt_b = v[kDt],
                                  .dt_bias = v[kDtBias],
                                  .A_log = v[kALog],
                                  .B_f = v[kB],
                                  .C_f = v[kC],
                                  .B_b = v[kB],
                                  .C_b = v[kC],
                                  .delta = v[kDelta] + v[kDelta],
                                  .initial_f = select(v[kInitial], 0, 0),
                                  .initial_b = select(v[kInitial], 0, 0)};
  const Var want = quasiseparable(v[kX], both, {.shift = false, .Q = 5});
  const Var got = with(false) + with(true);
  CHECK(relative_error(got.value().narrow(0, 0, 1), want.value().narrow(0, 0, 1)) <= rounding(p));
}

TEST_CASE("ssd: figures worked out by hand") {
  // dt = log(1 + e^0) = log 2; A = -1 halves the state a token. One head, P = 1.
  const double dt = std::log(2.0);
  const auto row = [](std::vector<double> x) {
    const auto n = static_cast<int64_t>(x.size());
    return from_vector(x, {1, n, 1, 1});
  };
  SsdInputs in{.dt = zeros({1, 3, 1}, DType::F64), .A_log = zeros({1}, DType::F64)};
  in.B = row({1, 2, 3});
  in.C = row({1, 1, 2});
  in.initial = full({1, 1, 1}, 8, DType::F64);
  const auto scan = [&] {
    const SsdResult r = ssd(row({1, 10, 100}), in);
    std::vector<double> all = to_vector<double>(r.y.value());
    for (const double x : to_vector<double>(r.final_state.value())) all.push_back(x);
    return all;
  };
  // states: 4 + dt, 2 + dt / 2 + 20 dt, 1 + dt / 4 + 10 dt + 300 dt
  const auto close = [](const std::vector<double>& got, const std::vector<double>& want) {
    REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-13));
  };
  close(scan(), {4 + dt, 2 + 20.5 * dt, 2 * (1 + 310.25 * dt), 1 + 310.25 * dt});

  // Two states: one halves, the other is divided by 4 each token; both start at 0.
  const auto twice = [](const Var& x) { return concat({x, x}, 3); };
  in.B = twice(in.B), in.C = twice(in.C), in.initial = {};
  in.A_log = from_vector(std::vector{0.0, std::log(2.0)}, {1, 2});
  close(scan(), {2 * dt, dt * (20.5 + 20.25), 2 * dt * (310.25 + 305.0625), 310.25 * dt, 305.0625 * dt});

  // One complex state that halves and turns by 90 degrees each token: 1, i / 2, -1 / 4 of the first input.
  in.A_log = zeros({1, 1}, DType::F64);
  in.A_im = full({1, 1}, std::acos(-1.0) / 2 / dt, DType::F64);
  std::complex<double> state = 0;
  std::vector<double> want;
  for (const auto& [x, b, c] : {std::tuple{1.0, 1.0, 1.0}, std::tuple{10.0, 2.0, 1.0}, std::tuple{100.0, 3.0, 2.0}}) {
    state = state * std::complex(0.0, 0.5) + dt * x * std::complex(b, b);
    want.push_back((std::conj(std::complex(c, c)) * state).real());
  }
  want.insert(want.end(), {state.real(), state.imag()});
  close(scan(), want);
}

TEST_CASE("ssd: a complex A represents S4D's kernel, 2 Re sum C B exp(A dt k) dt, for any complex B and C") {
  const int64_t L = 9, N = 6;
  const double dt = std::log1p(std::exp(-1.0));
  std::vector<std::complex<double>> A, B, C;
  std::vector<double> A_log, A_im, b, c;
  for (int n = 0; n < N / 2; ++n) {
    A.emplace_back(-0.5, 3.14159 * n);
    B.emplace_back(1.0 + n, 0.3 * n);
    C.emplace_back(0.7 - n, 1.1);
    A_log.push_back(std::log(0.5));
    A_im.push_back(A.back().imag());
  }
  for (const auto& z : B) b.push_back(z.real());
  for (const auto& z : B) b.push_back(z.imag());
  for (const auto& z : C) c.push_back(2 * z.real());
  for (const auto& z : C) c.push_back(-2 * z.imag());  // conj(2 conj(C)) = 2 C
  const auto by_token = [&](const std::vector<double>& x) {
    return contiguous(from_vector(x, {1, 1, 1, N}).expand({1, L, 1, N}));
  };
  const Var M = ssd_matrix({.dt = full({1, L, 1}, -1, DType::F64),
                            .A_log = from_vector(A_log, {1, N / 2}),
                            .A_im = from_vector(A_im, {1, N / 2}),
                            .B = by_token(b),
                            .C = by_token(c)});
  const std::vector<double> got = to_vector<double>(M.value());
  for (int64_t i = 0; i < L; ++i)
    for (int64_t j = 0; j < L; ++j) {
      std::complex<double> sum = 0;
      for (int n = 0; n < N / 2; ++n) sum += C[n] * B[n] * std::exp(A[n] * dt * double(i - j)) * dt;
      CHECK(got[i * L + j] == doctest::Approx(i >= j ? 2 * sum.real() : 0).epsilon(1e-12));
    }
}

TEST_CASE("ssd: every run is a sequence of its own, with its own states") {
  const std::vector<Run> runs{{0, 1, 5}, {0, 6, 3}, {1, 0, 9}, {1, 9, 1}};
  for (const Kind kind : kKinds)
    for (const bool reverse : {false, true}) {
      CAPTURE(static_cast<int>(kind));
      const Problem p{.kind = kind, .L = 10, .options = {.reverse = reverse, .Q = 4, .runs = Runs::of(2, 10, runs)}};
      const std::vector<Tensor> in = draw(p), whole = results_of(chunked, in, p.options);
      std::vector<Tensor> sums(kArguments);
      for (size_t r = 0; r < runs.size(); ++r) {
        const Run& run = runs[r];
        const auto part = [&](const Tensor& x) { return x.narrow(0, run.row, 1).narrow(1, run.start, run.length); };
        const auto of_run = [&](const Tensor& x) { return x.narrow(0, static_cast<int64_t>(r), 1); };
        std::vector<Var> v;
        for (int a = 0; a < kArguments; ++a)
          v.push_back(!in[a].defined() ? Var()
                                       : leaf(is_by_token(a)  ? part(in[a])
                                              : a == kInitial ? of_run(in[a])
                                                              : in[a]));
        const SsdResult result = chunked(v, {.reverse = reverse, .Q = 3});
        const Var seen = sum(result.y * Var(part(random_tensor(whole[0].shape(), 7)))) +
                         sum(result.final_state * Var(of_run(random_tensor(whole[1].shape(), 8))));
        backward(seen);
        CHECK(relative_error(part(whole[0]), result.y.value()) <= rounding(p));
        CHECK(relative_error(of_run(whole[1]), result.final_state.value()) <= rounding(p));
        for (int a = 0; a < kArguments; ++a) {
          if (!in[a].defined()) continue;
          CAPTURE(kNames[a]);
          const Tensor& got = whole[static_cast<size_t>(a) + 2];
          if (is_by_token(a))
            CHECK(relative_error(part(got), v[a].grad()) <= rounding(p));
          else if (a == kInitial)
            CHECK(relative_error(of_run(got), v[a].grad()) <= rounding(p));
          else
            sums[a] = sums[a].defined() ? add(sums[a], v[a].grad()).value() : v[a].grad();
        }
      }
      for (int a = 0; a < kArguments; ++a)
        if (sums[a].defined()) CHECK(relative_error(whole[static_cast<size_t>(a) + 2], sums[a]) <= rounding(p));
    }
}

TEST_CASE("ssd: what padding holds is never read, and it receives exactly 0") {
  for (const Device device : test_devices())
    for (const Kind kind : kKinds) {
      const Runs runs = Runs::of(2, 9, {{0, 2, 4}, {1, 0, 3}, {1, 3, 5}});
      const Problem p{.kind = kind, .L = 9, .options = {.Q = 2, .runs = runs}};
      std::vector<Tensor> in = in_dtype(draw(p), DType::F64, device);
      const std::vector<Tensor> clean = results_of(chunked, in, p.options);
      const auto at_padding = [&](const Tensor& x, const auto& f) {
        f(x.select(0, 0).narrow(0, 0, 2)), f(x.select(0, 0).narrow(0, 6, 3)), f(x.select(0, 1).narrow(0, 8, 1));
      };
      for (int a = 0; a < kArguments; ++a)
        if (is_by_token(a)) at_padding(in[a], [](const Tensor& x) { fill(x, NAN); });
      const std::vector<Tensor> dirty = results_of(chunked, in, p.options);
      check_same_bits(dirty, clean);
      for (int a = -2; a < kArguments; ++a)
        if (a == -2 || (a >= 0 && is_by_token(a)))
          at_padding(dirty[static_cast<size_t>(a + 2)], [](const Tensor& x) {
            for (const double value : to_vector<double>(x)) CHECK(value == 0);
          });
    }
}

TEST_CASE("ssd: no tokens leave the state as it was") {
  for (const Kind kind : kKinds) {
    const Problem p{.kind = kind, .L = 0};
    const std::vector<Tensor> in = draw(p), results = results_of(chunked, in, {});
    CHECK(results[0].shape() == Shape{2, 0, 4, 3});
    CHECK(same_bits(results[1], in[kInitial]));
    CHECK(same_bits(results[kInitial + 2], random_tensor(results[1].shape(), 8)));
  }
}

TEST_CASE("ssd: one initial state serves every run, and streams of one row the whole batch") {
  for (const Kind kind : kKinds) {
    const Problem p{.kind = kind, .B = 3, .options = {.Q = 4}};
    std::vector<Tensor> one = draw(p);
    for (const Argument a : {kDt, kB, kC, kDelta, kInitial}) one[a] = one[a].narrow(0, 0, 1);
    std::vector<Tensor> spread = one;
    for (const Argument a : {kDt, kB, kC, kDelta, kInitial}) {
      Shape shape = one[a].shape();
      shape[0] = 3;
      spread[a] = contiguous(one[a].expand(shape));
    }
    one[kInitial] = one[kInitial].select(0, 0);
    std::vector<Tensor> want = results_of(chunked, spread, p.options);
    for (const Argument a : {kDt, kB, kC, kDelta, kInitial})
      want[a + 2] = sum(Var(want[a + 2]), {0}, a != kInitial).value();
    check_close(results_of(chunked, one, p.options), want, rounding(p));
  }
}

TEST_CASE("ssd: any step sizes, from slow decay to none left after one token") {
  for (const Kind kind : kKinds)
    for (const double mean : {1e-2, 1.0, 30.0, 1e3, 1e5}) {
      const Problem p{.kind = kind, .B = 1, .L = 70, .H = 2, .G = 1, .options = {.Q = 32}};
      std::vector<Tensor> in = draw(p);
      in[kALog] = full(in[kALog].shape(), std::log(mean), DType::F64);
      CAPTURE(mean);
      // Beside nothing larger the gradient of A_log is that of the largest e^-x, which is as wrong as x e^-x is: x < 745.
      const double conditioning = mean > 100 ? 745 * 0x1p-53 : 0;
      check_close(results_of(chunked, in, p.options, false), results_of(explicit_form, in, p.options, false),
                  rounding(p) + conditioning);
      for (const Tensor& x : results_of(chunked, in_dtype(in, DType::F32), p.options))
        if (x.defined()) CHECK(std::isfinite(relative_error(x, zeros_like(x))) == true);
    }
}

TEST_CASE("ssd: F32 and BF16 err no more than the matrix in the same precision") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F32, DType::BF16})
      for (const Kind kind : kKinds) {
        CAPTURE(static_cast<int>(kind));
        CAPTURE(to_string(dtype));
        const Problem p{.kind = kind, .L = 90, .P = 9, .N = 6, .options = {.Q = 32}};
        const std::vector<Tensor> rounded = in_dtype(draw(p), dtype, device);
        std::vector<Tensor> exact = rounded;
        for (Tensor& x : exact)
          if (x.defined()) x = to(cast(x, DType::F64), kCpu);
        const std::vector<Tensor> truth = results_of(explicit_form, exact, p.options, false);
        const std::vector<Tensor> plain = results_of(explicit_form, rounded, p.options, false);
        const std::vector<Tensor> got = results_of(chunked, rounded, p.options, false);
        for (size_t i = 0; i < got.size(); ++i) {
          if (!truth[i].defined()) continue;
          CAPTURE(name_of(i));
          CHECK(relative_error(got[i], truth[i]) <= 2 * relative_error(plain[i], truth[i]) + rounding(p, dtype));
        }
      }
}

TEST_CASE("ssd: every device gives the same values, for any sizes and runs") {
  const Runs packed = Runs::of(2, 150, {{0, 3, 90}, {0, 93, 1}, {1, 0, 150}});
  for (const Device device : test_devices()) {
    if (device == kCpu) continue;
    for (const Kind kind : kKinds)
      for (const bool reverse : {false, true}) {
        const Problem problems[] = {
            {.kind = kind, .L = 1, .options = {.reverse = reverse}},
            {.kind = kind, .L = 40, .P = 7, .N = 6, .options = {.reverse = reverse, .Q = 8}},
            {.kind = kind, .L = 70, .P = 64, .N = 64, .options = {.reverse = reverse}},
            {.kind = kind, .B = 1, .L = 50, .H = 3, .P = 130, .G = 1, .N = 200},
            {.kind = kind, .L = 64, .H = 64, .P = 1, .G = 1, .N = 16},
            {.kind = kind, .L = 150, .P = 20, .N = 34, .options = {.reverse = reverse, .runs = packed}}};
        for (const Problem& p : problems)
          for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
            CAPTURE(static_cast<int>(kind));
            CAPTURE(p.L);
            CAPTURE(p.N);
            CAPTURE(to_string(dtype));
            const std::vector<Tensor> in = in_dtype(draw(p), dtype), there = in_dtype(in, dtype, device);
            const std::vector<Tensor> got = results_of(chunked, there, p.options);
            check_close(got, results_of(chunked, in, p.options), rounding(p, dtype));
            check_same_bits(results_of(chunked, there, p.options), got);
          }
      }
  }
}

TEST_CASE("ssd: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Kind kind : kKinds)
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
      const Problem p{.kind = kind, .B = 3, .L = 50, .P = 8, .N = 8, .options = {.Q = 16}};
      const std::vector<Tensor> in = in_dtype(draw(p), dtype);
      set_thread_count(1);
      const std::vector<Tensor> once = results_of(chunked, in, p.options);
      for (const int count : {1, 2, 3}) {
        set_thread_count(count);
        check_same_bits(results_of(chunked, in, p.options), once);
      }
    }
  set_thread_count(threads);
}

TEST_CASE("ssd: keeps its inputs and one state a chunk") {
  for (const Kind kind : kKinds) {
    const Problem p{.kind = kind, .L = 20, .options = {.Q = 8}};
    std::vector<Var> v;
    int64_t inputs = 0;
    for (const Tensor& x : draw(p)) {
      v.push_back(x.defined() ? leaf(x) : Var());
      inputs += x.defined() ? static_cast<int64_t>(x.bytes()) : 0;
    }
    reset_saved_bytes();
    chunked(v, p.options);
    CHECK(saved_bytes().at("ssd").bytes - inputs == p.B * 3 * p.H * p.N * p.P * 8);
  }
}

TEST_CASE("ssd: refuses what does not fit, by name") {
  const auto message = [&](const Problem& p, auto change) {
    std::vector<Tensor> in = draw(p);
    SsdOptions options;
    change(in, options);
    try {
      chunked({in.begin(), in.end()}, options);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  const auto with = [&](Argument a, const Tensor& x, Kind kind = Kind::kScalar) {
    return message({.kind = kind}, [&](std::vector<Tensor>& in, SsdOptions&) { in[a] = x; });
  };
  const auto of = [](const Shape& shape, DType dtype = DType::F64) { return zeros(shape, dtype); };
  CHECK(with(kX, of({2, 7, 12})) ==
        "ssd: x must be floating [B, L, H, P] with H and P positive, got F64 [2, 7, 12] on CPU");
  CHECK(with(kB, of({2, 7, 2})) == "ssd: B must be [B, L, G, N] with G and N positive, got F64 [2, 7, 2] on CPU");
  CHECK(with(kB, of({2, 7, 3, 2})) == "ssd: groups must divide the 4 heads, got B F64 [2, 7, 3, 2] on CPU");
  CHECK(with(kC, of({1, 7, 2, 3})) == "ssd: C must be [1, 7, 2, 4], got F64 [1, 7, 2, 3] on CPU");
  CHECK(with(kC, of({2, 7, 2, 4}, DType::F32)) == "ssd: C must be F64, got F32 [2, 7, 2, 4] on CPU");
  CHECK(with(kDt, Tensor()) == "ssd: dt must be [2, 7, 4], got undefined");
  CHECK(with(kDelta, of({2, 6, 4})) == "ssd: delta must be [2, 7, 4], got F64 [2, 6, 4] on CPU");
  CHECK(with(kALog, of({2})) == "ssd: A_log must be [4], got F64 [2] on CPU");
  CHECK(with(kALog, of({4, 2})) == "ssd: A_log must be [4, 4], got F64 [4, 2] on CPU");
  CHECK(with(kALog, of({4, 4}), Kind::kComplex) == "ssd: A_log must be [4, 2], got F64 [4, 4] on CPU");
  CHECK(with(kAIm, of({4, 4}), Kind::kComplex) == "ssd: A_im must be [4, 2], got F64 [4, 4] on CPU");
  CHECK(message({.N = 3}, [&](std::vector<Tensor>& in, SsdOptions&) {
          in[kAIm] = of({4, 1});
        }) == "ssd: N must be even where A is complex, got 3");
  CHECK(with(kInitial, of({4, 3, 2})) == "ssd: initial must be [4, 3, 4], got F64 [4, 3, 2] on CPU");
  CHECK(with(kInitial, of({3, 4, 3, 4})) == "ssd: initial must be [2, 4, 3, 4], got F64 [3, 4, 3, 4] on CPU");
  CHECK(message({}, [](std::vector<Tensor>&, SsdOptions& o) { o.Q = 0; }) == "ssd: Q must be positive, got 0");
  CHECK(message({}, [](std::vector<Tensor>&, SsdOptions& o) { o.runs = Runs::full(2, 8); }) ==
        "ssd: runs must be of 2 rows of 7 tokens, got 2 of 8");
  CHECK(message({}, [](std::vector<Tensor>&, SsdOptions&) {}) == "accepted");
  CHECK_THROWS_WITH_AS(
      ssd_step(of({2, 4, 3, 5}), of({2, 4, 3}), {.dt = of({2, 4}), .B = of({2, 2, 4}), .C = of({2, 2, 4})}),
      "ssd: state must be [2, 4, 3, 4], got F64 [2, 4, 3, 5] on CPU", Error);
}

}  // namespace
}  // namespace matmix::testing
