#!/usr/bin/env python3
"""The manuals and completions say what the program knows, no more and no less, and are well-formed.

  manual.py [BUILD]     the folder with cchain and libcchain.so.0; build without it
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "build"))
CCHAIN = os.path.join(BUILD, "cchain")
MAN = os.path.join(TOP, "bindings", "man")
COMPLETIONS = os.path.join(TOP, "bindings", "completions")
passed = failed = skipped = 0
home = tempfile.mkdtemp()
environment = {k: v for k, v in os.environ.items() if not k.startswith(("CCHAIN_", "CCACHE_", "XDG_"))}
environment.update(HOME=home, LC_ALL="C.UTF-8", PATH=BUILD + ":" + os.environ["PATH"])


def check(name, good, what=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print("%s - %s%s" % ("ok" if good else "not ok", name, "" if good else "\n# %s" % what))


def equal(name, program, page):
    check(name, program == page, "only the program knows %s, only the manual %s" % (sorted(program - page), sorted(page - program)))


def skip(name, why):
    global skipped
    skipped += 1
    print("skip - %s: %s" % (name, why))


def run(*argv, **more):
    return subprocess.run(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=60, **more)


def lines(*argv):
    return [line.split("\t") for line in run(CCHAIN, *argv).stdout.splitlines()]


def page(name):
    with open(os.path.join(MAN, name), encoding="utf-8") as f:
        return f.read()


def section(text, title):
    """The lines of one section."""
    return re.search(r"^\.Sh %s\n(.*?)(?=^\.Sh |\Z)" % title, text, re.M | re.S).group(1)


# ---- cchain.1: subcommands, their options, variables

one = page("cchain.1")
subcommands = {}
name = None
for line in section(one, "SUBCOMMANDS").splitlines():
    words = line.split()
    if words[:2] == [".It", "Ic"]:
        name = words[2]
        subcommands[name] = (set(), set(re.findall(r"Fl (-[a-z-]+)", line)))
    elif words[:2] == [".It", "Fl"] and name:
        subcommands[name][0].add("-" + words[2])
known = [fields[0] for fields in lines("help", "--list")]
check("the program lists its subcommands", len(known) >= 8, known)
equal("cchain.1: each subcommand", set(known), set(subcommands))
for name in known:
    options = {fields[0]: fields[1] for fields in lines("help", "--list", name)}
    described, synopsis = subcommands.get(name, (set(), set()))
    equal("cchain.1: each option of " + name, set(options), described)
    equal("cchain.1: each option in the synopsis of " + name, set(options), {"-" + o for o in synopsis})
    for option, value in options.items():
        shown = re.search(r"^\.It Fl %s(?: Ar (\S+))?$" % re.escape(option[1:]), one, re.M)
        check("cchain.1: the value of %s %s" % (name, option), shown and (shown.group(1) or "").upper() == value, shown and shown.group(0))

config = json.loads(run(CCHAIN, "config", "--json").stdout)["known"]
variables = set(config["variables"])
equal("cchain.1: each variable", variables, set(re.findall(r"^\.It Ev (CCHAIN_\w+)", section(one, "ENVIRONMENT"), re.M)))
helped = set(re.findall(r"^  (CCHAIN_\w+)", run(CCHAIN, "help").stdout, re.M))
equal("help: each variable but cchain's own", helped, variables - {"CCHAIN_ACTIVE"})

# ---- cchain.json.5: keys

five = page("cchain.json.5")
described = set()
for line in re.findall(r"^\.It Va (.*)", five, re.M):
    described.update(re.split(r"\s*,\s*|\s+", line.strip()))
described.discard("")
equal("cchain.json.5: each key", set(config["keys"]) | set(config["layer_keys"]) | set(config["layer_aliases"]) | set(config["layer_options"]) | set(config["compiler_keys"]), described)

# ---- cchain.3: functions

with open(os.path.join(TOP, "src", "abi", "libcchain.map")) as f:
    functions = set(re.findall(r"\b(cc_\w+);", f.read()))
equal("cchain.3: each function", functions, set(re.findall(r"\b(cc_\w+)", "\n".join(re.findall(r"^\.It .*", page("cchain.3"), re.M)))))

# ---- form

for name in sorted(os.listdir(MAN)):
    path = os.path.join(MAN, name)
    if shutil.which("mandoc"):
        r = run("mandoc", "-Tlint", "-W", "warning", path)
        check("mandoc: " + name, r.returncode == 0 and not r.stdout.strip(), r.stdout)
    else:
        skip("mandoc: " + name, "no mandoc")
    if shutil.which("groff"):
        r = run("groff", "-ww", "-z", "-mandoc", "-Tutf8", path)
        check("groff: " + name, r.returncode == 0 and not r.stdout.strip(), r.stdout)
    else:
        skip("groff: " + name, "no groff")

# ---- completions: bash's and fish's are run, zsh's too, in a terminal of its own

BASH = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cchain "$1" "${COMP_WORDS[COMP_CWORD]}" x 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"""


def bash(*words):
    r = run("bash", "-c", BASH, "bash", os.path.join(COMPLETIONS, "cchain.bash"), "cchain", *words)
    return [word for word in r.stdout.splitlines() if word]


def fish(*words):
    r = run("fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", os.path.join(COMPLETIONS, "cchain.fish"), "cchain " + " ".join(words), cwd=home)
    return [word.split("\t")[0] for word in r.stdout.splitlines()]


open(os.path.join(home, "a-file"), "w").close()
for shell, complete in (("bash", bash), ("fish", fish)):
    if not shutil.which(shell):
        skip("completion in " + shell, "no " + shell)
        continue
    for start in ("", "s", "fl"):
        expected = {n for n in known if n.startswith(start)}
        check("%s: cchain %s" % (shell, start), expected <= set(complete(start)), complete(start))
    for name in known:
        options = {fields[0] for fields in lines("help", "--list", name)} | {"--help"}
        check("%s: cchain %s --" % (shell, name), options == {w for w in complete(name, "--") if w.startswith("--")}, complete(name, "--"))
    check(shell + ": cchain help c", {n for n in known if n.startswith("c")} <= set(complete("help", "c")), complete("help", "c"))
check("bash: a file for a FILE", bash("links", "--target", home + "/a-f") == [home + "/a-file"], bash("links", "--target", home + "/a-f"))
check("bash: behind an equals sign", bash("links", "--target", "=", home + "/a-f") == [home + "/a-file"])
check("bash: a program for a compile", "cat" in bash("ca"), bash("ca"))

ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; print re''ady"
zpty -r -m z out '*ready*'
zpty -w -n z $'cchain trim --max-s\t'
zpty -r -m z out '*--max-size*' && print found
"""
if shutil.which("zsh"):
    r = subprocess.run(["timeout", "-k", "1", "60", "zsh", "-f", "-c", ZSH, "zsh", COMPLETIONS], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    check("zsh: cchain trim --max-s", r.stdout.strip().endswith("found"), r.stdout)
else:
    skip("completion in zsh", "no zsh")

shutil.rmtree(home, ignore_errors=True)
print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
sys.exit(failed != 0)
