#!/usr/bin/env bash
# Installs the servers that `make test-servers` tests against (nginx, redis-server, Ceph's S3 gateway) without starting or
# leaving any service: Debian's maintainer scripts ask policy-rc.d, which says no for as long as this runs. For `.ci/run`.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
packages=(nginx redis-server radosgw ceph-mon ceph-osd ceph-common iproute2 openssl curl)
missing=()
for p in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
policy=/usr/sbin/policy-rc.d kept=
if [ -e $policy ]; then kept=1; else printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin $policy; fi
trap '[ -n "$kept" ] || "${as_root[@]}" rm -f $policy' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" </dev/null; }
apt install -y --no-install-recommends "${missing[@]}" || { apt update; apt install -y --no-install-recommends "${missing[@]}"; }
# Where systemd runs, the packages are enabled for the next boot: they are not.
if [ -d /run/systemd/system ]; then
  "${as_root[@]}" systemctl disable nginx redis-server radosgw.target ceph.target ceph-mon.target ceph-osd.target >/dev/null 2>&1 || true
fi
