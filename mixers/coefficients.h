#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "mixers/streams.h"
#include "nn/module.h"

namespace matmix::mixers {

/// A stream as a learned function of the position (the filters of Hyena, TNN, S4): extendable to any length.
class Generator : public nn::Module {
 public:
  /// [1, L, per_token...].
  virtual Var forward(int64_t L) const = 0;
};

/// Where the streams come from.
struct Projected {};  ///< from the input, token by token: data dependent
struct Table {        ///< learned, one row a position
  int64_t max_len = 0;
  std::optional<nn::Init> init = {};  ///< unset: each stream's own
};
struct Generated {
  std::function<std::unique_ptr<Generator>(const Stream&)> make;
};
using Source = std::variant<Projected, Table, Generated>;

/// The streams of a mixer from one source. For Projected it says how wide the in-projection and the convolution must be
/// and cuts the results apart; a Table or a Generated source owns its parameters.
class Coefficients final : public nn::Module {
 public:
  /// D: the width of v, which kFromValue streams map linearly. Error unless streams are ordered by route.
  Coefficients(std::vector<Stream> streams, Source source, int64_t D);

  /// Extra channels behind v in the convolution, and how many of them the activation covers.
  int64_t conv_width() const { return width(Route::kConvAct) + width(Route::kConv); }
  int64_t act_width() const { return width(Route::kConvAct); }
  int64_t direct_width() const { return width(Route::kDirect); }

  /// convolved [B, L, conv_width()], direct [B, L, direct_width()] (undefined if 0), v [B, L, D] convolved and
  /// activated.
  Streams operator()(const Var& convolved, const Var& direct, const Var& v, const Runs& runs) const;
  /// Whether a stream changes with the input: all projected ones do, and kFromValue ones whatever the source.
  bool depend_on_input() const;
  bool projected() const { return std::holds_alternative<Projected>(source_); }
  /// The longest run the source admits.
  int64_t max_len() const;
  void visit(nn::Visitor& v) override;

 private:
  int64_t width(Route route) const;
  void cut(Streams& out, const Var& joined, std::initializer_list<Route> routes) const;

  std::vector<Stream> streams_;
  Source source_;
  std::vector<nn::Parameter> parameters_;  ///< tables, or the weights of kFromValue streams; absent where unused
  std::vector<std::unique_ptr<Generator>> generators_;
};

}  // namespace matmix::mixers
