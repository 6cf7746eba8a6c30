#!/usr/bin/env bash
# Whether two builds of matmix train alike to the last bit: five short runs by each, metrics.jsonl and the tensors of
# the last checkpoint compared byte by byte. Exit status 1 if one differs. Bits depend on compiler and processor, so
# both programs are run here, one after the other, and nothing is recorded.
#   tools/same_runs.sh OLD NEW [options of train]     tools/same_runs.sh old/matmix build/experiments/matmix --device cuda
set -euo pipefail
(($# >= 2)) || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
old=$(realpath "$1") new=$(realpath "$2")
shift 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/empty.json"
small=(data.heldout_rows=16 model.d_model=32 model.layers=2 model.mixer.headdim=8 model.mixer.state=4 train.batch=4
  train.steps=6 train.warmup=2 train.log_every=1 train.evaluate_every=3 train.checkpoint_every=3 train.evaluate_rows=16)
recall=(data.kind=recall data.pairs=4 data.queries=4)

# The name of a run, then what it sets besides.
runs=(
  "recall_f32 ${recall[*]}"
  "recall_dropout_f64 ${recall[*]} model.dropout=0.1 train.dtype=f64"
  "recall_bf16 ${recall[*]} train.dtype=bf16"
  "packed data.kind=glosses data.layout=packed data.max_len=256"
  "full_rows data.kind=glosses data.layout=full data.max_len=64 model.mixer.name=attention model.mlp_width=64"
)

train() {  # program, folder, assignments
  local program=$1 out=$2 set=()
  shift 2
  for assignment in "${small[@]}" "$@"; do set+=(--set "$assignment"); done
  (cd "$work" && "$program" train empty.json "${set[@]}" --out "$out" "${options[@]}" >"$out.log" 2>&1) || {
    cat "$work/$out.log" >&2
    return 1
  }
}

same_tensors() {
  python3 - "$@" <<'PYTHON'
import json, pathlib, sys

def tensors(run):
    path = max((pathlib.Path(run) / "checkpoints").glob("step_*.safetensors"), key=lambda p: int(p.stem[5:]))
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {name: (x["dtype"], x["shape"], data[start + x["data_offsets"][0]:start + x["data_offsets"][1]])
            for name, x in header.items()}

old, new = map(tensors, sys.argv[1:])
apart = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
sys.exit(f"{len(apart)} of {len(old)} tensors differ, the first is {apart[0]}" if apart else 0)
PYTHON
}

options=("$@")
differ=0
for run in "${runs[@]}"; do
  read -r name assignments <<<"$run"
  read -ra assignments <<<"$assignments"
  said=same
  train "$old" "$name.old" "${assignments[@]}"
  train "$new" "$name.new" "${assignments[@]}"
  cmp "$work/$name.old/metrics.jsonl" "$work/$name.new/metrics.jsonl" || said=different
  same_tensors "$work/$name.old" "$work/$name.new" || said=different
  [ $said = same ] || differ=$((differ + 1))
  printf '%-20s %s\n' "$name" "$said"
done
echo "$((${#runs[@]} - differ)) of ${#runs[@]} runs have the same bytes"
[ $differ -eq 0 ]
