#include "mixers/laws/laws.h"

#include <algorithm>

#include "mixers/attention.h"
#include "mixers/cauchy.h"
#include "mixers/laws/law_report.h"
#include "mixers/low_rank.h"
#include "mixers/monarch.h"
#include "mixers/quasiseparable.h"
#include "mixers/semiseparable.h"
#include "mixers/toeplitz.h"
#include "mixers/vandermonde.h"

namespace matmix::mixers::laws {
namespace {

MixerRow quasiseparable_variant(const char* what, QuasiseparableMixerOptions options) {
  return {text("quasiseparable, ", what), "an option of it", [options](const BlockShape& s, const MixerSizes& z) {
            auto made = options;
            made.groups = z.groups;
            made.state = z.state;
            made.Q = z.Q;
            return std::make_unique<Quasiseparable>(s, made);
          }};
}

MixerRow semiseparable_variant(const char* what, SemiseparableMixerOptions options) {
  return {text("semiseparable, ", what), "an option of it", [options](const BlockShape& s, const MixerSizes& z) {
            auto made = options;
            made.groups = z.groups;
            made.state = options.decay == StateDecay::kComplex ? z.state + z.state % 2 : z.state;
            made.Q = z.Q;
            return std::make_unique<Semiseparable>(s, made);
          }};
}

MixerRow low_rank_variant(const char* what, FeatureMap features, bool normalise) {
  return {text("low_rank, ", what), "an option of it", [=](const BlockShape& s, const MixerSizes& z) {
            return std::make_unique<LowRank>(
                s, LowRankMixerOptions{
                       .qk_dim = z.qk_dim, .scale_len = z.max_len, .features = features, .normalise = normalise});
          }};
}

MixerRow toeplitz_variant(const char* what, ToeplitzMixerOptions options) {
  return {text("toeplitz, ", what), "an option of it", [options](const BlockShape& s, const MixerSizes& z) {
            auto made = options;
            made.scale_len = z.max_len;
            return std::make_unique<Toeplitz>(s, made);
          }};
}

std::vector<MixerRow> all_rows() {
  std::vector<MixerRow> rows = registry();
  rows.push_back(quasiseparable_variant("no shift", {.shift = false, .diagonal = Diagonal::kPerHead}));
  rows.push_back(quasiseparable_variant("shared B and C", {.shared_bc = true, .diagonal = Diagonal::kConstant}));
  rows.push_back(quasiseparable_variant("no decay", {.diagonal = Diagonal::kNone, .decay = false}));
  rows.push_back(quasiseparable_variant("no step stream", {.step_stream = false}));
  rows.push_back(quasiseparable_variant("initial states", {.initial_states = true}));
  rows.push_back(quasiseparable_variant("initial states, no shift", {.shift = false, .initial_states = true}));
  rows.push_back(semiseparable_variant("no diagonal", {.diagonal = Diagonal::kNone}));
  rows.push_back(semiseparable_variant("one diagonal", {.diagonal = Diagonal::kConstant}));
  rows.push_back(semiseparable_variant("diagonal from the token", {.diagonal = Diagonal::kProjected}));
  rows.push_back(semiseparable_variant("initial states", {.initial_states = true}));
  rows.push_back(semiseparable_variant("reverse", {.initial_states = true, .reverse = true}));
  rows.push_back(semiseparable_variant("diagonal A, no B and C streams",
                                       {.decay = StateDecay::kDiagonal, .bc_stream = false, .initial_states = true}));
  rows.push_back(semiseparable_variant("complex A", {.decay = StateDecay::kComplex, .initial_states = true}));
  rows.push_back(low_rank_variant("elu + 1, normalised", FeatureMap::kEluPlusOne, true));
  rows.push_back(low_rank_variant("exp, normalised", FeatureMap::kExp, true));
  rows.push_back(low_rank_variant("relu", FeatureMap::kRelu, false));
  rows.push_back({"cauchy, every digit", "an option of it", [](const BlockShape& s, const MixerSizes& z) {
                    return std::make_unique<Cauchy>(
                        s, CauchyMixerOptions{.qk_dim = z.qk_dim, .scale_len = z.max_len, .accuracy = 1e-14});
                  }});
  rows.push_back({"vandermonde, every digit", "an option of it", [](const BlockShape& s, const MixerSizes& z) {
                    return std::make_unique<Vandermonde>(
                        s, VandermondeMixerOptions{.qk_dim = z.qk_dim, .scale_len = z.max_len, .accuracy = 1e-14});
                  }});
  rows.push_back({"monarch, order 3", "an option of it", [](const BlockShape& shape, const MixerSizes& sizes) {
                    const int64_t order = std::min<int64_t>(3, Monarch::finest_order(sizes.max_len));
                    return std::make_unique<Monarch>(shape,
                                                     MonarchMixerOptions{.order = order, .max_len = sizes.max_len});
                  }});
  rows.push_back(toeplitz_variant("causal", {.causal = true}));
  rows.push_back(toeplitz_variant("the reference's", {.reference_compat = true}));
  rows.push_back({"vandermonde, the reference's", "an option of it", [](const BlockShape& s, const MixerSizes& z) {
                    return std::make_unique<Vandermonde>(
                        s, VandermondeMixerOptions{
                               .qk_dim = z.qk_dim, .scale_len = z.max_len, .eps = 1, .reference_compat = true});
                  }});
  rows.push_back({"attention, causal", "an option of it", [](const BlockShape& shape, const MixerSizes& sizes) {
                    return std::make_unique<Attention>(shape,
                                                       AttentionMixerOptions{.qk_dim = sizes.qk_dim, .causal = true});
                  }});
  return rows;
}

using Check = void (*)(const Setting&, LawBook&);
constexpr Check kMixerLaws[] = {check_forms, check_linear, check_causal,     check_recurrence,
                                check_scale, check_ranks,  check_repeatable, check_devices};
constexpr Check kBlockLaws[] = {check_facts, check_block_padding, check_parameters, check_initial};

bool has_streams(const MixerRow& row) { return !row.make(kLawShape, law_sizes(8, 16))->streams().empty(); }

bool is_variant_of(const MixerRow& row, const std::string& name) {
  return row.name == name || row.name.starts_with(name + ",");
}

}  // namespace

std::string_view to_string(SourceKind source) {
  switch (source) {
    case SourceKind::kProjected: return "projected";
    case SourceKind::kTable: return "table";
    case SourceKind::kGenerated: return "generated";
  }
  fail("laws", "unknown source");
}

const std::vector<Law>& all_laws() {
  static const std::vector<Law> all{
      {"value", "fast == explicit; in BF16 at most twice as far from F64 as the explicit form in BF16"},
      {"gradient", "the same of the gradients of v, of every stream and of every parameter"},
      {"padding",
       "neither side, amount nor content (NaN, inf) of padding matters; results and gradients there are 0; the same of "
       "the "
       "block, down to the gradient of every parameter"},
      {"packing", "sequences packed into rows give what they give apart"},
      {"linear", "the result is linear in v, given the streams"},
      {"causal",
       "M is 0 above the diagonal, and the fast form blind to later v (by transforms: but for rounding), exactly if "
       "promised"},
      {"truncation", "a causal mixer gives the first tokens alone what it gives them in a longer run"},
      {"recurrence",
       "causal and of bounded rank: explicit, chunked and step by step agree, so do pieces with the state carried "
       "over"},
      {"scale",
       "a longer run whose further streams are 0 has the same M in its corner, exactly unless promised otherwise; if "
       "normalised up to a factor a row"},
      {"rank", "blocks strictly below and strictly above the diagonal have at most the promised rank"},
      {"rank_tight", "and the promised rank is reached"},
      {"monarch", "blocks of every b-th row and b columns side by side have rank 1, for the promised b"},
      {"repeatable", "the same bits twice, and on 1, 2 and 3 threads"},
      {"devices", "CUDA == CPU"},
      {"data_dependent", "of the block: M changes with the input exactly if promised"},
      {"normalised", "every row of M sums to 1 exactly if promised"},
      {"sequence_aligned",
       "M[:i+1, :i+1], of a normalised M up to a factor a row, is made of tokens <= i exactly if promised"},
      {"extendable", "of the block: takes runs longer than the length it was made for exactly if promised"},
      {"parameters", "of the block: every one receives a gradient at L = 3"},
      {"decay_groups", "of the block: weight decay takes hold of the weights of products, never of vectors"},
      {"initial", "of the block at its initial values: M v is finite, not 0, and at most 100 times v, whatever L"}};
  return all;
}

const std::vector<MixerRow>& law_rows() {
  static const std::vector<MixerRow> rows = all_rows();
  return rows;
}

std::vector<MixerRow> law_rows(const std::vector<std::string>& names) {
  if (names.empty()) return law_rows();
  std::vector<MixerRow> chosen;
  for (const std::string& name : names) {
    const size_t before = chosen.size();
    std::ranges::copy_if(law_rows(), std::back_inserter(chosen),
                         [&](const MixerRow& row) { return is_variant_of(row, name); });
    if (chosen.size() == before) find_mixer(name);
  }
  return chosen;
}

std::vector<LawResult> check_laws(const MixerRow& row, const LawOptions& options,
                                  const std::function<void(const std::vector<LawResult>&)>& done) {
  std::vector<LawResult> all;
  for (const Device device : options.devices)
    for (const SourceKind source : options.sources)
      for (const DType dtype : options.dtypes) {
        const Setting setting{row, source, dtype, device, options.exhaustive, options.seed};
        if (source != SourceKind::kProjected && !has_streams(row)) continue;
        LawBook book(setting);
        if (source != SourceKind::kGenerated)
          for (const auto check : kMixerLaws) check(setting, book);
        for (const auto check : kBlockLaws) check(setting, book);
        const std::vector<LawResult> found = book.results();
        all.insert(all.end(), found.begin(), found.end());
        if (done) done(found);
      }
  return all;
}

}  // namespace matmix::mixers::laws
