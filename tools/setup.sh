#!/usr/bin/env bash
# Installs the Debian 12 packages that building and testing need, as root or through sudo. Silent if none is missing.
#   tools/setup.sh [--missing] [program]     --missing: names them and installs nothing; program: without those of tests
set -euo pipefail

packages=(g++ meson ninja-build pkg-config libeigen3-dev nlohmann-json3-dev libcli11-dev libfmt-dev libpng-dev
  libutf8proc-dev wordnet-base git)
[[ " $* " == *" program "* ]] || packages+=(doctest-dev clang-format python3)

if ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: this is not Debian; the build needs what these Debian 12 packages hold: ${packages[*]}" >&2
  exit 0
fi

installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF "$package installed" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [[ " $* " == *" --missing "* ]]; then
  echo "${missing[*]}"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup.sh: needs root or sudo to run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup.sh: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
  >/dev/null
