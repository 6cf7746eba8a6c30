#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "autograd/var.h"
#include "nn/init.h"
#include "tensor/runs.h"

namespace matmix::mixers {

/// How the *projected* form of a stream reaches the mixer: through the convolution and its activation, through the
/// convolution alone, straight from the in-projection, or as a linear map of the convolved, activated v.
enum class Route { kConvAct, kConv, kDirect, kFromValue };

/// One value a token that a mixer asks for. Its width in the in-projection is per_token.numel(), written nowhere else.
struct Stream {
  std::string name;
  Shape per_token;  ///< {G, N}, {H}, {H, D} ...
  Route route = Route::kConvAct;
  nn::Init table_init = nn::Init::normal(0.02);  ///< where it is learned, position by position
};

/// The streams of one batch, by name. Token streams are [B, L, per_token...]. Positional ones (a table, a generated
/// filter) are [1, >= longest run, per_token...] and indexed by the position in the run.
/// dtype and device are those of v: what matrices without any stream are made in.
class Streams {
 public:
  Streams(DType dtype, Device device) : dtype_(dtype), device_(device) {}

  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  void put_tokens(std::string name, Var x) { parts_.push_back({std::move(name), std::move(x), false}); }
  void put_positions(std::string name, Var x) { parts_.push_back({std::move(name), std::move(x), true}); }

  /// Error naming the stream and those present.
  const Var& operator[](std::string_view name) const;
  bool contains(std::string_view name) const;
  /// The same streams, each a token stream [B, L, ...] of the batch: positional ones laid out along the runs.
  Streams by_token(const Runs& runs) const;
  /// The streams of a batch of full rows: positional ones cut to [1, L, ...].
  Streams whole_rows(int64_t L) const;
  /// The streams of n runs of equal length: [n, length, ...], positional ones [1, length, ...].
  Streams of_runs(const Runs& runs, const std::vector<Run>& equal) const;

 private:
  struct Part {
    std::string name;
    Var value;
    bool positional;
  };
  DType dtype_;
  Device device_;
  std::vector<Part> parts_;
};

/// Rows of x [B, L, ...] that n runs of equal length cover: [n, length, ...].
Var gather_runs(const Var& x, const Runs& runs, const std::vector<Run>& equal);

}  // namespace matmix::mixers
