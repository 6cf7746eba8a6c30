#include "experiments/bench/harness.h"

#include <fmt/core.h>
#include <algorithm>
#include <chrono>
#include <cmath>

#include "ops/matmul/gemm.h"
#include "tensor/create.h"
#include "tensor/random.h"
#include "tensor/storage.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_of(const std::function<void()>& call, int64_t times, Device device) {
  synchronize(device);
  const Clock::time_point start = Clock::now();
  for (int64_t i = 0; i < times; ++i) call();
  synchronize(device);
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> samples) {
  std::ranges::sort(samples);
  const size_t n = samples.size();
  return n % 2 == 1 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}

}  // namespace

std::vector<double> Harness::time(const std::vector<std::function<void()>>& calls) const {
  std::vector<int64_t> times;
  double turn_ms = 0;
  for (const auto& call : calls) {
    milliseconds_of(call, 1, device);
    const double once = milliseconds_of(call, 1, device);
    times.push_back(std::clamp<int64_t>(std::llround(sample_ms / std::max(once, 1e-4)), 1, 10000));
    turn_ms += once * static_cast<double>(times.back());
  }
  const int turns = std::clamp(static_cast<int>(most_ms / turn_ms), std::min(3, repeats), repeats);
  std::vector<std::vector<double>> samples(calls.size());
  for (int turn = 0; turn < turns; ++turn)
    for (size_t i = 0; i < calls.size(); ++i)
      samples[i].push_back(milliseconds_of(calls[i], times[i], device) / static_cast<double>(times[i]));
  std::vector<double> medians;
  for (const auto& of_call : samples) medians.push_back(median(of_call));
  return medians;
}

int64_t Harness::peak_bytes(const std::function<void()>& call) const {
  const auto pool = current_pool(device);
  pool->reset_peak();
  const int64_t before = pool->stats().live_bytes;
  call();
  synchronize(device);
  return pool->stats().peak_bytes - before;
}

MachineLimits measure_limits(const Harness& harness, DType dtype) {
  const Device device = harness.device;
  const int64_t bytes = device.is_cuda() ? int64_t{1} << 30 : int64_t{1} << 28;
  const int64_t n = !device.is_cuda() ? 1024 : dtype == DType::BF16 ? 8192 : 4096;
  const Tensor from = zeros({bytes}, DType::U8, device), into = empty({bytes}, DType::U8, device);
  const Tensor a = random_values({n, n}, dtype, device), b = random_values({n, n}, dtype, device), c = empty_like(a);
  const std::vector<double> ms = harness.time({[&] { copy(into, from); }, [&] { gemm(a, b, c); }});
  return {.copy_gbs = 2e-6 * static_cast<double>(bytes) / ms[0], .gemm_tflops = 2e-9 * std::pow(n, 3) / ms[1]};
}

Tensor random_values(const Shape& shape, DType dtype, Device device, double scale) {
  const Tensor x = empty(shape, DType::F32);
  random_normal(x, 0, scale, {.stream = stream_of("bench")});
  return to(cast(x, dtype), device);
}

}  // namespace matmix::experiments
