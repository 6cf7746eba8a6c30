#!/bin/sh
# install_test.sh BUILD PREFIX SOURCE COMPILER [FLAG...]: a program of a user, compiled with what `meson install` leaves in a
# folder and what pkg-config says of it, runs.
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
"$@" -std=c++20 -Wall -Wextra -Werror program.cpp -o program \
  $(pkg-config --define-variable=prefix="$folder$prefix" --cflags --libs matmix)
./program
