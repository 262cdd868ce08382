#!/usr/bin/env bash
# Runs fuzz targets one after the other and keeps count.
#   run.sh FOLDER SECONDS NAME…     FOLDER holds fuzz_NAME; what they find grows in FOLDER/corpus/NAME, FOLDER/executions has a line for each run: name, executions, seconds, "ok" or what it ended with
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
folder=$(realpath "$1") seconds=$2
shift 2
kept=$(dirname "$(realpath "$0")")/corpus
failed=0
for name in "$@"; do
  mkdir -p "$folder/corpus/$name" "$folder/found"
  # Inputs as small as the formats: a longer one is slower and says no more.
  most=600
  case $name in entry | record | places | probe | credentials | config) most=1500 ;; esac
  start=$(date +%s)
  nice -n 19 "$folder/fuzz_$name" -max_total_time="$seconds" -max_len=$most -timeout=20 -rss_limit_mb=1500 -reload=0 -print_final_stats=1 -artifact_prefix="$folder/found/$name-" \
    "$folder/corpus/$name" "$kept/$name" >"$folder/$name.log" 2>&1
  status=$?
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log" | tail -n 1)
  [ $status -eq 0 ] && word=ok || { word="status $status"; failed=1; }
  echo "$name ${count:-0} $(($(date +%s) - start)) $word" >>"$folder/executions"
done
awk '{n[$1] += $2; s[$1] += $3; bad[$1] += $4 != "ok"} END {for (x in n) printf "%-12s %12d executions in %6d s, %d findings\n", x, n[x], s[x], bad[x]}' "$folder/executions" | sort
exit $failed
