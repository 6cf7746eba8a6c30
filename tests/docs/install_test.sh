#!/bin/sh
# install_test.sh BUILD PREFIX SOURCE COMPILER [FLAG...]: a program of a user, compiled with what `meson install` leaves in a
# folder and what pkg-config says of it, runs; and each header that is there compiles alone.
set -eu
build=$1 prefix=$2 source=$3
shift 3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
meson install -C "$build" --no-rebuild --quiet --tags devel --destdir "$folder"
PKG_CONFIG_PATH=$(dirname "$(find "$folder" -name matmix.pc)")
export PKG_CONFIG_PATH
cp "$source" "$folder/program.cpp"
cd "$folder"
flags=$(pkg-config --define-variable=prefix="$folder$prefix" --cflags matmix)
"$@" -std=c++20 -Wall -Wextra -Werror program.cpp -o program \
  $(pkg-config --define-variable=prefix="$folder$prefix" --cflags --libs matmix)
./program
headers="$folder$prefix/include/matmix"
(cd "$headers" && find . -name '*.h' | LC_ALL=C sort | sed 's|^./||') |
  xargs -P "$(nproc)" -I {} sh -c "echo '#include \"{}\"' | $* -std=c++20 -Wall -Wextra -Werror $flags -fsyntax-only -x c++ -"
