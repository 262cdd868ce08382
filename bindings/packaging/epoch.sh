#!/usr/bin/env bash
# The time that everything made for others bears: SOURCE_DATE_EPOCH, else of the last commit, else of the tarball this came from (all its files have it).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then echo "$SOURCE_DATE_EPOCH"
elif [ -e .git ] && command -v git >/dev/null; then git log -1 --format=%ct
else stat -c %Y LICENSE; fi
