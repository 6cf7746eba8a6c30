#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mixers/laws/tokens.h"
#include "mixers/registry.h"
#include "nn/parameter_store.h"

namespace matmix::mixers::laws {

/// Sizes that every law is tried at: several heads and groups, odd widths.
inline constexpr BlockShape kLawShape{.D = 12, .H = 4, .P = 3};
MixerSizes law_sizes(int64_t Q, int64_t max_len);
/// The mode whose activations have this dtype, without TF32.
MathMode math_mode_of(DType dtype);

/// What a law is tried on.
struct Setting {
  const MixerRow& row;
  SourceKind source;
  DType dtype;
  Device device;
  bool exhaustive;
  uint64_t seed;
};

/// One mixer with values for its parameters, moved off the initial ones, in one dtype on one device.
class Subject {
 public:
  Subject(const Setting& setting, const MixerSizes& sizes);
  /// The same mixer with the same values, rounded to `dtype`. In F64 on the CPU it is the oracle.
  std::unique_ptr<Subject> in(DType dtype, Device device) const;

  const Mixer& mixer() const { return *mixer_; }
  const nn::ParameterStore& store() const { return *store_; }
  const Setting& setting() const { return setting_; }

  /// Values for sequences of these lengths, rounded to this subject's dtype; tables as long as the sizes' max_len.
  Tokens draw_tokens(const std::vector<int64_t>& lengths) const;
  /// The streams of a batch, each a leaf named as it is.
  Streams streams(const Tokens& tokens, const Layout& layout, double fill, std::vector<Var>* leaves) const;
  /// A value of the tokens in this subject's dtype on its device.
  Var place(const Tensor& tokens, const Layout& layout, double fill, const std::string& name) const;
  /// M, F64 on the CPU, at `fill` 0.
  Tensor matrix(const Tokens& tokens, const Layout& layout) const;

 private:
  /// Streams made from the value are in the dtype of parameters, as the block makes them.
  DType stream_dtype(size_t i) const;

  Setting setting_;
  MixerSizes sizes_;
  std::unique_ptr<Mixer> mixer_;
  std::unique_ptr<nn::ParameterStore> store_;
};

/// M v + r by the materialised matrix, in v's dtype.
Var explicit_product(const Mixer& mixer, const Streams& c, const Var& v, const Runs& runs);

/// M v + r in one way or another.
using Product = std::function<Var(const Mixer&, const Streams&, const Var& v, const Runs&)>;
enum class Form { kFast, kExplicit };

/// The result and every gradient of one product, as F64 on the CPU, token by token: comparable across layouts.
struct Evaluation {
  Tensor y;
  std::vector<NamedTensor> gradients;  ///< of v, the streams and the mixer's parameters
  bool clean = true;                   ///< y and the gradients of tokens are exactly 0 at padding
};
Evaluation evaluate(const Subject& subject, const Tokens& tokens, const Layout& layout, const Product& product,
                    double fill = 0);
Evaluation evaluate(const Subject& subject, const Tokens& tokens, const Layout& layout, Form form, double fill = 0);
/// The fast form on each sequence alone; gradients of parameters and tables summed.
Evaluation evaluate_apart(const Subject& subject, const Tokens& tokens);
/// y alone, by the fast form.
Tensor product(const Subject& subject, const Tokens& tokens, const Layout& layout);

}  // namespace matmix::mixers::laws
