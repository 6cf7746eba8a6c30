#include "experiments/replay/replay.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "autograd/backward.h"
#include "mixers/attention.h"
#include "mixers/cauchy.h"
#include "mixers/dense.h"
#include "mixers/dft.h"
#include "mixers/low_rank.h"
#include "mixers/quasiseparable.h"
#include "mixers/toeplitz.h"
#include "mixers/vandermonde.h"
#include "nn/parameter_store.h"
#include "tensor/accumulate.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

using mixers::MixerBlock;

/// One of their parameters and the ones of ours that it holds, joined along its last axis; if `gather` is set, of what
/// that makes of theirs, and `scatter` makes theirs of gradients of ours.
struct NameMap {
  std::string theirs;
  std::vector<std::string> ours;
  std::function<Tensor(const Tensor&)> gather = {}, scatter = {};
};

/// The metadata and tensors of one file, with errors that name what is wrong.
class Reference {
 public:
  explicit Reference(const TensorFile& file) : file_(file) {}

  const std::string& word(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    require(found != file_.metadata.end(), "replay", "metadata must have ", key);
    return found->second;
  }
  int64_t number(const std::string& key) const {
    const std::string& value = word(key);
    int64_t n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    require(error == std::errc() && end == value.data() + value.size() && n >= 0, "replay", "metadata ", key,
            " must be a whole number, got '", value, "'");
    return n;
  }
  /// Whether the coefficients are projected from the input; Hydra's always are.
  bool data_dependent() const { return !file_.metadata.contains("data_dependent") || number("data_dependent") != 0; }
  bool has_parameter(const std::string& name) const { return file_.tensors.contains("param." + name); }
  const Tensor& tensor(const std::string& name) const {
    const Tensor& x = file_.at(name);
    require(is_floating(x.dtype()), "replay", "tensor ", name, " must be floating, got ", x);
    return x;
  }
  std::vector<std::string> parameter_names() const {
    constexpr std::string_view kPrefix = "param.";
    std::vector<std::string> names;
    for (const auto& [name, value] : file_.tensors)
      if (name.starts_with(kPrefix)) names.push_back(name.substr(kPrefix.size()));
    return names;
  }

 private:
  const TensorFile& file_;
};

/// The block around every mixer of the reference.
mixers::BlockOptions block_options(const Reference& r) {
  return {.d_model = r.number("d_model"),
          .expand = r.number("expand"),
          .headdim = r.number("headdim"),
          .conv_width = r.number("d_conv"),
          .conv_bias = r.has_parameter("conv1d.bias"),
          .bias = r.has_parameter("in_proj.bias")};
}

/// The same with coefficients from a table, as long as the parameter `table`, where they do not depend on the data.
mixers::BlockOptions with_source(mixers::BlockOptions block, const Reference& r, const std::string& table) {
  if (!r.data_dependent()) block.source = mixers::Table{.max_len = r.tensor("param." + table).dim(0)};
  return block;
}

template <class M, class Options>
std::unique_ptr<MixerBlock> block_around(const mixers::BlockOptions& block, const Options& options) {
  return std::make_unique<MixerBlock>(
      block, [&](const mixers::BlockShape& shape) { return std::make_unique<M>(shape, options); });
}

std::unique_ptr<MixerBlock> make_hydra(const Reference& r) {
  return block_around<mixers::Quasiseparable>(
      block_options(r), mixers::QuasiseparableMixerOptions{.groups = r.number("ngroups"),
                                                           .state = r.number("d_state"),
                                                           .initial_states = r.has_parameter("init_states")});
}

/// One group of B and C, shared by both directions; a state of qk_dim for each head. Without data dependence B and C
/// are a table and the step is the bias alone.
std::unique_ptr<MixerBlock> make_quasiseparable(const Reference& r) {
  const mixers::BlockOptions block = block_options(r);
  require(block.headdim > 0, "replay", "metadata headdim must be positive, got ", block.headdim);
  const int64_t heads = block.expand * block.d_model / block.headdim;
  return block_around<mixers::Quasiseparable>(
      with_source(block, r, "matrix_mixer.BC"),
      mixers::QuasiseparableMixerOptions{
          .state = heads * r.number("qk_dim"), .shared_bc = true, .step_stream = r.data_dependent()});
}

