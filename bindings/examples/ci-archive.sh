#!/bin/sh
# A CI job whose CI can only archive a folder and bring it back (actions/cache, GitLab's cache, a tarball).
#   CACHE_FOLDER=.cache/cchain ci-archive.sh COMMAND…
# Before it, the CI unpacks what it archived last time into CACHE_FOLDER; after it, it archives the folder, which then holds what this build used or
# stored and nothing else: it does not grow with each run.
# SPDX-License-Identifier: Apache-2.0
set -eu
: "${CACHE_FOLDER:=.cache/cchain}"
mkdir -p "$CACHE_FOLDER"
CCHAIN_DIR=$(cd "$CACHE_FOLDER" && pwd)
export CCHAIN_DIR
unset CCHAIN_LAYERS CCHAIN_CONFIG
cchain trim --start

status=0
"$@" || status=$?
cchain stats
[ "$status" != 0 ] || cchain trim --unused-since-start   # a build that failed has not used all it needs
exit "$status"
