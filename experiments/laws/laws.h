#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mixers/registry.h"

namespace matmix::experiments {

/// Where streams come from in a trial: token by token, or from a learned table of positions.
enum class SourceKind { kProjected, kTable };
std::string_view to_string(SourceKind source);

/// The worst case of one law for one mixer, source of coefficients, dtype and device.
struct LawResult {
  std::string mixer;
  SourceKind source = SourceKind::kProjected;
  DType dtype = DType::F64;
  Device device;
  std::string law;
  double error = 0, tolerance = 0;
  bool pass = false;
  std::string where;  ///< "L=13 Q=8 packed, d B_f"

  /// How near to failing: error / tolerance; 0 for a law that holds exactly, infinity for one that is not met at all.
  double strain() const;
};

struct LawOptions {
  std::vector<SourceKind> sources{SourceKind::kProjected, SourceKind::kTable};
  std::vector<DType> dtypes{DType::F64, DType::F32, DType::BF16};
  std::vector<Device> devices{kCpu};
  bool exhaustive = false;  ///< every length, not a choice of them
  uint64_t seed = 0;
};

/// Every registered mixer, and the options of a class that change its matrix: "quasiseparable, no shift".
const std::vector<mixers::MixerRow>& law_rows();
/// The rows of these mixers with their variants, all without names; Error naming the known ones.
std::vector<mixers::MixerRow> law_rows(const std::vector<std::string>& names);

// What the laws say, for a mixer given its streams (and, where said, the block around it):
//   value, gradient     fast == explicit; BF16: at most twice as far from F64 as the explicit form in BF16 is
//   padding, packing    neither side, amount nor content (NaN) of padding matters; packed == apart; 0 at padding
//   linear, causal      in v given the streams; zero above the diagonal exactly if promised
//   data_dependent, sequence_aligned, extendable     hold exactly if promised (the first and last: of the block)
//   rank, rank_tight    of the off-diagonal blocks: never more than promised, and that much is reached
//   parameters          of the block: every one receives a gradient at L = 3
//   repeatable          same bits twice and for 1, 2 and 3 threads
//   devices             CUDA == CPU
/// Measures them all; `done` (if any) is called after each combination of source, dtype and device.
std::vector<LawResult> check_laws(const mixers::MixerRow& row, const LawOptions& options = {},
                                  const std::function<void(const std::vector<LawResult>&)>& done = {});

}  // namespace matmix::experiments
