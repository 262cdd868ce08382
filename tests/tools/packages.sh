#!/usr/bin/env bash
# The Debian packages that building, testing and measuring need: says which are missing, and installs them after asking.
#   packages.sh SET…            build, test, projects, kernel, quickstart, bench, packaging (each holds build), browser; installs nothing when all is there
#   packages.sh --list SET…     only names the packages
#   packages.sh --missing SET…  only names those that are missing
# It asks on a terminal unless YES=1. It never edits the machine's package sources, and none of these packages brings a service.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
usage() { sed -n '3,5s/^# *//p' "$0" >&2; exit 2; }

# The sanitizers' libraries of clang are a package of their own, named after clang's version.
clang_rt() {
  local depends version
  depends=$(dpkg-query -W -f '${Depends}' clang 2>/dev/null || true)
  [ -n "$depends" ] || depends=$(apt-cache show --no-all-versions clang 2>/dev/null | sed -n 's/^Depends: //p')
  version=$(grep -o 'clang-[0-9]*' <<<"$depends" | head -n 1 || true)
  [ -z "$version" ] || echo "libclang-rt-${version#clang-}-dev"
}

packages_of() {
  local build='gcc g++ make libssl-dev libxxhash-dev libzstd-dev libcjson-dev libcurl4-openssl-dev'
  case $1 in
    build) echo "$build" ;;
    test) echo "$build git dpkg-dev libcmocka-dev pkg-config clang $(clang_rt) ninja-build cmake autoconf strace python3 python3-pip ccache valgrind fakeroot abigail-tools groff mandoc man-db fish zsh gdb" ;;
    browser) echo chromium ;;
    quickstart) echo "$build ninja-build cmake python3 dpkg-dev" ;;
    packaging) echo "$build git dpkg-dev ninja-build python3 debootstrap mandoc" ;;
    bench) echo "$build clang ninja-build valgrind strace python3 python3-pip ccache dpkg-dev" ;;
    kernel) echo "$build linux-source-6.1 xz-utils flex bison bc libelf-dev kmod rsync cpio python3" ;;
    projects) echo "$build ccache dpkg-dev fakeroot debhelper cmake ninja-build meson autoconf automake libtool-bin libreadline-dev libncurses-dev tcl gettext autopoint pkg-config python3" ;;
    *) usage ;;
  esac
}

missing_of() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || echo "$name"
  done
}

wanted_of() {
  local set
  for set in "$@"; do packages_of "$set"; done | tr ' ' '\n' | sed '/^$/d' | sort -u
}

mode=install
case ${1:-} in
  --list) mode=list; shift ;;
  --missing) mode=missing; shift ;;
  -*|'') usage ;;
esac
for set in "$@"; do packages_of "$set" >/dev/null; done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "This is no Debian machine: have these, or what they are called here, at hand: $(wanted_of "$@" | tr '\n' ' ')"
  exit 0
fi
mapfile -t wanted < <(wanted_of "$@")
if [ $mode = list ]; then printf '%s\n' "${wanted[@]}"; exit 0; fi
mapfile -t missing < <(missing_of "${wanted[@]}")
if [ $mode = missing ]; then [ ${#missing[@]} = 0 ] || printf '%s\n' "${missing[@]}"; exit 0; fi
[ ${#missing[@]} -gt 0 ] || exit 0

say "Missing Debian packages (for $*): ${missing[*]}"
say "  apt-get install --no-install-recommends ${missing[*]}"

terminal=
if [ -t 0 ] && [ -t 2 ] && [ "${CI:-}" != true ]; then terminal=1; fi
if [ -n "$terminal" ] && [ "${YES:-}" != 1 ]; then
  read -r -p 'Install them now? [y/N] ' answer
  case $answer in
    y|Y|yes|Yes|j|J) ;;
    *) say 'Nothing was installed.'; exit 1 ;;
  esac
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  if [ -n "$terminal" ] && command -v sudo >/dev/null; then
    as_root=(sudo)
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    say 'This needs root: give the line above as root (or let sudo be used without a password), then start again.'
    exit 1
  fi
fi

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" </dev/null >&2; }
has_candidate() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

updated=
update() { say '  apt-get update'; updated=1; apt update || say 'apt-get update had trouble; trying with what there is.'; }
for name in "${missing[@]}"; do has_candidate "$name" || { update; break; }; done
# Only now may clang's version be known.
mapfile -t missing < <(missing_of $(wanted_of "$@"))
if ! apt install -y --no-install-recommends "${missing[@]}"; then
  [ -z "$updated" ] || { say 'apt-get install failed.'; exit 1; }
  update
  apt install -y --no-install-recommends "${missing[@]}"
fi
