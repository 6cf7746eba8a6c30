#pragma once

#include "mixers/streams.h"

namespace matmix::mixers {

/// What a causal mixer of bounded rank is besides: a state that is carried along the tokens of whole rows, so that a
/// run may be cut anywhere. Every causal class that promises a rank below the diagonal must be one.
class Recurrence {
 public:
  struct Carried {
    Var y;      ///< [B, L, H, P], of v's dtype
    Var state;  ///< behind the last token; what it looks like is the class's own
  };

  virtual ~Recurrence() = default;
  /// The next L tokens by the fast form: v [B, L, H, P], streams of these tokens. `state`: before the first of them;
  /// undefined: that of the start of a run.
  virtual Carried carry(const Streams& c, const Var& v, const Var& state) const = 0;
  /// The same of one token, v [B, 1, H, P], by plain ops.
  virtual Carried step(const Streams& c, const Var& v, const Var& state) const = 0;
};

}  // namespace matmix::mixers
