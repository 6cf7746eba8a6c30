#include "mixers/sample_matrix.h"

#include "autograd/no_grad.h"
#include "nn/parameter_store.h"
#include "ops/elementwise/elementwise.h"
#include "tensor/create.h"
#include "tensor/random.h"
#include "tensor/transfer.h"

namespace matmix::mixers {
namespace {

/// P = L: every column of the identity is a channel of v.
BlockShape shape_of(const SpecimenOptions& o) { return {.D = o.H * o.L, .H = o.H, .P = o.L}; }

/// A mixer with values for its parameters.
struct Bound {
  Bound(const MixerRow& row, const SpecimenOptions& o)
      : mixer(row.make(shape_of(o), {.state = o.state, .qk_dim = o.state, .max_len = o.L, .Q = 16})),
        store(*mixer, o.device, o.mode, o.seed) {}

  std::unique_ptr<Mixer> mixer;
  nn::ParameterStore store;
};

/// What ops read of the parameters: in bf16 mode the shadow of some.
std::vector<Tensor> operands(const Bound& bound) {
  std::vector<Tensor> values;
  nn::for_each_parameter(*bound.mixer,
                         [&](const std::string&, nn::Parameter& p) { values.push_back(p.var().value()); });
  return values;
}

void set_parameters(const Bound& bound, const std::vector<Tensor>& values) {
  size_t next = 0;
  nn::for_each_parameter(*bound.mixer, [&](const std::string&, nn::Parameter& p) {
    copy(p.master(), cast(to(values[next++], kCpu), p.master().dtype()));
  });
}

/// What a mode has a stream in: linear maps of the value are in the dtype of parameters, as the block makes them.
DType stream_dtype(const Stream& s, MathMode mode) {
  if (s.route != Route::kFromValue) return activation_dtype(mode);
  return master_dtype(mode);
}

/// Streams of one row of L tokens, rounded as `given` rounds them, in the dtypes of o.mode.
Streams streams_of(const Mixer& mixer, const SpecimenOptions& o, MathMode given) {
  Streams c(activation_dtype(o.mode), o.device);
  for (const Stream& s : mixer.streams()) {
    const Tensor x = empty(Shape{1, o.L} + s.per_token, DType::F64);
    random_normal(x, 0, 1, {.seed = o.seed, .stream = stream_of(s.name)});
    c.put_tokens(s.name, to(cast(cast(x, stream_dtype(s, given)), stream_dtype(s, o.mode)), o.device));
  }
  return c;
}

/// Of the oracle.
std::vector<std::pair<std::string, Tensor>> ingredients(const Bound& bound, const Streams& c) {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const Stream& s : bound.mixer->streams()) all.emplace_back(s.name, c[s.name].value().select(0, 0));
  nn::for_each_parameter(
      *bound.mixer, [&](const std::string& path, nn::Parameter& p) { all.emplace_back(path, clone(p.var().value())); });
  return all;
}

}  // namespace

Tensor first_matrix(const Var& M) { return contiguous(cast(to(M.value().select(0, 0), kCpu), DType::F64)); }

Specimen sample_matrix(const MixerRow& row, const SpecimenOptions& options) {
  const NoGrad values_only;
  SpecimenOptions oracle = options;
  oracle.mode = MathMode::kF64;
  oracle.device = kCpu;
  const Bound fast(row, options), written_out(row, oracle);
  set_parameters(written_out, operands(fast));
  const Streams c = streams_of(*written_out.mixer, oracle, options.mode);
  const Runs runs = Runs::full(1, options.L);
  const BlockShape shape = shape_of(options);
  const Var M = written_out.mixer->matrix(c, runs),
            by_mix = fast.mixer->matrix_by_mix(streams_of(*fast.mixer, options, options.mode), runs, shape.H, shape.P);
  return {first_matrix(M), first_matrix(by_mix), ingredients(written_out, c)};
}

}  // namespace matmix::mixers
