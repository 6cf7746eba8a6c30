#pragma once

#include <cstdint>
#include <vector>

namespace matmix::experiments {

// How good predictions are, on the host in double. Two lists of one length; Error if they are empty or differ.
using Labels = std::vector<int64_t>;
using Scores = std::vector<double>;

/// The share of labels that are right.
double accuracy(const Labels& got, const Labels& want);
/// The harmonic mean of precision and recall of the class `positive`: 2 tp / (2 tp + fp + fn), 0 if that is 0 / 0.
double f1(const Labels& got, const Labels& want, int64_t positive = 1);
/// Matthews' correlation of two labellings by any number of classes: cov(got, want) / sqrt(cov(got, got) cov(want,
/// want)) of their indicator vectors; 0 if one of them is constant. Source: Gorodkin 2004.
double matthews(const Labels& got, const Labels& want);
/// The correlation of two lists of numbers; 0 if one of them is constant.
double pearson(const Scores& got, const Scores& want);
/// Pearson's of their ranks; equal numbers share the mean of their ranks.
double spearman(const Scores& got, const Scores& want);

/// exp(mean loss): `nats` summed over `tokens` predictions, which must be positive.
double perplexity(double nats, int64_t tokens);
/// The same loss per byte of text, in bits: comparable across tokenisers.
double bits_per_byte(double nats, int64_t bytes);

}  // namespace matmix::experiments
