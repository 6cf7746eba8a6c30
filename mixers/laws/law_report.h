#pragma once

#include <string>
#include <vector>

#include "mixers/laws/fixture.h"

namespace matmix::mixers::laws {

/// What one walk over the laws found: the worst case of each.
class LawBook {
 public:
  explicit LawBook(const Setting& setting) : setting_(setting) {}

  /// One measured case: it holds if error <= tolerance. NaN never holds.
  void add(const std::string& law, double error, double tolerance, const std::string& where);
  /// A case that holds or not.
  void add(const std::string& law, bool holds, const std::string& where) { add(law, holds ? 0 : 1, 0, where); }
  std::vector<LawResult> results() const { return results_; }

 private:
  Setting setting_;
  std::vector<LawResult> results_;
};

/// The lengths that are tried with one chunk length.
struct Sweep {
  int64_t Q;
  std::vector<int64_t> lengths;

  int64_t max_len() const { return lengths.back(); }
};
std::vector<Sweep> sweeps(bool exhaustive);

/// Sequences of unlike lengths, the longest L.
std::vector<int64_t> unlike_lengths(int64_t L);
/// "L=13 Q=8 packed".
std::string where_of(int64_t L, int64_t Q, const std::string& layout);

// One function a group of laws; each adds what it measures.
void check_forms(const Setting& setting, LawBook& book);
void check_linear(const Setting& setting, LawBook& book);
void check_causal(const Setting& setting, LawBook& book);
void check_recurrence(const Setting& setting, LawBook& book);
void check_scale(const Setting& setting, LawBook& book);
void check_ranks(const Setting& setting, LawBook& book);
void check_repeatable(const Setting& setting, LawBook& book);
void check_devices(const Setting& setting, LawBook& book);
// Of the block around the mixer.
void check_facts(const Setting& setting, LawBook& book);
void check_block_padding(const Setting& setting, LawBook& book);
void check_parameters(const Setting& setting, LawBook& book);
void check_initial(const Setting& setting, LawBook& book);

}  // namespace matmix::mixers::laws
