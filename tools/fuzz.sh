#!/usr/bin/env bash
# Runs every libFuzzer target for some seconds from the seeds in tests/fuzz/seeds; what it finds on the way stays in the
# build folder. Needs clang and libclang-rt-14-dev. The first crash ends it; the input that crashed is named.
#   tools/fuzz.sh [seconds] [build folder]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
build=${2:-build-fuzz}
targets=(config npy safetensors vocabulary wordnet)

if [ ! -f "$build/build.ninja" ]; then
  CXX=clang++ meson setup "$build" -Dfuzz=true -Dtests=false -Dcuda=disabled >/dev/null
fi
ninja -C "$build" "${targets[@]/#/tests/fuzz/fuzz_}"
for target in "${targets[@]}"; do
  found=$build/fuzz/$target
  mkdir -p "$found"
  "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$found-" "$found" "tests/fuzz/seeds/$target" 2>&1 |
    sed -n "/Done\|ERROR\|Test unit\|what()/p; s/^stat::number_of_executed_units: */$target: inputs /p"
done
