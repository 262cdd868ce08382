#!/usr/bin/env bash
# Adds to the kept inputs what runs have found: as few files as reach all that the targets can be made to do, of those that are not longer than MOST bytes.
#   merge.sh FOLDER MOST NAME…
# What was kept stays. Of a target's new inputs KEEP_FILES (40) are taken, from the shortest to the longest: a replay is short.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
folder=$(realpath "$1") most=$2
shift 2
kept=$(dirname "$(realpath "$0")")/corpus
count=${KEEP_FILES:-40}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ASAN_OPTIONS=symbolize=0:malloc_context_size=2:quarantine_size_mb=2:${ASAN_OPTIONS:-}
for name in "$@"; do
  [ -d "$folder/corpus/$name" ] || continue
  mkdir -p "$work/$name.in" "$work/$name.out" "$kept/$name"
  find "$folder/corpus/$name" -type f -size "-$((most + 1))c" -exec cp -t "$work/$name.in" {} +
  cp "$kept/$name"/* "$work/$name.out"  # of equal inputs these are taken
  "$folder/fuzz_$name" -merge=1 -print_funcs=0 "$work/$name.out" "$work/$name.in" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 1; }
  find "$work/$name.out" -type f -printf '%s %p\n' | sort -n | cut -d ' ' -f 2- | while read -r file; do
    [ -e "$kept/$name/$(basename "$file")" ] || echo "$file"
  done >"$work/new"
  awk -v n="$(wc -l <"$work/new")" -v count="$count" 'int(NR * count / n) > int((NR - 1) * count / n) || n <= count' "$work/new" | xargs -r cp -t "$kept/$name"
  echo "$name: $(wc -l <"$work/new") more would reach all; kept are $(ls "$kept/$name" | wc -l) of $(cat "$kept/$name"/* | wc -c) bytes"
done