/// All but quasiseparable add v to the product.
mixers::BlockOptions residual_block(const Reference& r) {
  mixers::BlockOptions block = block_options(r);
  block.residual_v = true;
  return block;
}

std::unique_ptr<MixerBlock> make_dense(const Reference& r) {
  return block_around<mixers::Dense>(residual_block(r), r.number("max_seq_len"));
}

std::unique_ptr<MixerBlock> make_attention(const Reference& r) {
  return block_around<mixers::Attention>(with_source(residual_block(r), r, "matrix_mixer.q_matrix"),
                                         mixers::AttentionMixerOptions{.qk_dim = r.number("qk_dim")});
}

std::unique_ptr<MixerBlock> make_low_rank(const Reference& r) {
  return block_around<mixers::LowRank>(
      with_source(residual_block(r), r, "matrix_mixer.q_matrix"),
      mixers::LowRankMixerOptions{.qk_dim = r.number("qk_dim"), .scale_len = r.number("max_seq_len")});
}

/// The reference's is one tap off; its table holds both directions.
std::unique_ptr<MixerBlock> make_toeplitz(const Reference& r) {
  mixers::BlockOptions block = residual_block(r);
  if (!r.data_dependent()) block.source = mixers::Table{.max_len = r.number("max_seq_len")};
  return block_around<mixers::Toeplitz>(
      block, mixers::ToeplitzMixerOptions{.scale_len = r.number("max_seq_len"), .reference_compat = true});
}

std::unique_ptr<MixerBlock> make_dft(const Reference& r) {
  return block_around<mixers::Dft>(residual_block(r), r.number("max_seq_len"));
}

/// Taps [H, 2 L - 1] as [L, 2 H], F64: f_k = w_{L-1+k} of every head, then r_k = w_{L-1-k}.
Tensor both_directions(const Tensor& w) {
  require(w.rank() == 2 && w.dim(1) % 2 == 1, "replay", "taps must be [H, 2 L - 1], got ", w);
  const int64_t H = w.dim(0), L = (w.dim(1) + 1) / 2;
  const Tensor rows = empty({L, 2 * H}, DType::F64);
  for (int64_t k = 0; k < L; ++k) {
    copy(rows.select(0, k).narrow(0, 0, H), w.select(1, L - 1 + k));
    copy(rows.select(0, k).narrow(0, H, H), w.select(1, L - 1 - k));
  }
  return rows;
}
/// The transpose of it.
Tensor one_direction(const Tensor& rows) {
  const int64_t H = rows.dim(1) / 2, L = rows.dim(0);
  const Tensor w = zeros({H, 2 * L - 1}, DType::F64);
  for (int64_t k = 0; k < L; ++k) {
    accumulate(w.select(1, L - 1 + k), rows.select(0, k).narrow(0, 0, H));
    accumulate(w.select(1, L - 1 - k), rows.select(0, k).narrow(0, H, H));
  }
  return w;
}

std::unique_ptr<MixerBlock> make_cauchy(const Reference& r) {
  return block_around<mixers::Cauchy>(with_source(residual_block(r), r, "matrix_mixer.q_matrix"),
                                      mixers::CauchyMixerOptions{.qk_dim = r.number("qk_dim"),
                                                                 .scale_len = r.number("max_seq_len"),
                                                                 .learned_bias = r.has_parameter("matrix_mixer.bias")});
}

/// The reference's table is in turns a token, and mixes nothing.
std::unique_ptr<MixerBlock> make_vandermonde(const Reference& r) {
  mixers::BlockOptions block = residual_block(r);
  mixers::VandermondeMixerOptions options{.qk_dim = r.number("qk_dim"), .scale_len = r.number("max_seq_len")};
  if (!r.data_dependent()) {
    block.source = mixers::Table{.max_len = r.number("max_seq_len")};
    options.eps = 1;
    options.reference_compat = true;
  }
  return block_around<mixers::Vandermonde>(block, options);
}

