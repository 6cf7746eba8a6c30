// matmix bench ops: time of each op forward and forward + backward; the rate it moves bytes or does arithmetic at, and
// that as a share of its yardstick: on the CPU matmul and conv1d against Eigen on one thread times the threads, other
// products against a large GEMM, everything else against a large copy.
#include <fmt/core.h>
#include <algorithm>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "experiments/bench/baselines.h"
#include "experiments/bench/bench.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/table.h"
#include "ops/ops.h"
#include "tensor/create.h"
#include "tensor/parallel.h"

namespace matmix::experiments {
namespace {

using Function = std::function<Var(const std::vector<Var>&)>;

/// One op at one size.
struct Work {
  std::string op, size;
  std::vector<Tensor> inputs;
  Function function;
  double bytes = 0, flops = 0;            ///< forward; the larger share of a limit counts
  std::function<void()> rival = nullptr;  ///< the same by Eigen on one thread
};

struct Machine {
  Device device;
  DType dtype;
  int64_t rows;       ///< tokens of a training step
  int64_t long_rows;  ///< of ops that are bound by memory: more than a cache holds
  int64_t width;      ///< of the model

  Tensor values(const Shape& shape, double scale = 1) const { return random_values(shape, dtype, device, scale); }
  bool has_rivals() const { return !device.is_cuda() && dtype == DType::F32; }
};

double elements(const Machine& m, double n) { return n * static_cast<double>(size_of(m.dtype)); }

Work matmul_work(const Machine& m, const Shape& batch, int64_t M, int64_t N, int64_t K) {
  const Tensor a = m.values(batch + Shape{M, K}), b = m.values(batch + Shape{K, N});
  Work work{"matmul",
            fmt::format("{}{}x{}x{}", batch.rank() ? text(batch[0], " of ") : "", M, N, K),
            {a, b},
            [](const std::vector<Var>& x) { return matmul(x[0], x[1]); }};
  work.flops = 2.0 * static_cast<double>(batch.numel() * M * N * K);
  const Tensor c = m.has_rivals() ? m.values(batch + Shape{M, N}) : Tensor();
  if (m.has_rivals()) work.rival = [a, b, c] { eigen_matmul(a, b, c); };
  return work;
}

/// y = x W^T over all tokens, as projections do.
Work linear_work(const Machine& m, int64_t in, int64_t out) {
  Work work{"linear",
            fmt::format("{}x{}x{}", m.rows, out, in),
            {m.values({m.rows, in}), m.values({out, in})},
            [](const std::vector<Var>& x) { return linear(x[0], x[1]); }};
  work.flops = 2.0 * static_cast<double>(m.rows * in * out);
  const Tensor a = work.inputs[0], b = m.values({in, out}), c = m.values({m.rows, out});
  if (m.has_rivals()) work.rival = [a, b, c] { eigen_matmul(a, b, c); };
  return work;
}

Work conv1d_work(const Machine& m, Activation act) {
  const int64_t L = 256, C = 2 * m.width, width = 7;
  const Tensor x = m.values({m.long_rows / L, L, C});
  const Tensor weight = random_values({C, width}, DType::F32, m.device),
               bias = random_values({C}, DType::F32, m.device);
  Work work{act == Activation::kNone ? "conv1d" : "conv1d, silu",
            fmt::format("{}x{}x{} of 7", m.long_rows / L, L, C),
            {x, weight, bias},
            [act](const std::vector<Var>& v) { return conv1d(v[0], v[1], {.bias = v[2], .act = act}); }};
  work.bytes = elements(m, 2.0 * static_cast<double>(x.numel()));
  const Tensor y = empty_like(x);
  if (m.has_rivals() && act == Activation::kNone) work.rival = [=] { eigen_conv1d(x, weight, bias, y); };
  return work;
}

/// An op that reads and writes so many tensors [rows, width].
Work moving_work(const Machine& m, const std::string& op, int64_t width, double tensors, std::vector<Tensor> inputs,
                 Function function) {
  Work work{op, fmt::format("{}x{}", m.long_rows, width), std::move(inputs), std::move(function)};
  work.bytes = elements(m, tensors * static_cast<double>(m.long_rows * width));
  return work;
}

Work quasiseparable_work(const Machine& m, int64_t L) {
  const int64_t H = std::max<int64_t>(1, 2 * m.width / 64), P = 64, N = 64, B = m.rows / L;
  const auto stream = [&](const Shape& s, double scale) { return m.values(Shape{B, L} + s, scale); };
  std::vector<Tensor> inputs{stream({H, P}, 1)};
  for (int i = 0; i < 4; ++i) inputs.push_back(stream({1, N}, 0.1));
  for (int i = 0; i < 2; ++i) inputs.push_back(stream({H}, 1));
  for (int i = 0; i < 2; ++i) inputs.push_back(random_values({H}, DType::F32, m.device));
  Work work{"quasiseparable", fmt::format("{}x{}, {} heads of {}, N {}", B, L, H, P, N), inputs,
            [](const std::vector<Var>& x) {
              QuasiseparableInputs in;
              in.B_f = x[1], in.C_f = x[2], in.B_b = x[3], in.C_b = x[4];
              in.dt_f = x[5], in.dt_b = x[6], in.dt_bias = x[7], in.A_log = x[8];
              return quasiseparable(x[0], in);
            }};
  work.bytes = elements(m, static_cast<double>(m.rows * (2 * H * P + 4 * N + 2 * H)));
  return work;
}

/// A number a head as in Mamba-2, or one for each state as in Mamba.
Work ssd_work(const Machine& m, int64_t L, bool diagonal) {
  const int64_t H = std::max<int64_t>(1, 2 * m.width / 64), P = 64, N = diagonal ? 16 : 64, B = m.rows / L;
  const auto stream = [&](const Shape& s, double scale) { return m.values(Shape{B, L} + s, scale); };
  const Tensor A_log = random_values(diagonal ? Shape{H, N} : Shape{H}, DType::F32, m.device);
  Work work{diagonal ? "ssd, diagonal" : "ssd",
            fmt::format("{}x{}, {} heads of {}, N {}", B, L, H, P, N),
            {stream({H, P}, 1), stream({H}, 1), A_log, stream({1, N}, 0.1), stream({1, N}, 0.1)},
            [](const std::vector<Var>& x) { return ssd(x[0], {.dt = x[1], .A_log = x[2], .B = x[3], .C = x[4]}).y; }};
  work.bytes = elements(m, static_cast<double>(m.rows * (2 * H * P + 2 * N + H)));
  return work;
}

Tensor token_ids(const Machine& m, int64_t vocabulary) {
  std::vector<int64_t> ids(static_cast<size_t>(m.long_rows));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i * 7919) % vocabulary;
  return from_vector(ids, {m.long_rows}, m.device);
}

std::vector<Work> all_works(const Machine& m) {
  const int64_t D = m.width, R = m.long_rows, vocabulary = 260;
  const Tensor x = m.values({R, D}), y = m.values({R, D}), w = random_values({D}, DType::F32, m.device);
  const Tensor ids = token_ids(m, vocabulary);
  const auto unary = [](Var (*f)(const Var&)) { return [f](const std::vector<Var>& v) { return f(v[0]); }; };
  std::vector<Work> works{
      matmul_work(m, {}, 1024, 1024, 1024),
      matmul_work(m, {1024}, 64, 64, 64),
      linear_work(m, D, 5 * D),
      linear_work(m, 2 * D, D),
      conv1d_work(m, Activation::kNone),
      conv1d_work(m, Activation::kSilu),
      moving_work(m, "norm", D, 2, {x, w}, [](const std::vector<Var>& v) { return norm(v[0], v[1]).y; }),
      moving_work(m, "norm, gate", D, 3, {x, w, y},
                  [](const std::vector<Var>& v) { return norm(v[0], v[1], {.gate = v[2]}).y; }),
      moving_work(m, "silu", D, 2, {x}, unary(silu)),
      moving_work(m, "gelu", D, 2, {x}, unary(gelu)),
      moving_work(m, "add", D, 3, {x, y}, [](const std::vector<Var>& v) { return v[0] + v[1]; }),
      moving_work(m, "sum over rows", D, 1, {x}, [](const std::vector<Var>& v) { return sum(v[0], {0}); }),
      moving_work(m, "cumsum", D, 2, {x}, [](const std::vector<Var>& v) { return cumsum(v[0], 0); }),
      moving_work(m, "embedding", D, 2, {m.values({vocabulary, D})},
                  [ids](const std::vector<Var>& v) { return embedding(v[0], ids); }),
      moving_work(m, "cross_entropy", vocabulary, 1, {m.values({R, vocabulary})},
                  [ids](const std::vector<Var>& v) { return cross_entropy(v[0], ids).loss; })};
  for (const int64_t L : {256, 4096})
    if (L <= m.rows) works.push_back(quasiseparable_work(m, L));
  for (const bool diagonal : {false, true})
    if (4096 <= m.rows) works.push_back(ssd_work(m, 4096, diagonal));
  return works;
}

/// What one op was measured to do.
struct Figures {
  double forward_ms, both_ms, share;
  std::string rate, yardstick;
};

Figures measure(const Work& work, const Harness& harness, const MachineLimits& limits) {
  const Var y = work.function({work.inputs.begin(), work.inputs.end()});
  const Tensor dy = random_values(y.shape(), y.dtype(), harness.device);
  const auto forward = [&] {
    const NoGrad values_only;
    work.function({work.inputs.begin(), work.inputs.end()});
  };
  const auto both = [&] {
    std::vector<Var> leaves;
    for (const Tensor& x : work.inputs) leaves.push_back(leaf(x));
    backward(work.function(leaves), {.seed = dy});
  };
  std::vector<std::function<void()>> calls{forward, both};
  if (work.rival) calls.push_back(work.rival);
  const std::vector<double> ms = harness.time(calls);
  Figures f{ms[0], ms[1], 0, "", ""};
  if (work.flops > 0) {
    f.rate = short_number(1e-6 * work.flops / ms[0]) + " GFLOP/s";
    f.share = 1e-9 * work.flops / ms[0] / limits.gemm_tflops;
    f.yardstick = "GEMM";
  } else {
    f.rate = short_number(1e-6 * work.bytes / ms[0]) + " GB/s";
    f.share = 1e-6 * work.bytes / ms[0] / limits.copy_gbs;
    f.yardstick = "copy";
  }
  if (work.rival) {
    f.share = ms[2] / thread_count() / ms[0];
    f.yardstick = text("Eigen x ", thread_count());
  }
  return f;
}

void print_json(const Work& work, const Figures& f) {
  JsonLine()
      .put("op", work.op)
      .put("size", work.size)
      .put("forward_ms", f.forward_ms)
      .put("forward_backward_ms", f.both_ms)
      .put("rate", f.rate)
      .put("share", f.share)
      .put("of", f.yardstick)
      .print();
}

}  // namespace

