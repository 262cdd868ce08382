#!/usr/bin/env bash
# Puts what was built in its place, or takes it away again.
#   install.sh install|uninstall|list [COMPONENT…]     lib, bin, dev, python, ninja; all without one
# Reads B, VERSION, PREFIX, LIBDIR and DESTDIR from the environment, and the folders below if they are to be others.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
verb=$1
shift
components=" ${*:-lib bin dev python ninja} "
: "${B:=build}" "${DESTDIR:=}" "${PREFIX:=/usr/local}" "${LIBDIR:=$PREFIX/lib}"
: "${VERSION:?}"
share=$PREFIX/share
private=$PREFIX/lib/cchain  # programs that nobody calls by name; the command looks in ../lib/cchain
: "${MANDIR:=$share/man}" "${DOCDIR:=$share/doc/cchain}" "${BASHCOMPDIR:=$share/bash-completion/completions}"
: "${ZSHCOMPDIR:=$share/zsh/site-functions}" "${FISHCOMPDIR:=$share/fish/vendor_completions.d}"

in_component() { case $components in *" $1 "*) ;; *) return 1 ;; esac; }

# Where the python3 on PATH looks for packages under PREFIX, else where it would.
python_folder() {
  python3 - "$PREFIX" 2>/dev/null <<'P' || echo "$PREFIX/lib/python3/dist-packages"
import sys
prefix = sys.argv[1] + "/lib/"
found = [p for p in sys.path if p.startswith(prefix) and p.endswith("-packages")]
print(found[-1] if found else prefix + "python%d.%d/site-packages" % sys.version_info[:2])
P
}
if in_component python; then : "${PYTHONDIR:=$(python_folder)}"; fi

# file MODE SOURCE PATH, link TARGET PATH, text PATH (from stdin), tree PATH (a folder that is all ours)
case $verb in
  install)
    file() { install -D -m "$1" "$2" "$DESTDIR$3"; }
    link() { mkdir -p "$(dirname "$DESTDIR$2")"; ln -sfn "$1" "$DESTDIR$2"; }
    text() { mkdir -p "$(dirname "$DESTDIR$1")"; cat >"$DESTDIR$1"; chmod 644 "$DESTDIR$1"; }
    tree() { rm -rf "$DESTDIR$1"; } ;;
  uninstall)
    file() { rm -f "$DESTDIR$3"; }
    link() { rm -f "$DESTDIR$2"; }
    text() { cat >/dev/null; rm -f "$DESTDIR$1"; }
    tree() { rm -rf "$DESTDIR$1"; } ;;
  list)
    file() { echo "$DESTDIR$3"; }
    link() { echo "$DESTDIR$2"; }
    text() { cat >/dev/null; echo "$DESTDIR$1"; }
    tree() { :; } ;;
  *) sed -n '3,4s/^# *//p' "$0" >&2; exit 2 ;;
esac

version_file() {
  cat <<V
set(PACKAGE_VERSION "$VERSION")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION OR NOT PACKAGE_FIND_VERSION_MAJOR STREQUAL "${VERSION%%.*}")
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
V
}
# The path $1 as it is reached from the folder $2.
from() { realpath -m -s --relative-to="$2" "$1"; }
filled() {
  sed -e "s|@PREFIX@|$PREFIX|g;s|@LIBDIR@|$LIBDIR|g;s|@VERSION@|$VERSION|g" \
    -e "s|@PREFIX_FROM_HERE@|$(from "$PREFIX" "$LIBDIR/cmake/cchain")|g;s|@LIBDIR_FROM_PREFIX@|$(from "$LIBDIR" "$PREFIX")|g" "$1"
}

if in_component lib; then
  file 755 "$B/libcchain.so.0" "$LIBDIR/libcchain.so.$VERSION"
  link "libcchain.so.$VERSION" "$LIBDIR/libcchain.so.0"
  file 755 "$B/cchain-remote.so" "$LIBDIR/cchain/cchain-remote.so"
fi
if in_component bin; then
  file 755 "$B/cchain" "$PREFIX/bin/cchain"
  link cchain "$PREFIX/bin/cchain-sh"
  file 755 "$B/cchain-dynamic" "$private/cchain-dynamic"
  [ "$LIBDIR/cchain" = "$private" ] || link "$(from "$LIBDIR/cchain/cchain-remote.so" "$private")" "$private/cchain-remote.so"
  file 644 bindings/man/cchain.1 "$MANDIR/man1/cchain.1"
  link cchain.1 "$MANDIR/man1/cchain-sh.1"
  file 644 bindings/man/cchain.json.5 "$MANDIR/man5/cchain.json.5"
  file 644 bindings/completions/cchain.bash "$BASHCOMPDIR/cchain"
  file 644 bindings/completions/_cchain "$ZSHCOMPDIR/_cchain"
  file 644 bindings/completions/cchain.fish "$FISHCOMPDIR/cchain.fish"
fi
if in_component dev; then
  for header in cchain.h cchain_layer.h; do file 644 include/$header "$PREFIX/include/$header"; done
  link libcchain.so.0 "$LIBDIR/libcchain.so"
  file 644 "$B/libcchain.a" "$LIBDIR/libcchain.a"
  filled bindings/packaging/cchain.pc.in | text "$LIBDIR/pkgconfig/cchain.pc"
  filled bindings/packaging/cchainConfig.cmake.in | text "$LIBDIR/cmake/cchain/cchainConfig.cmake"
  version_file | text "$LIBDIR/cmake/cchain/cchainConfigVersion.cmake"
  file 644 bindings/man/cchain.3 "$MANDIR/man3/cchain.3"
  for example in bindings/examples/*; do file "$([ -x "$example" ] && echo 755 || echo 644)" "$example" "$DOCDIR/examples/${example##*/}"; done
fi
if in_component python; then
  info=$PYTHONDIR/cchain-$VERSION.dist-info
  tree "$PYTHONDIR/cchain"
  tree "$info"
  if [ "$verb" != uninstall ]; then
    for source in bindings/python/cchain/*.py bindings/python/cchain/py.typed; do file 644 "$source" "$PYTHONDIR/cchain/${source##*/}"; done
    printf '%s\n' 'Metadata-Version: 2.1' 'Name: cchain' "Version: $VERSION" 'Summary: A compile-output cache: look up, store, warm, from Python' \
      'License: Apache-2.0' 'Requires-Python: >=3.9' | text "$info/METADATA"
  fi
fi
# Beside the distribution's, never over it; and only if it was built: its source is not at hand everywhere.
if in_component ninja && { [ "$verb" = uninstall ] || [ -f "$B/ninja" ]; }; then
  file 755 "$B/ninja" "$private/ninja"
fi
# Folders of our own that are empty now.
if [ "$verb" = uninstall ]; then
  for folder in "$private" "$LIBDIR/cchain" "$LIBDIR/cmake/cchain" "$DOCDIR/examples" "$DOCDIR"; do rmdir "$DESTDIR$folder" 2>/dev/null || :; done
fi
