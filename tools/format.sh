#!/usr/bin/env bash
# clang-format over the C++ and CUDA files that git tracks; with --check changes nothing and fails if a file would change.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run --Werror)
# Version 14 is Debian 12's; others lay out some lines differently.
format=$(command -v clang-format-14 || command -v clang-format)
tracked() {
  git ls-files -z -- '*.h' '*.cpp' '*.cu' '*.cuh' 2>/dev/null ||
    find . -path './build*' -prune -o -regex '.*\.\(h\|cpp\|cuh?\)' -print0  # not a git checkout
}
tracked |
  while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
  xargs -0 -r -n 8 -P "$(nproc)" "$format" "${mode[@]}"
