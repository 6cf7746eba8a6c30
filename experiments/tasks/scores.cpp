#include "experiments/tasks/scores.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "tensor/error.h"

namespace matmix::experiments {
namespace {

template <class T>
void check(const char* metric, const std::vector<T>& got, const std::vector<T>& want) {
  require(!got.empty() && got.size() == want.size(), metric,
          "needs as many predictions as answers and at least one, got ", got.size(), " and ", want.size());
}

/// The rank of each number, from 1.
Scores ranks(const Scores& x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return x[i]; });
  Scores rank(x.size());
  for (size_t first = 0; first < order.size();) {
    size_t last = first;
    while (last < order.size() && x[order[last]] == x[order[first]]) ++last;
    for (size_t i = first; i < last; ++i) rank[order[i]] = (static_cast<double>(first + last) + 1) / 2;
    first = last;
  }
  return rank;
}

/// covariance / sqrt(of one * of the other), where that is a number.
double correlation(double both, double one, double other) {
  return one > 0 && other > 0 ? both / std::sqrt(one * other) : 0;
}

}  // namespace

double accuracy(const Labels& got, const Labels& want) {
  check("accuracy", got, want);
  size_t right = 0;
  for (size_t i = 0; i < got.size(); ++i) right += got[i] == want[i];
  return static_cast<double>(right) / static_cast<double>(got.size());
}

double f1(const Labels& got, const Labels& want, int64_t positive) {
  check("f1", got, want);
  double found = 0, named = 0;  // true positives; positives of both lists
  for (size_t i = 0; i < got.size(); ++i) {
    found += got[i] == positive && want[i] == positive;
    named += (got[i] == positive) + (want[i] == positive);
  }
  return named > 0 ? 2 * found / named : 0;
}

double matthews(const Labels& got, const Labels& want) {
  check("matthews", got, want);
  std::map<int64_t, std::pair<double, double>> counts;  // of each class, in got and in want
  double right = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    counts[got[i]].first += 1;
    counts[want[i]].second += 1;
    right += got[i] == want[i];
  }
  const auto n = static_cast<double>(got.size());
  double both = right * n, one = n * n, other = n * n;
  for (const auto& [label, count] : counts) {
    both -= count.first * count.second;
    one -= count.first * count.first;
    other -= count.second * count.second;
  }
  return correlation(both, one, other);
}

double pearson(const Scores& got, const Scores& want) {
  check("pearson", got, want);
  const auto mean = [](const Scores& x) {
    return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
  };
  const double mean_got = mean(got), mean_want = mean(want);
  double both = 0, one = 0, other = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double a = got[i] - mean_got, b = want[i] - mean_want;
    both += a * b;
    one += a * a;
    other += b * b;
  }
  return correlation(both, one, other);
}

double spearman(const Scores& got, const Scores& want) {
  check("spearman", got, want);
  return pearson(ranks(got), ranks(want));
}

double perplexity(double nats, int64_t tokens) {
  require(tokens > 0, "perplexity", "tokens must be positive, got ", tokens);
  return std::exp(nats / static_cast<double>(tokens));
}

double bits_per_byte(double nats, int64_t bytes) {
  require(bytes > 0, "bits_per_byte", "bytes must be positive, got ", bytes);
  return nats / std::log(2.0) / static_cast<double>(bytes);
}

}  // namespace matmix::experiments