void bench_ops(const BenchOptions& options, const Harness& harness) {
  const bool cuda = harness.device.is_cuda();
  const Machine machine{.device = harness.device,
                        .dtype = activation_dtype(options.global.mode_or(cuda ? MathMode::kBF16 : MathMode::kF32)),
                        .rows = cuda ? 65536 : 4096,
                        .long_rows = 65536,
                        .width = cuda ? 768 : 128};
  const MachineLimits limits = measure_limits(harness, machine.dtype);
  if (!options.global.json)
    print_out("{}: copy {} GB/s, GEMM {} TFLOP/s\n", to_string(machine.dtype), short_number(limits.copy_gbs),
              short_number(limits.gemm_tflops));
  const Table table({{"op", -16}, {"size", -34}, {"ms", 8}, {"+back", 8}, {"rate", 16}, {"share", 6}, {"", -14}});
  if (!options.global.json) table.head();
  for (const Work& work : all_works(machine)) {
    const Figures f = measure(work, harness, limits);
    if (options.global.json)
      print_json(work, f);
    else
      table.row({work.op, work.size, short_number(f.forward_ms), short_number(f.both_ms), f.rate,
                 fmt::format("{:.0f}%", 100 * f.share), " of " + f.yardstick});
  }
}

}  // namespace matmix::experiments
