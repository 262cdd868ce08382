#!/usr/bin/env bash
# Makes the corpus: fetches the sources to build/src, writes the Ninja graph to build/corpus. More arguments go to corpus.py.
#   corpus.sh [--launcher L] [--name N] [--count N]
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
B=${B:-$here/../../build}
export B
"$here/../tools/fetch-source.sh" leveldb ninja-build re2 fmtlib googletest lua5.4
exec python3 "$here/corpus.py" --src "$B/src" --out "$B/corpus" "$@"
