#!/usr/bin/env bash
# Fetches Debian source packages and unpacks them to build/src/NAME.
#   fetch-source.sh NAME…
# The machine's package sources stay as they are: apt is given a configuration of its own with copies of them that say deb-src.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
[ $# -gt 0 ] || { sed -n '3s/^# *//p' "$0" >&2; exit 2; }
top=$(cd "$(dirname "$0")/../.." && pwd)
out=${B:-$top/build}/src
mkdir -p "$out"
out=$(cd "$out" && pwd)

wanted=()
for name in "$@"; do
  [[ $name =~ ^[a-z0-9][a-z0-9+.-]*$ ]] || { echo "no name of a source package: $name" >&2; exit 2; }
  [ -d "$out/$name" ] || wanted+=("$name")
done
[ ${#wanted[@]} -gt 0 ] || exit 0
command -v dpkg-source >/dev/null || { echo 'dpkg-source is missing (package dpkg-dev)' >&2; exit 1; }

work=$(mktemp -d "$out/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,get}

eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
copies=0
for file in "${list:-/etc/apt/sources.list}" "${parts:-/etc/apt/sources.list.d}"/*.list; do
  [ -r "$file" ] && [ -f "$file" ] || continue
  copies=$((copies + 1))
  sed -n 's/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]\{1,\}/deb-src /p' "$file" | sort -u >"$work/sources/$copies.list"
done
for file in "${parts:-/etc/apt/sources.list.d}"/*.sources; do
  [ -r "$file" ] && [ -f "$file" ] || continue
  copies=$((copies + 1))
  awk 'tolower($1) ~ /^types:/ { print "Types: deb-src"; folded = 1; next }
       folded && /^[ \t]/ { next }
       { folded = 0; print }' "$file" >"$work/sources/$copies.sources"
done

cat >"$work/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$work/sources";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
Dir::Cache::archives "archives";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
CONF
apt() { apt-get -q -c "$work/apt.conf" "$@" </dev/null; }

log=$work/log
# A third party's archive without sources makes update fail although Debian's is there: what counts is the fetch.
apt update >"$log" 2>&1 || true
for name in "${wanted[@]}"; do
  mkdir "$work/get/$name"
  if ! (cd "$work/get/$name" && apt source --download-only "$name" && dpkg-source --no-check -x ./*.dsc tree) >>"$log" 2>&1; then
    cat "$log" >&2
    echo "could not fetch the source of $name" >&2
    exit 1
  fi
  mv "$work/get/$name/tree" "$out/$name"
  echo "fetched $(basename "$work/get/$name"/*.dsc .dsc)" >&2
done
