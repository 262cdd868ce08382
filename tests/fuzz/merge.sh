#!/usr/bin/env bash
# Adds to the kept inputs what runs have found: as few files as reach all that the targets can be made to do, of those that are not longer than MOST bytes.
#   merge.sh FOLDER MOST NAME…
# What was kept stays. Of a target's new inputs the shortest come first, until all that is kept of it has KEEP_TOTAL bytes (12000): a replay is short.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
folder=$(realpath "$1") most=$2
shift 2
kept=$(dirname "$(realpath "$0")")/corpus
total=${KEEP_TOTAL:-12000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ASAN_OPTIONS=symbolize=0:malloc_context_size=2:quarantine_size_mb=2:${ASAN_OPTIONS:-}
for name in "$@"; do
  [ -d "$folder/corpus/$name" ] || continue
  mkdir -p "$work/$name.in" "$work/$name.out" "$kept/$name"
  find "$folder/corpus/$name" -type f -size "-$((most + 1))c" -exec cp -t "$work/$name.in" {} +
  cp "$kept/$name"/* "$work/$name.out"  # of equal inputs these are taken
  "$folder/fuzz_$name" -merge=1 -print_funcs=0 "$work/$name.out" "$work/$name.in" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 1; }
  have=$(cat "$kept/$name"/* | wc -c) added=0
  while read -r size file; do
    [ -e "$kept/$name/$(basename "$file")" ] && continue
    [ $((have + size)) -le "$total" ] || break
    cp "$file" "$kept/$name/"
    have=$((have + size)) added=$((added + 1))
  done < <(find "$work/$name.out" -type f -printf '%s %p\n' | sort -n)
  echo "$name: $added more, $have bytes in all"
done
