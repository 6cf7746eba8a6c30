#include <fmt/core.h>
#include <algorithm>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/provenance.h"
#include "experiments/report/law_page.h"
#include "tensor/file.h"

namespace matmix::experiments {
namespace {

using namespace mixers::laws;

std::vector<Device> chosen_devices(const Global& global) {
  if (!global.device.empty()) return {global.device_or(kCpu)};
  if (cuda_device_count() > 0) return {kCpu, cuda_device()};
  return {kCpu};
}

LawOptions law_options(const VerifyOptions& options) {
  LawOptions laws{.devices = chosen_devices(options.global),
                  .exhaustive = options.exhaustive,
                  .seed = static_cast<uint64_t>(options.global.seed.value_or(0))};
  if (!options.global.dtype.empty()) {
    const MathMode mode = options.global.mode_or(MathMode::kF64);
    require(mode != MathMode::kTF32, "verify", "--dtype must be f64, f32 or bf16, got tf32");
    laws.dtypes = {activation_dtype(mode)};
  }
  return laws;
}

void print_json(const LawResult& r) {
  JsonLine()
      .put("mixer", r.mixer)
      .put("source", to_string(r.source))
      .put("dtype", to_string(r.dtype))
      .put("device", to_string(r.device))
      .put("law", r.law)
      .put("error", r.error)
      .put("tolerance", r.tolerance)
      .put("pass", r.pass)
      .put("where", r.where)
      .print();
}

/// "1.2e-15<7e-14"; for a law that holds or not, "holds".
std::string cell(const LawResult* r) {
  if (!r) return "-";
  if (r->tolerance == 0) return r->pass ? "holds" : "FAILED";
  return fmt::format("{:.1e}{}{:.0e}", r->error, r->pass ? "<" : ">", r->tolerance);
}

/// A line a law: for each dtype the worst over sources and devices, then the worst case of all.
void print_table(const mixers::MixerRow& row, const std::vector<LawResult>& results) {
  print_out("\n{}\n  {:<17}{:<15}{:<15}{:<15}{}\n", row.name, "law", "F64", "F32", "BF16", "worst case");
  std::vector<std::string> laws;
  for (const LawResult& r : results)
    if (std::ranges::find(laws, r.law) == laws.end()) laws.push_back(r.law);
  for (const std::string& law : laws) {
    const auto worst = [&](auto&& belongs) {
      const LawResult* found = nullptr;
      for (const LawResult& r : results)
        if (r.law == law && belongs(r) && (!found || r.strain() > found->strain())) found = &r;
      return found;
    };
    const auto of_dtype = [&](DType dtype) { return cell(worst([&](const auto& r) { return r.dtype == dtype; })); };
    const LawResult* shown = worst([](const auto&) { return true; });
    print_out("  {:<17}{:<15}{:<15}{:<15}{}\n", law, of_dtype(DType::F64), of_dtype(DType::F32), of_dtype(DType::BF16),
              shown->tolerance > 0 ? shown->where : "-");
  }
  for (const LawResult& r : results)
    if (!r.pass)
      print_out("  FAILED {}, {}, {}, {}: {}\n", r.law, to_string(r.source), to_string(r.dtype), to_string(r.device),
                r.where);
}

}  // namespace

int run_verify(const VerifyOptions& options) {
  const LawOptions laws = law_options(options);
  const std::vector<mixers::MixerRow> rows = law_rows(options.mixers);
  std::optional<AtomicFile> page;  // opened first: a path that cannot be written is known at once
  if (!options.html.empty()) page.emplace(options.html);
  std::vector<LawResult> all;
  for (const mixers::MixerRow& row : rows) {
    const std::vector<LawResult> results = check_laws(row, laws, [&](const std::vector<LawResult>& found) {
      for (const LawResult& r : found)
        if (options.global.json) print_json(r);
      std::fflush(stdout);
    });
    if (!options.global.json) print_table(row, results);
    std::fflush(stdout);
    all.insert(all.end(), results.begin(), results.end());
  }
  if (page) {
    const std::string html = law_page(all, version_text());
    page->write(html.data(), html.size());
    page->commit();
  }
  const auto failed = std::ranges::count(all, false, &LawResult::pass);
  if (!options.global.json)
    print_out("\n{} laws measured, {} failed{}\n", all.size(), failed,
              options.exhaustive ? "" : " (--exhaustive tries every length)");
  return failed == 0 ? 0 : 1;
}

}  // namespace matmix::experiments
