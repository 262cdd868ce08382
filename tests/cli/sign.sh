#!/bin/bash
# Keys, signed layers, tenants' shares, cchain verify and recheck by the built command.
#   tests/cli/sign.sh [path/to/cchain]
# SPDX-License-Identifier: Apache-2.0
set -u
cchain=$(realpath "${1:-$(dirname "$0")/../../build/cchain}") || exit 1
[ -x "$cchain" ] || { echo "# $cchain is not there"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|XDG)'); do unset "$v"; done
export LC_ALL=C HOME=$work/home
mkdir -p "$HOME/.config/cchain" "$work/bin" "$work/src"
ln -s "$cchain" "$work/bin/cchain"
export PATH=$work/bin:$PATH
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok - $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok - $1"; shift; [ $# = 0 ] || printf '# %s\n' "$@"; }
check() { local name=$1; shift; if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi; }
# says TEXT command…: what it prints holds the text
says() { local text=$1 out; shift; out=$("$@" 2>&1); [[ $out == *"$text"* ]] || { printf '# no "%s" in:\n' "$text"; printf '# %s\n' "$out"; false; }; }
fails() { ! "$@" >/dev/null 2>&1; }
configure() { printf '%s\n' "$1" >"$HOME/.config/cchain/config.json"; }
stat_of() { cchain stats --json | tr -d ' \n' | sed 's/"layers":\[.*//' | grep -o "\"$1\":[0-9]*" | head -1 | cut -d: -f2; }
cd "$work/src" || exit 1
printf 'int f(int x) { return x + 1; }\n' >a.c

# ---- keygen
check 'keygen makes a pair' says 'signs' cchain keygen "$work/ci"
check 'the private half is secret' [ "$(stat -c %a "$work/ci")" = 600 ]
check 'the public one is not' [ "$(stat -c %a "$work/ci.pub")" = 644 ]
before=$(cat "$work/ci")
check 'keygen overwrites nothing' fails cchain keygen "$work/ci"
check 'and the key is as it was' [ "$before" = "$(cat "$work/ci")" ]
rm "$work/ci.pub.x" 2>/dev/null; cp "$work/ci.pub" "$work/lone.pub"
check 'nor the public half of another' fails cchain keygen "$work/lone"
check 'and leaves no private one then' [ ! -e "$work/lone" ]
(umask 0; cchain keygen --type hmac-sha256 "$work/shared" >/dev/null)
check 'with any umask' [ "$(stat -c %a "$work/shared")" = 600 ]
check 'a wrong type is told of' says '"rsa" is no algorithm' cchain keygen --type rsa "$work/x"
check 'no file' says 'no file' cchain keygen

# ---- a signed folder, by the static command and its twin
for type in shared ci; do
  key=$work/$type open=$work/$type; [ $type = ci ] && open=$work/ci.pub
  rm -rf "$work/team" "$work/mine" "$work/state" "$work/state-ci"
  team="{\"layers\": [{\"name\": \"team\", \"path\": \"$work/team\", \"sign\": \"$key\"}], \"state_dir\": \"$work/state-ci\"}"
  configure "$team"
  rm -f a.o; cchain gcc -c a.c; cp a.o plain.o
  check "$type: signed" says 'team' cchain stats
  rm -f a.o; cchain gcc -c a.c
  check "$type: who signs has a hit" [ "$(stat_of hits)" = 1 ]
  configure "{\"layers\": [{\"path\": \"$work/mine\"}, {\"name\": \"team\", \"path\": \"$work/team\", \"write\": false, \"verify_keys\": \"$open\"}], \"state_dir\": \"$work/state\"}"
  rm -f a.o; cchain gcc -c a.c
  check "$type: who checks has a hit" [ "$(stat_of hits)" = 1 ]
  check "$type: the same object" cmp a.o plain.o
  mv "$work/team" "$work/away"
  rm -f a.o; cchain gcc -c a.c
  check "$type: and then from the own layer" [ "$(stat_of hits)" = 2 ]
  check "$type: the same object again" cmp a.o plain.o
  mv "$work/away" "$work/team"
  # Without a layer in between each hit is checked.
  rm -rf "$work/state"
  configure "{\"layers\": [{\"name\": \"team\", \"path\": \"$work/team\", \"write\": false, \"verify_keys\": [\"$open\"]}], \"state_dir\": \"$work/state\"}"
  for i in 1 2 3; do rm -f a.o; cchain gcc -c a.c; done
  check "$type: hits by signature" [ "$(stat_of hits)" = 3 ]
  check "$type: verify finds them good" says '0 damaged' cchain verify
  # Made by nobody who is known.
  rm -rf "$work/team" "$work/state"
  CCHAIN_LAYERS=$work/team CCHAIN_STATE_DIR=$work/state-x cchain gcc -c a.c
  rm -f a.o; cchain gcc -c a.c
  check "$type: unsigned is a miss" [ "$(stat_of hits)" = 0 ]
  check "$type: with its reason" says 'layer team: it is not signed' cchain stats
  check "$type: verify tells" says 'untrusted' cchain verify
  # By a URL.
  rm -rf "$work/team" "$work/state-x"
  export CCHAIN_STATE_DIR=$work/state-x
  CCHAIN_LAYERS="$work/team?sign=$key" cchain gcc -c a.c
  rm -f a.o; CCHAIN_LAYERS="$work/team?write=false&verify_keys=$work/lone.pub&verify_keys=$open" cchain gcc -c a.c
  check "$type: keys in a URL" [ "$(CCHAIN_LAYERS=$work/team stat_of hits)" = 1 ]
  unset CCHAIN_STATE_DIR
