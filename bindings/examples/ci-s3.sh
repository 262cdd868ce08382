#!/bin/sh
# A CI job with a bucket. The credentials come from the CI's secrets as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the machine's role.
#   CACHE_BUCKET=builds CACHE_REGION=eu-west-1 ci-s3.sh COMMAND…      CACHE_ENDPOINT=https://host for another server than Amazon's
# CI_TRUSTED=1 for the main branch: only then is anything stored. The protection are keys that may only read; this is so that nothing is tried in vain.
# SPDX-License-Identifier: Apache-2.0
set -eu
: "${CACHE_BUCKET:?the bucket}" "${CACHE_REGION:=us-east-1}" "${CACHE_ENDPOINT:=}" "${CI_TRUSTED:=}"
CCHAIN_LAYERS="${TMPDIR:-/tmp}/cchain-ci?max_size=5G s3://$CACHE_BUCKET/cache?region=$CACHE_REGION${CACHE_ENDPOINT:+&endpoint=$CACHE_ENDPOINT}"
export CCHAIN_LAYERS
[ "$CI_TRUSTED" = 1 ] || export CCHAIN_READ_ONLY=remote

status=0
"$@" || status=$?           # CC="cchain gcc", a launcher, the patched Ninja: whatever the build uses
cchain flush || true        # what is still on its way
cchain stats                # where it says what is wrong with the server, first
exit "$status"
