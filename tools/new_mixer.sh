#!/bin/sh
# new_mixer.sh NAME [ROOT]: writes mixers/NAME.{h,cpp} and tests/mixers/NAME_test.cpp to start from: a small mixer that
# keeps every law, to be changed line by line. See docs/adding_a_mixer.md.
set -eu

name=${1:-}
here=$(cd "$(dirname "$0")/.." && pwd)
root=${2:-$here}
style=$here/.clang-format
if ! printf '%s' "$name" | grep -Eq '^[a-z][a-z0-9]*(_[a-z0-9]+)*$'; then
  echo "usage: new_mixer.sh NAME [ROOT], NAME as in low_rank; got '$name'" >&2
  exit 2
fi
for file in "mixers/$name.h" "mixers/$name.cpp" "tests/mixers/${name}_test.cpp"; do
  if [ -e "$root/$file" ]; then
    echo "new_mixer.sh: $file is there already" >&2
    exit 2
  fi
done
class=$(printf '%s' "$name" | awk -F_ '{ for (i = 1; i <= NF; ++i) printf "%s%s", toupper(substr($i, 1, 1)), substr($i, 2) }')
mkdir -p "$root/mixers" "$root/tests/mixers"

# write FILE: stdin with the names in place.
write() { sed -e "s/@name@/$name/g" -e "s/@Class@/$class/g" > "$root/$1"; }

write "mixers/$name.h" <<'END'
#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

// M_ij = w q_i k_j,  one learned w a head.
//
//   Say here what M looks like, what the explicit and the fast product cost, and where the class comes from.
class @Class@ final : public Mixer {
 public:
  explicit @Class@(const BlockShape& shape)
      : shape_(shape), w_({shape.H}, nn::Init::ones(), nn::Decay::kNo) {}
  /// Each promise is a law: `matmix verify --mixer @name@` says which are not kept.
  Traits traits() const override {
    return {.name = "@name@",
            .sequence_aligned = true,
            .rank_below = 1,
            .rank_above = 1,
            .explicit_cost = "L^2 P",
            .fast_cost = "L P"};
  }
  /// What a token brings, ordered by route.
  std::vector<Stream> streams() const override { return {{"q", {shape_.H}}, {"k", {shape_.H}}}; }
  void visit(nn::Visitor& v) override { v("w", w_); }

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;

  BlockShape shape_;
  nn::Parameter w_;
};

}  // namespace matmix::mixers
END

write "mixers/$name.cpp" <<'END'
#include "mixers/@name@.h"

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/reduce/reduce.h"

namespace matmix::mixers {

Var @Class@::do_matrix(const Streams& c, int64_t) const {
  const Var q = permute(cast(c["q"] * w_, c.dtype()), {0, 2, 1}), k = permute(c["k"], {0, 2, 1});
  return unsqueeze(q, 3) * unsqueeze(k, 2);
}

// Without a fast form this is one line: return by_matrix(c, v, runs);
Var @Class@::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams& cut, const Var& part) {
    const Var q = unsqueeze(cast(cut["q"] * w_, part.dtype()), 3), k = unsqueeze(cut["k"], 3);
    return q * sum(k * part, {1}, true);
  });
}

}  // namespace matmix::mixers
END

write "tests/mixers/${name}_test.cpp" <<'END'
#include "mixers/@name@.h"

#include <doctest/doctest.h>

#include "nn/parameter_store.h"
#include "tensor/create.h"
#include "tensor/compare.h"

using namespace matmix;
using namespace matmix::mixers;

// The laws judge it already; here stands what only this class promises, with figures from an independent source.
TEST_CASE("@name@: three tokens by hand") {
  @Class@ mixer({.D = 1, .H = 1, .P = 1});
  const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 0);
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", from_vector<double>({1, 2, 3}, {1, 3, 1}));
  c.put_tokens("k", from_vector<double>({1, 0, 2}, {1, 3, 1}));
  const Var y = mixer.mix(c, from_vector<double>({1, 1, 1}, {1, 3, 1, 1}), Runs::full(1, 3));
  CHECK(relative_error(y.value(), from_vector<double>({3, 6, 9}, {1, 3, 1, 1})) == 0);
}
END

if command -v clang-format > /dev/null; then  # lines break elsewhere for another NAME
  (cd "$root" && clang-format -i --style="file:$style" "mixers/$name.h" "mixers/$name.cpp" "tests/mixers/${name}_test.cpp")
fi
cat <<END
mixers/$name.h, mixers/$name.cpp and tests/mixers/${name}_test.cpp are written. Two lines are left to you:
  mixers/meson.build      the word '$name' in the list
  mixers/registry.cpp     #include "mixers/$name.h", and a row:
      {"$name", "what it stands for", [](const BlockShape& s, const MixerSizes&) { return std::make_unique<$class>(s); }},
Then: ./build/experiments/matmix verify --mixer $name
END