done

# ---- a bad key file: the layer is out, with file and line
chmod 644 "$work/shared"
configure "{\"layers\": [
 {\"path\": \"$work/team2\", \"sign\": \"$work/shared\"}], \"state_dir\": \"$work/state2\"}"
cchain gcc -c a.c
check 'a key that others read: nothing is stored' [ ! -e "$work/team2" ]
check 'and where is told' says "config.json:2: \"sign\": the key file $work/shared is open to others: chmod 600: the layer is not used" cchain config
chmod 600 "$work/shared"

# ---- tenants
rm -rf "$work/t" "$work/state"
configure "{\"layers\": [{\"path\": \"$work/t\", \"max_size\": \"1G\", \"tenants\": {\"quiet\": {\"max_size\": \"100M\"}}}], \"state_dir\": \"$work/state\"}"
CCHAIN_TENANT=quiet cchain gcc -c a.c
CCHAIN_TENANT=loud cchain gcc -c a.c
check 'tenants share nothing' [ "$(stat_of hits)" = 0 ]
check 'stats by tenant' says 'quiet' cchain stats
check 'with its share' says '100.0 MiB' cchain stats
for bad in .. a/b A 'ä' .a a.; do
  rm -f a.o; CCHAIN_TENANT=$bad cchain gcc -c a.c
  check "tenant $bad: compiled, not cached" [ -f a.o ]
done
check 'and nothing lies elsewhere' [ "$(ls "$work/t/compile" | tr '\n' ' ')" = 'loud quiet ' ]
cchain clear --yes --tenant loud
rm -f a.o; CCHAIN_TENANT=quiet cchain gcc -c a.c
check 'clear of one leaves the other' [ "$(stat_of hits)" = 1 ]
check 'clear of no tenant' fails cchain clear --yes --tenant ../t

# ---- verify
entry=$(find "$work/t" -name entry)
printf 'x' | dd of="$entry" bs=1 seek=60 conv=notrunc status=none
check 'verify finds a byte' fails cchain verify
check 'verify names it' says 'is damaged' cchain verify
check 'verify counts' says '"damaged":1' cchain verify --json
check 'verify without a terminal shows no bar' [ "$(cchain verify 2>&1 | grep -c '#')" = 0 ]
check 'repair' cchain verify --repair
check 'it is gone' [ ! -e "$entry" ]
check 'all is well' cchain verify
check 'a wrong argument' says 'unknown argument' cchain verify --fast

# ---- recheck
rm -rf "$work/t" "$work/state"
configure "{\"layers\": [{\"path\": \"$work/t\"}], \"state_dir\": \"$work/state\", \"recheck\": 1}"
for i in 1 2 3; do rm -f a.o; cchain gcc -c a.c; cmp -s a.o plain.o || not_ok 'recheck: the object'; done
check 'recheck: no hits' [ "$(stat_of hits)" = 0 ]
check 'recheck: compared' [ "$(stat_of same)" = 2 ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
