#!/usr/bin/env bash
# Runs fuzz targets one after the other and keeps count.
#   run.sh FOLDER SECONDS NAME…     FOLDER holds fuzz_NAME. What they find grows in FOLDER/corpus/NAME; what breaks one lies in FOLDER/found.
# LENGTH=N: inputs of at most N bytes. GOAL=N: rounds go on until each has N executions, summed over all runs that the ledger knows. LANES=N: so many at once (1). LEDGER=FILE (FOLDER/ledger.tsv) gets a
# line for each run, ended by a tab each: name, when it began, revision ("+": with changes), executions, seconds, executions a second, "ok" or what it ended with.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
folder=$(realpath "$1") seconds=$2
shift 2
here=$(dirname "$(realpath "$0")")
ledger=${LEDGER:-$folder/ledger.tsv} goal=${GOAL:-0} lanes=${LANES:-1}
touch "$ledger"
# Short stacks of allocations and a small quarantine (that stays in the cache) are a quarter faster; what one run frees is still in it at its end.
# Names of functions, which a program of its own looks up, can wait for a replay.
export ASAN_OPTIONS=symbolize=0:malloc_context_size=2:quarantine_size_mb=2:allocator_release_to_os_interval_ms=-1:${ASAN_OPTIONS:-}
revision=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo unknown)
git -C "$here" diff --quiet HEAD -- ../../src 2>/dev/null || revision+=+

sum_of() { awk -F '\t' -v name="$1" '$1 == name {n += $4} END {printf "%d", n}' "$ledger"; }

run_one() {
  local name=$1 left=-1 most=600 begun start=$EPOCHREALTIME status count word=ok time
  [ "$goal" -gt 0 ] && left=$((goal - $(sum_of "$name")))
  # Inputs as small as the formats: a longer one is slower and says no more.
  case $name in entry | record | places | probe) most=1500 ;; http | s3 | redis) most=300 ;; esac
  most=${LENGTH:-$most}
  mkdir -p "$folder/corpus/$name" "$folder/found"
  begun=$(date -u +%FT%TZ)
  nice -n 19 "$folder/fuzz_$name" -runs="$left" -max_total_time="$seconds" -max_len=$most -timeout=20 -rss_limit_mb=1500 -reload=0 -print_final_stats=1 -entropic=0 -print_funcs=0 \
    -artifact_prefix="$folder/found/$name-" "$folder/corpus/$name" "$here/corpus/$name" >"$folder/$name.log" 2>&1
  status=$?
  [ $status -eq 0 ] || word="status $status"
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log" | tail -n 1)
  time=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
  printf '%s\t%s\t%s\t%d\t%s\t%.0f\t%s\n' "$name" "$begun" "$revision" "${count:-0}" "$time" "$(awk -v n="${count:-0}" -v t="$time" 'BEGIN {print n / (t + 0.001)}')" "$word" >>"$ledger"
  [ $status -eq 0 ]
}

failed=0
# In one piece: the shell may find this file changed while it runs for hours.
{
while :; do
  running=0 any=0
  for name in "$@"; do
    [ "$goal" -gt 0 ] && [ "$(sum_of "$name")" -ge "$goal" ] && continue
    any=1
    if [ $running -ge "$lanes" ]; then
      wait -n || failed=1
      running=$((running - 1))
    fi
    run_one "$name" &
    running=$((running + 1))
  done
  while [ $running -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
  done
  # What was found is looked at before more of it is.
  [ "$goal" -gt 0 ] && [ $any -eq 1 ] && [ $failed -eq 0 ] || break
done
awk -F '\t' '{n[$1] += $4; s[$1] += $5; bad[$1] += $7 != "ok"} END {for (x in n) printf "%-12s %12d executions in %8.0f s (%6.0f a second), %d findings\n", x, n[x], s[x], n[x] / (s[x] + 0.001), bad[x]}' "$ledger" | sort
exit $failed
}
