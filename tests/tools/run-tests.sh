#!/usr/bin/env bash
# Runs test programs and scripts, each with a time limit and its output in a log of its own; says one line for each and a total at the end.
#   run-tests.sh LOGDIR PROGRAM…      `a::b` runs a with the argument b
# Counted are the cases that a program counts (cmocka, or a last line "N passed, N failed[, N skipped]"), else the program as one.
# TEST_LANES programs run side by side (1), each for TEST_TIMEOUT seconds at the most (600).
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
logs=$1
shift
mkdir -p "$logs"
limit=${TEST_TIMEOUT:-600}
lanes=${TEST_LANES:-1}
results=$logs/.results
rm -rf "$results"
mkdir -p "$results"

# What one program said goes to the terminal in one piece, its counts to a file.
run_one() {
  local program=${1%%::*} argument name log start=$SECONDS status p=0 f=0 s=0 line
  argument=${1#"$program"}
  argument=${argument#::}
  name=$(basename "$program")
  log=$logs/$name.log
  timeout --kill-after=10 "$limit" "$program" ${argument:+"$argument"} </dev/null >"$log" 2>&1
  status=$?
  if line=$(grep -E '^(.*: )?[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1) && [ -n "$line" ]; then
    p=$(sed -E 's/.*\b([0-9]+) passed.*/\1/' <<<"$line")
    f=$(sed -E 's/.*\b([0-9]+) failed.*/\1/' <<<"$line")
    s=$(sed -nE 's/.*\b([0-9]+) skipped.*/\1/p' <<<"$line")
  elif grep -q '^\[==========\]' "$log"; then
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(grep -c '^\[  FAILED  \] .*[^)]$' "$log" || true)
    s=$(grep -c '^\[  SKIPPED \] .*[^)]$' "$log" || true)
    [ "$status" -eq 0 ] && f=0
  elif [ "$status" -eq 0 ]; then
    p=1
  fi
  : "${s:=0}"
  [ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  echo "$p $f $s" >"$results/$2"
  if [ "$f" -gt 0 ]; then
    echo "FAILED  $name (status $status, $((SECONDS - start)) s): $f of $((p + f))"
    [ "$status" -eq 124 ] && echo "        it took longer than $limit s"
    grep -E 'not ok|\[  FAILED|^\[  ERROR|error:|ERROR|Assertion|runtime error|warning: ThreadSan' "$log" | head -n 20 | sed 's/^/        /'
    tail -n 15 "$log" | sed 's/^/        | /'
  else
    echo "ok      $name: $p passed$([ "$s" -gt 0 ] && echo ", $s skipped") ($((SECONDS - start)) s)"
  fi
  grep -iE '^(skip|ok .* # skip)' "$log" | head -n 12 | sed 's/^/        /'
}

number=0
for t in "$@"; do
  number=$((number + 1))
  [ "$number" -gt "$lanes" ] && wait -n
  { out=$(run_one "$t" "$number"); printf '%s\n' "$out"; } &
done
wait
passed=0 failed=0 skipped=0
for ((i = 1; i <= number; i++)); do
  read -r p f s <"$results/$i" || p=0 f=1 s=0
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
