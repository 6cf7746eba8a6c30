#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mixers/registry.h"

namespace matmix::mixers::laws {

/// Where streams come from in a trial: token by token, from a learned table of positions, or from a function of the
/// position. To the mixer alone the last two are one, so the third is tried in the block only.
enum class SourceKind { kProjected, kTable, kGenerated };
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
  std::vector<SourceKind> sources{SourceKind::kProjected, SourceKind::kTable, SourceKind::kGenerated};
  std::vector<DType> dtypes{DType::F64, DType::F32, DType::BF16};
  std::vector<Device> devices{kCpu};
  bool exhaustive = false;  ///< every length, not a choice of them
  uint64_t seed = 0;
};

/// Every registered mixer, and the options of a class that change its matrix: "quasiseparable, no shift".
const std::vector<MixerRow>& law_rows();
/// The rows of these mixers with their variants, all without names; Error naming the known ones.
std::vector<MixerRow> law_rows(const std::vector<std::string>& names);

/// One law: its name, and what it says of a mixer given its streams, or (where said) of the block around it.
struct Law {
  std::string name, says;
};
/// Every law that check_laws() can report, in the order of its measurement.
const std::vector<Law>& all_laws();

/// Measures them all: for each law, source, dtype and device the worst case. A mixer without streams has one source.
/// `done` (if any) is called after each combination of source, dtype and device.
std::vector<LawResult> check_laws(const MixerRow& row, const LawOptions& options = {},
                                  const std::function<void(const std::vector<LawResult>&)>& done = {});

}  // namespace matmix::mixers::laws
