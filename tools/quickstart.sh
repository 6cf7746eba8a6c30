#!/usr/bin/env bash
# The first ten minutes: builds the program, draws a mixer's matrix, trains three small models on WordNet's glosses, and
# leaves one page that shows them beside each other. Works in runs/quickstart; what is done already is not done again.
#   tools/quickstart.sh [--no-install]     --no-install: names the Debian packages that are missing, installs nothing
set -euo pipefail
cd "$(dirname "$0")/.."

build=build-quickstart
out=runs/quickstart
program=$build/experiments/matmix
models=(identity attention hydra)
sentences=("dog : a domestic [MASK] that barks" "run : to move [MASK] on foot" "author : a person who [MASK] books")

install=yes
case "${1:-}" in
  "") ;;
  --no-install) install=no ;;
  *)
    echo "quickstart.sh: the only option is --no-install, got '$1'" >&2
    exit 2
    ;;
esac

missing=$(tools/setup.sh --missing program)
if [ "$install" = no ] && [ -n "$missing" ]; then
  echo "quickstart.sh: missing Debian packages: $missing" >&2
  exit 1
fi

# Minutes below are those of two quiet cores; they shrink with the cores there are.
cores=$(nproc)
minutes() { echo "about $((($1 * 2 / cores + 59) / 60)) min"; }
cat <<EOF
matmix quickstart, on $cores cores. It will
  1  install     ${missing:-nothing: every package is there}
  2  build       the program, without its tests, in $build/: $(minutes 122)
  3  draw        the matrix of a mixer, its rank map, and fast minus explicit: 1 s
  4  vocabulary  4,096 word pieces from WordNet's glosses: 2 s
  5  train       ${models[0]}, ${models[1]} and ${models[2]}, a million parameters and 1.5 million tokens each: $(minutes 360)
  6  compare     what they learned, as a table, as guesses, and as one page: 3 s
Everything it makes is in $build/ and $out/; stopped and started again it goes on where it was.
EOF

stage() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }

if [ -n "$missing" ]; then
  stage "install"
  tools/setup.sh program
fi

stage "build"
[ -f "$build/build.ninja" ] || meson setup "$build" -Dtests=false >/dev/null
ninja -C "$build" experiments/matmix

stage "draw: Hydra's matrix is quasiseparable, so every block on one side of the diagonal has rank at most N = 2"
"$program" show --mixer quasiseparable --length 24 --state 2 --print

mkdir -p "$out"
stage "vocabulary"
[ -f "$out/vocab.txt" ] || "$program" tokenizer train glosses --vocab-size 4096 --out "$out/vocab.txt"

for model in "${models[@]}"; do
  stage "train $model"
  "$program" train "experiments/configs/quickstart_$model.json" --out "$out/$model" --resume
done

stage "compare"
runs=("${models[@]/#/$out/}")
texts=()
for sentence in "${sentences[@]}"; do texts+=(--text "$sentence"); done
for model in "${models[@]}"; do
  printf '\n%s\n' "$model"
  "$program" predict "$out/$model" "${texts[@]}"
done
echo
"$program" compare "${runs[@]}" --html "$out/report.html" "${texts[@]}" --verify

cat <<EOF

Done in $SECONDS s. Open $out/report.html in a browser; then try
  $program show --run $out/hydra --text "dog : a domestic [MASK] that barks"
  $program verify --mixer quasiseparable
  $program train experiments/configs/recall_hydra.json
EOF