/// A table [H, E, L] as [L, H, E], and back.
Tensor positions_first(const Tensor& x) {
  require(x.rank() == 3, "replay", "a table of frequencies must be [H, E, L], got ", x);
  return contiguous(x.permute({2, 0, 1}));
}
Tensor positions_last(const Tensor& x) { return contiguous(x.permute({1, 2, 0})); }

/// One class of the reference: how its block is made here, and where its parameters go.
struct ReferenceKind {
  std::string name;
  std::function<std::unique_ptr<MixerBlock>(const Reference&)> make;
  std::vector<NameMap> names;
};

/// Of the block, so of every kind.
std::vector<NameMap> block_names() {
  return {{"in_proj.weight", {"in_proj.weight"}}, {"in_proj.bias", {"in_proj.bias"}},
          {"conv1d.weight", {"conv1d.weight"}},   {"conv1d.bias", {"conv1d.bias"}},
          {"norm.weight", {"norm.weight"}},       {"out_proj.weight", {"out_proj.weight"}},
          {"out_proj.bias", {"out_proj.bias"}}};
}

/// Of classes with tables of queries and keys.
std::vector<NameMap> query_key_names() {
  return {{"matrix_mixer.q_matrix", {"coefficients.q"}}, {"matrix_mixer.k_matrix", {"coefficients.k"}}};
}

const std::vector<ReferenceKind>& kinds() {
  static const std::vector<ReferenceKind> rows{
      {"hydra",
       make_hydra,
       {{"dt_bias", {"mixer.dt_bias"}},
        {"A_log", {"mixer.A_log"}},
        {"D", {"mixer.D"}},
        {"fc_D.weight", {"coefficients.fc_D"}},
        {"init_states", {"mixer.initial_states"}}}},
      {"quasiseparable",
       make_quasiseparable,
       {{"matrix_mixer.dt_bias", {"mixer.dt_bias"}},
        {"matrix_mixer.A_log", {"mixer.A_log"}},
        {"matrix_mixer.D", {"mixer.D"}},
        {"matrix_mixer.fc_D.weight", {"coefficients.fc_D"}},
        {"matrix_mixer.BC", {"coefficients.B_f", "coefficients.C_f"}}}},
      {"dense", make_dense, {{"matrix_mixer.M", {"mixer.M"}}}},
      {"attention", make_attention, query_key_names()},
      {"cauchy",
       make_cauchy,
       {{"matrix_mixer.q_matrix", {"coefficients.q"}},
        {"matrix_mixer.k_matrix", {"coefficients.k"}},
        {"matrix_mixer.bias", {"mixer.bias"}}}},
      {"vandermonde",
       make_vandermonde,
       {{"matrix_mixer.q_bias", {"coefficients.q"}, positions_first, positions_last},
        {"matrix_mixer.k_bias", {"coefficients.k"}, positions_first, positions_last}}},
      {"low_rank", make_low_rank, query_key_names()},
      {"toeplitz",
       make_toeplitz,
       {{"matrix_mixer.conv_params",
         {"coefficients.forward", "coefficients.reverse"},
         both_directions,
         one_direction}}},
      {"vandermonde_dft", make_dft, {}},
  };
  return rows;
}

const ReferenceKind& find_kind(const std::string& name) {
  std::string known;
  for (const ReferenceKind& kind : kinds()) {
    if (kind.name == name) return kind;
    known += text(known.empty() ? "" : ", ", kind.name);
  }
  fail("replay", "blocks of kind '", name, "' are not there yet; known are: ", known);
}

/// Our parameters under their names: values in, gradients out.
class Parameters {
 public:
  Parameters(const ReferenceKind& kind, MixerBlock& block, Device device, MathMode mode)
      : names_(block_names()), store_(block, device, mode, 0) {
    names_.insert(names_.end(), kind.names.begin(), kind.names.end());
  }

  void load(const Reference& r) {
    std::set<std::string> missing;
    for (const Entry& e : store_.entries()) missing.insert(e.path);
    for (const std::string& theirs : r.parameter_names()) {
      const NameMap& map = map_of(theirs);
      const Tensor& value = r.tensor("param." + theirs);
      for (const auto& [entry, columns] : parts(map, map.gather ? map.gather(value) : value)) {
        copy(nn::ParameterStore::part(store_.master(), *entry), contiguous(columns).reshape(entry->shape));
        missing.erase(entry->path);
      }
    }
    require(missing.empty(), "replay", "the file must have a parameter for our ",
            missing.empty() ? "" : *missing.begin());
    store_.refresh_shadow();
  }

