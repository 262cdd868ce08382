#!/usr/bin/env python3
"""`cchain doctor`: finds what is wrong, says what to do, and finds nothing where nothing is wrong.

  doctor.py [BUILD]     the folder with cchain; build without it
SPDX-License-Identifier: Apache-2.0
"""
import email.utils
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "..", "build"))
work = tempfile.mkdtemp()
home, bin_, = os.path.join(work, "home"), os.path.join(work, "bin")
os.makedirs(home)
os.makedirs(bin_)
passed = failed = skipped = 0


def check(name, good, what=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print("%s - %s%s" % ("ok" if good else "not ok", name, "" if good else "\n# %s" % (what,)))


def skip(name, why):
    global skipped
    skipped += 1
    print("skip - %s: %s" % (name, why))


def program(path, text="#!/bin/sh\nexit 0\n"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)


compiler = shutil.which("gcc") or shutil.which("clang")
name = os.path.basename(compiler)
for tool in (compiler, shutil.which("as"), shutil.which("ld")):
    os.symlink(os.path.realpath(tool), os.path.join(bin_, os.path.basename(tool)))
clean = {k: v for k, v in os.environ.items() if not k.startswith(("CCHAIN_", "CCACHE_", "XDG_", "CMAKE_")) and k not in ("CC", "CXX", "http_proxy", "HTTP_PROXY")}
clean.update(HOME=home, LC_ALL="C.UTF-8", PATH=bin_, CCHAIN_DIR=os.path.join(work, "cache"), TMPDIR=work)


def run(*arguments, **environment):
    env = dict(clean)
    for k, v in environment.items():
        if v is None:
            env.pop(k, None)
        else:
            env[k] = v
    return subprocess.run([os.path.join(BUILD, "cchain"), "doctor", *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120)


def doctor(*arguments, **environment):
    r = run("--json", *arguments, **environment)
    found = json.loads(r.stdout)
    check("the exit status says what the findings say", (r.returncode == 0) == found["sound"] and r.returncode in (0, 1), r)
    check("no finding of trouble without advice", all(f["advice"] for f in found["findings"] if f["level"] == "problem"), [f for f in found["findings"] if f["level"] == "problem" and not f["advice"]])
    return found


def findings(found, *words, level=None):
    return [f for f in found["findings"] if all(w in f["text"] + "\n" + f["advice"] for w in words) and level in (None, f["level"])]


def expect(what, found, level, *words):
    check(what, findings(found, *words, level=level), json.dumps(found["findings"], indent=1))


# ---- nothing is wrong
found = doctor()
check("a sound machine is sound", found["sound"], [f for f in found["findings"] if f["level"] == "problem"])
expect("the compiler is tried and served", found, "ok", name, "is served from the cache")
expect("the layer is told of", found, "ok", "layer disk0")
check("nothing is left of it", not [n for n in os.listdir(work) if n.startswith("cchain-doctor")], os.listdir(work))
check("and nothing is stored in the cache", not os.path.exists(os.path.join(work, "cache", "compile")))
text = run().stdout
check("as text: areas, and the end", "compilers\n" in text and text.endswith("nothing has to be done\n") and "\033" not in text, text)

# ---- configuration
wrong = os.path.join(work, "wrong.json")
with open(wrong, "w") as f:
    f.write('{"mode": "fast",\n "layers": [')
expect("a file that is no JSON", doctor(CCHAIN_CONFIG=wrong), "problem", wrong + ":2")
with open(wrong, "w") as f:
    f.write('{\n"mode": "fast"}')
expect("a wrong value, by its line", doctor(CCHAIN_CONFIG=wrong), "problem", wrong + ":2", "fast")
expect("switched off", doctor(CCHAIN_DISABLE="1"), "problem", "CCHAIN_DISABLE")
expect("a variable that is none", doctor(CCHAIN_MAXSIZE="5G"), "problem", "CCHAIN_MAXSIZE")
expect("what makes a debugger find the sources", doctor(CCHAIN_BASE_DIRS=work + "/src:" + work + "/out"), "ok", "gdb", "set substitute-path /cchain-base-0 %s/src\nset substitute-path /cchain-base-1 %s/out" % (work, work))
expect("recache", doctor(CCHAIN_RECACHE="1"), "note", "CCHAIN_RECACHE")

# ---- layers on disk
open(os.path.join(work, "file"), "w").close()
expect("a folder that is a file", doctor(CCHAIN_DIR=os.path.join(work, "file")), "problem", "no folder")
expect("a folder that can't be made", doctor(CCHAIN_DIR=os.path.join(work, "file", "below")), "problem", "below")
shared = os.path.join(work, "shared")
os.makedirs(shared)
os.chmod(shared, 0o777)
expect("a folder that others can write", doctor(CCHAIN_DIR=shared), "note", "others can write")
state = os.path.join(work, "state")
os.makedirs(state)
os.chmod(state, 0o755)
expect("a private folder that is none", doctor(CCHAIN_STATE_DIR=state), "problem", state, "chmod 700")
os.makedirs(os.path.join(work, "cache"), exist_ok=True)
expect("what the file system can do", doctor(), None, "file system", "O_TMPFILE")

# ---- layers behind a network


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status, offset, delay, seen = 404, 0, 0, []

    def do_GET(self):
        Server.seen.append(self.path)
        time.sleep(Server.delay)
        self.send_response_only(Server.status)
        self.send_header("Date", email.utils.formatdate(time.time() + Server.offset, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_HEAD = do_GET

    def log_message(self, *args):
        pass


if not os.path.exists(os.path.join(BUILD, "cchain-remote.so")):
    skip("layers behind a network", "cchain-remote.so was not built")
else:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d/" % server.server_address[1]
    layers = {"CCHAIN_LAYERS": os.path.join(work, "cache") + " " + url}
    found = doctor(**layers)
    check("a server that answers is sound", found["sound"], found)
    expect("its latency is told", found, "ok", "http1", "answers in", "ms")
    check("it was asked for one thing, twice", len(Server.seen) == 2 and len(set(Server.seen)) == 1, Server.seen)
    Server.offset = 7200
    expect("a clock that is ahead", doctor(**layers), "problem", "clock", "ahead")
    Server.offset = -120
    expect("a clock that is a little behind", doctor(**layers), "note", "clock", "behind")
    Server.offset = 0
    Server.status = 403
    expect("wrong credentials", doctor(**layers), "problem", "credentials", "keys")
    Server.status = 500
    expect("a server that fails", doctor(**layers), "problem", "500")
    Server.status, Server.delay = 404, 0.15
    expect("a slow one", doctor(**layers), "note", "http1", "answers in")
    Server.seen.clear()
    expect("--offline", doctor("--offline", **layers), "note", "not asked")
    check("--offline asks nothing", not Server.seen, Server.seen)
    server.shutdown()
    server.server_close()
    expect("a server that is not there", doctor(**layers), "problem", "http1")
    r = run("--json", CCHAIN_LAYERS="http://user:opensesame@127.0.0.1:1/")
    check("no password is shown", "opensesame" not in r.stdout + r.stderr)

# ---- compilers
links = os.path.join(work, "links")
os.makedirs(links)
os.symlink("/nonexistent/gcc-99", os.path.join(links, "gcc-99"))
found = doctor(PATH=links + ":" + bin_)
expect("a link that leads nowhere", found, "problem", links + "/gcc-99")
os.unlink(os.path.join(links, "gcc-99"))
os.symlink(os.path.join(BUILD, "cchain"), os.path.join(links, name))
os.symlink(os.path.join(BUILD, "cchain"), os.path.join(links, "g++-77"))
found = doctor(PATH=links + ":" + bin_)
expect("a link to cchain, and what is behind it", found, "ok", links + "/" + name, bin_ + "/" + name)
expect("a link to cchain with nothing behind it", found, "problem", links + "/g++-77")
script = os.path.join(work, "script", "cc")
program(script, "#!/bin/sh\nexec %s \"$@\"\n" % compiler)
expect("a compiler that is a script", doctor(PATH=os.path.dirname(script) + ":" + bin_), "problem", script, '"compilers"')
broken = os.path.join(work, "broken", "cc")
program(broken, "#!/bin/sh\necho no licence >&2\nexit 3\n")
expect("a compiler that does not work", doctor(PATH=os.path.dirname(broken) + ":" + bin_), "problem", broken, "no licence")
program(os.path.join(work, "masks", "ccache"))
os.symlink("ccache", os.path.join(work, "masks", "gcc"))
expect("ccache by a compiler's name", doctor(PATH=os.path.join(work, "masks") + ":" + bin_), "note", "masks/gcc is ccache", "off PATH")

# ---- build tools
program(os.path.join(work, "plain", "ninja"))
expect("a Ninja that is not patched", doctor(PATH=os.path.join(work, "plain") + ":" + bin_), "note", "not the patched one")
if os.path.exists(os.path.join(BUILD, "ninja")):
    expect("the patched one", doctor(PATH=BUILD + ":" + bin_), "ok", "ninja", "the patched one")
    expect("where the patched one is", doctor(PATH=os.path.join(work, "plain") + ":" + bin_), "note", "PATH=" + os.path.realpath(BUILD))
else:
    skip("the patched Ninja", "it was not built")
expect("CMake's launcher", doctor(CMAKE_C_COMPILER_LAUNCHER="/usr/bin/ccache"), "note", "CMAKE_C_COMPILER_LAUNCHER=cchain")
expect("CC", doctor(CC="ccache gcc -m64"), "note", 'CC="cchain gcc -m64"')

# ---- ccache: every option of 4.7 to 4.13, by file and by variable
OPTIONS = """absolute_paths_in_stderr base_dir cache_dir ceiling_dirs ceiling_markers compiler compiler_check compiler_type compression compression_level cpp_extension debug debug_dir
debug_level depend_mode direct_mode disable extra_files_to_hash file_clone hard_link hash_dir ignore_headers_in_manifest ignore_options inode_cache keep_comments_cpp libexec_dirs
limit_multiple log_file max_files max_size msvc_dep_prefix msvc_utf8 namespace path pch_external_checksum prefix_command prefix_command_cpp read_only read_only_direct recache remote_only
remote_storage reshare response_file_format run_second_cpp safe_dirs secondary_storage sloppiness stats stats_log temporary_dir umask""".split()
conf = os.path.join(work, "ccache.conf")
with open(conf, "w") as f:
    f.write("# all of them\n" + "".join("%s = true\n" % o for o in OPTIONS) + "no_such_option = 1\n")
found = doctor("--ccache", conf)
answers = {a["key"]: a for a in found["ccache"]}
for option in OPTIONS:
    check("ccache's " + option, answers.get(option, {}).get("answer"), answers.get(option))
    check("ccache's %s: where it stands" % option, answers.get(option, {}).get("origin") == "%s:%d" % (conf, OPTIONS.index(option) + 2))
expect("an option that ccache has not", found, "note", "no_such_option", "no such option")
check("what ccache is set to is no trouble", found["sound"], found)


def answer(key, value):
    with open(conf, "w") as f:
        f.write("%s = %s\n" % (key, value))
    return doctor("--ccache", conf)["ccache"][0]["answer"]


for key, value, expected in (
    ("max_size", "20G", "CCHAIN_MAX_SIZE=19073M"),
    ("max_size", "20GiB", "CCHAIN_MAX_SIZE=20G"),
    ("max_size", "5", "CCHAIN_MAX_SIZE=5G"),
    ("max_size", "500M", "CCHAIN_MAX_SIZE=477M"),
    ("direct_mode", "false", "CCHAIN_MODE=preprocess"),
    ("namespace", "team", "CCHAIN_TENANT=team"),
    ("compiler_check", "string:abc", '"compiler_identity": "abc"'),
    ("compiler_check", "content", "not needed"),
    ("extra_files_to_hash", "/a:/b", '"extra_files": ["/a", "/b"]'),
    ("prefix_command", "distcc", 'CCHAIN_PREFIX="distcc"'),
    ("umask", "002", '"umask": "002"'),
    ("sloppiness", "time_macros, locale", "locale: not needed"),
    ("remote_storage", "http://host/x|read-only|connect-timeout=100 file:/mnt/c", "http://host/x?write=false&connect_timeout_ms=100 /mnt/c"),
    ("remote_storage", "redis://u:opensesame@host|shards=a,b", "no equivalent: shards"),
):
    got = answer(key, value)
    check("ccache's %s = %s" % (key, value), expected in got and "opensesame" not in got, got)
with open(conf, "w") as f:
    f.write("ignore_options =\n  -a\n# between\n  -b\nmax_size = 1G\n")
found = doctor("--ccache", conf)["ccache"]
check("a value of several lines", [a["key"] for a in found] == ["ignore_options", "max_size"] and found[1]["origin"].endswith(":5"), found)
found = {a["origin"]: a["answer"] for a in doctor(CCACHE_MAXSIZE="3Gi", CCACHE_NODIRECT="1", CCACHE_RECACHE="yes", CCACHE_NOHASHDIR="1", CCACHE_CONFIGPATH=os.path.join(work, "none"))["ccache"]}
check("variables", "3G" in found["CCACHE_MAXSIZE"] and "preprocess" in found["CCACHE_NODIRECT"] and found["CCACHE_RECACHE"] == "CCHAIN_RECACHE=1" and "BASE_DIRS" in found["CCACHE_NOHASHDIR"], found)
os.makedirs(os.path.join(home, ".config", "ccache"))
with open(os.path.join(home, ".config", "ccache", "ccache.conf"), "w") as f:
    f.write("max_size = 7GiB\n")
check("ccache.conf where ccache looks for it", any("7G" in a["answer"] for a in doctor()["ccache"]))
expect("a file that is not there", doctor("--ccache", os.path.join(work, "none")), "problem", "none")

shutil.rmtree(work, ignore_errors=True)
print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
sys.exit(failed != 0)
