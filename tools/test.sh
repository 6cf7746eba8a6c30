#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. The last line is "N passed, N failed": test cases of all test
# programs, and one for each script test. Exit status 1 if any failed or the build did.
#   tools/test.sh [build folder] [meson options]     tools/test.sh build-asan -Db_sanitize=address,undefined
set -uo pipefail
cd "$(dirname "$0")/.."

build=${1:-build}
shift $(($# > 0))

failed_to() {
  echo "could not $1"
  echo "0 passed, 1 failed"
  exit 1
}

tools/setup.sh </dev/null || failed_to "install what the build needs"
if [ ! -f "$build/build.ninja" ]; then
  meson setup "$build" "$@" || failed_to configure
elif [ $# -gt 0 ]; then
  meson configure "$build" "$@" || failed_to configure
fi
# meson lists the sources when it configures: a folder that changed since may hold another list.
if [ -n "$(find tensor autograd ops nn mixers data experiments tests -type d -newer "$build/build.ninja")" ]; then
  meson setup --reconfigure "$build" >/dev/null || failed_to configure
fi
ninja -C "$build" || failed_to build

rm -f "$build/meson-logs/testlog.json"
meson test -C "$build" --no-rebuild --print-errorlogs </dev/null
python3 tools/count_tests.py "$build/meson-logs/testlog.json"