  /// The gradient, on the CPU, in the shape of theirs.
  Tensor gradient(const std::string& theirs, const Shape& shape) const {
    const NameMap& map = map_of(theirs);
    Tensor whole = empty(shape, DType::F64);
    if (map.gather) whole = map.gather(zeros(shape, DType::F64));
    for (const auto& [entry, columns] : parts(map, whole))
      copy(columns, to(nn::ParameterStore::part(store_.grad(), *entry), kCpu).reshape(columns.shape()));
    return map.scatter ? map.scatter(whole) : whole;
  }

 private:
  using Entry = nn::ParameterStore::Entry;

  const NameMap& map_of(const std::string& theirs) const {
    const auto map = std::ranges::find(names_, theirs, &NameMap::theirs);
    require(map != names_.end(), "replay", "param.", theirs, " is no parameter of this kind of block");
    return *map;
  }

  /// What of `value`, a tensor of theirs, belongs to which of ours.
  std::vector<std::pair<const Entry*, Tensor>> parts(const NameMap& map, const Tensor& value) const {
    const std::string& theirs = map.theirs;
    const int64_t last = value.rank() == 0 ? 1 : value.dim(-1), n = last > 0 ? value.numel() / last : 0;
    const Tensor rows = contiguous(value).reshape({n, last});
    std::vector<std::pair<const Entry*, Tensor>> found;
    int64_t column = 0;
    for (const std::string& path : map.ours) {
      const auto entry = std::ranges::find(store_.entries(), path, &Entry::path);
      require(entry != store_.entries().end(), "replay", "param.", theirs, " has no place: the block has no ", path);
      const int64_t width = n > 0 ? entry->size / n : 0;
      require(width * n == entry->size && column + width <= last, "replay", "param.", theirs, " does not fit: our ",
              path, " is ", entry->shape, ", theirs ", value.shape());
      found.emplace_back(&*entry, rows.narrow(1, column, width));
      column += width;
    }
    require(column == last, "replay", "param.", theirs, " is larger than our ", map.ours.front(), ": ", value.shape());
    return found;
  }

  std::vector<NameMap> names_;
  nn::ParameterStore store_;
};

}  // namespace

std::vector<ReplayError> replay(const TensorFile& file, MathMode mode, Device device) {
  const Reference r(file);
  const ReferenceKind& kind = find_kind(r.word("kind"));
  const std::unique_ptr<MixerBlock> block = kind.make(r);
  Parameters parameters(kind, *block, device, mode);
  parameters.load(r);

  const auto on_device = [&](const std::string& name) {
    return to(cast(r.tensor(name), activation_dtype(mode)), device);
  };
  const Var x = leaf(on_device("input"), "input");
  require(x.rank() == 3, "replay", "input must be [B, L, d_model], got ", x);
  const Var y = block->forward(x, Runs::full(x.dim(0), x.dim(1)));
  require(y.shape() == r.tensor("output").shape(), "replay", "output must be ", y.shape(), ", got ",
          r.tensor("output"));
  backward(y, {.seed = on_device("output_grad")});

  std::vector<ReplayError> errors{{"output", relative_error(y.value(), r.tensor("output"))},
                                  {"input_grad", relative_error(x.grad(), r.tensor("input_grad"))}};
  for (const std::string& name : r.parameter_names()) {
    const Tensor& theirs = r.tensor("grad." + name);
    errors.push_back({"grad." + name, relative_error(parameters.gradient(name, theirs.shape()), theirs)});
  }
  return errors;
}

double replay_tolerance(MathMode mode) {
  require(mode == MathMode::kF64 || mode == MathMode::kF32, "replay", "--dtype must be f64 or f32, got ", mode);
  return mode == MathMode::kF64 ? 1e-10 : 1e-4;
}

}  // namespace matmix::experiments
