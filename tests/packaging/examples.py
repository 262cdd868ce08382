#!/usr/bin/env python3
"""The examples of bindings/examples, run as their first lines say.

  examples.py [BUILD]
SPDX-License-Identifier: Apache-2.0
"""
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "build"))
EXAMPLES = os.path.join(TOP, "bindings", "examples")
work = tempfile.mkdtemp()
passed = failed = skipped = 0
base = {k: v for k, v in os.environ.items() if not k.startswith(("CCHAIN_", "CCACHE_", "XDG_", "CMAKE_", "MAKE", "AWS_")) and k not in ("CC", "CXX", "MFLAGS")}
base.update(HOME=os.path.join(work, "home"), LC_ALL="C", PATH=BUILD + ":" + os.environ["PATH"], LD_LIBRARY_PATH=BUILD, CCHAIN_DIR=os.path.join(work, "cache"))
os.makedirs(base["HOME"])
compiler = shutil.which("gcc") or shutil.which("clang")


def check(name, good, what=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print("%s - %s%s" % ("ok" if good else "not ok", name, "" if good else "\n# %s" % (what,)))


def skip(name, why):
    global skipped
    skipped += 1
    print("skip - %s: %s" % (name, why))


def run(*argv, cwd=work, **environment):
    env = dict(base)
    env.update(environment)
    return subprocess.run(argv, cwd=cwd, env={k: v for k, v in env.items() if v is not None}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120)


def stats(**environment):
    return json.loads(run("cchain", "stats", "--json", **environment).stdout)


def put(path, text):
    path = os.path.join(work, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    return path


# ---- load.c
put("a.c", "int f(int x) { int unused; return x; }\n")
r = run(compiler, "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-I", os.path.join(TOP, "include"), "-o", "load", os.path.join(EXAMPLES, "load.c"), "-ldl")
check("load.c compiles without a warning", r.returncode == 0, r)
plain = run(compiler, "-Wall", "-c", "a.c", "-o", "a.o")
with open(os.path.join(work, "a.o"), "rb") as f:
    object_ = f.read()
for name, hits in (("first", 0), ("second", 1)):
    os.unlink(os.path.join(work, "a.o"))
    r = run("./load", compiler, "-Wall", "-c", "a.c", "-o", "a.o")
    with open(os.path.join(work, "a.o"), "rb") as f:
        check("load.c: the %s time: object, streams and status" % name, (f.read(), r.stdout, r.stderr, r.returncode) == (object_, plain.stdout, plain.stderr, 0), r)
    check("load.c: the %s time: hits" % name, stats()["hits"] == hits, stats())
r = run("./load", compiler, "-c", "none.c")
check("load.c: a compile that fails", r.returncode == run(compiler, "-c", "none.c").returncode and "none.c" in r.stderr, r)
r = run("./load", compiler, "-Wall", "-c", "a.c", "-o", "a.o", LD_LIBRARY_PATH=None)
check("load.c: without the library", r.returncode == 0 and "unused" in r.stderr, r)

# ---- codegen.py is tested by tests/python; toolchain.cmake
put("p/CMakeLists.txt", "cmake_minimum_required(VERSION 3.10)\nproject(p C)\nadd_executable(p m.c n.c)\n")
put("p/m.c", "int n(void);\nint main(void) { return n(); }\n")
put("p/n.c", "int n(void) { return 0; }\n")
if shutil.which("cmake") and shutil.which("make"):
    for name, hits in (("one", 0), ("two", 2)):
        run("cchain", "-z")
        r = run("cmake", "-S", "p", "-B", "b", "-G", "Unix Makefiles", "-DCMAKE_C_COMPILER=" + compiler, "-DCMAKE_TOOLCHAIN_FILE=" + os.path.join(EXAMPLES, "toolchain.cmake"))
        check("toolchain.cmake: configures", r.returncode == 0, r)
        run("cchain", "-z")
        r = run("cmake", "--build", "b")
        check("toolchain.cmake: build %s" % name, r.returncode == 0 and stats()["hits"] == hits and stats()["lookups"] >= 2, (r, stats()))
        shutil.rmtree(os.path.join(work, "b"))
else:
    skip("toolchain.cmake", "no cmake")

# ---- ci-archive.sh: three jobs on three machines, between which only the folder travels
put("build.sh", 'set -e\nfor f in $FILES; do cchain %s -c $f -o ${f%%.c}.o; done\n' % compiler)
for n in "abcd":
    put("%s%s.c" % (n, n), "int %s(void) { return %d; }\n" % (n, ord(n)))


def job(number, files, fail=False):
    """A machine of its own, into which the archive is unpacked; returns what it counted, and how many entries it archived."""
    home = os.path.join(work, "machine%d" % number)
    os.makedirs(home)
    folder = os.path.join(home, "cachefolder")
    if os.path.isdir(os.path.join(work, "archive")):
        shutil.copytree(os.path.join(work, "archive"), folder, symlinks=True)
        # What only this machine would know is not to be needed.
        for name in os.listdir(os.path.join(folder, "private")):
            path = os.path.join(folder, "private", name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    environment = {"HOME": home, "CACHE_FOLDER": folder, "FILES": files, "CCHAIN_DIR": None}
    r = run("sh", os.path.join(EXAMPLES, "ci-archive.sh"), "sh", "build.sh" if not fail else "none.sh", **environment)
    counted = stats(HOME=home, CCHAIN_DIR=folder)
    shutil.rmtree(os.path.join(work, "archive"), ignore_errors=True)
    shutil.copytree(folder, os.path.join(work, "archive"), symlinks=True)
    entries = sum(len(names) for _, _, names in os.walk(os.path.join(folder, "compile")))
    return r, counted, entries


r, counted, entries = job(1, "aa.c bb.c cc.c")
check("ci-archive.sh: the first job stores", r.returncode == 0 and (counted["hits"], counted["stores"], entries) == (0, 3, 3), (r, counted, entries))
time.sleep(2.1)
r, counted, entries = job(2, "aa.c bb.c dd.c")
check("ci-archive.sh: the second is served, and archives what it used", r.returncode == 0 and (counted["hits"], counted["stores"], entries) == (2, 1, 3), (r, counted, entries))
time.sleep(2.1)
r, counted, entries = job(3, "aa.c bb.c dd.c")
check("ci-archive.sh: the third is served wholly", r.returncode == 0 and (counted["hits"], counted["misses"], entries) == (3, 0, 3), (r, counted, entries))
time.sleep(2.1)
r, counted, entries = job(4, "", fail=True)
check("ci-archive.sh: a build that fails removes nothing, and its status is passed on", r.returncode != 0 and entries == 3, (r, entries))
r = run("cchain", "trim", "--unused-since-start", CCHAIN_DIR=os.path.join(work, "other"))
check("trim --unused-since-start without a start", r.returncode == 1 and "--start" in r.stderr, r)

# ---- ci-s3.sh, with a server that keeps what it is given


class Bucket(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept, unsigned = {}, 0

    def answer(self, status, body=b""):
        if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=key/"):
            Bucket.unsigned += 1
            status, body = 403, b""
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        body = Bucket.kept.get(self.path)
        self.answer(404 if body is None else 200, body or b"")

    def do_PUT(self):
        Bucket.kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def log_message(self, *args):
        pass


if os.path.exists(os.path.join(BUILD, "cchain-remote.so")):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def s3(number, files, **more):
        tmp = os.path.join(work, "runner%d" % number)
        os.makedirs(tmp)
        r = run("sh", os.path.join(EXAMPLES, "ci-s3.sh"), "sh", "build.sh", HOME=tmp, TMPDIR=tmp, FILES=files, CCHAIN_DIR=None, CACHE_BUCKET="builds",
                CACHE_ENDPOINT="http://127.0.0.1:%d" % server.server_address[1], AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", **more)
        return r, stats(HOME=tmp, CCHAIN_DIR=os.path.join(tmp, "cchain-ci"))

    r, counted = s3(1, "aa.c", CI_TRUSTED="1")
    check("ci-s3.sh: main stores", r.returncode == 0 and counted["misses"] == 1 and any("/cache/compile/" in path for path in Bucket.kept), (r, counted, list(Bucket.kept)))
    kept = len(Bucket.kept)
    r, counted = s3(2, "aa.c bb.c")
    check("ci-s3.sh: a pull request is served, and stores nothing", r.returncode == 0 and (counted["hits"], counted["misses"]) == (1, 1) and len(Bucket.kept) == kept, (r, counted))
    check("ci-s3.sh: what it shows", "hit rate" in r.stdout, r)
    check("ci-s3.sh: every request was signed", Bucket.unsigned == 0)
    server.shutdown()
else:
    skip("ci-s3.sh", "cchain-remote.so was not built")

shutil.rmtree(work, ignore_errors=True)
print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
sys.exit(failed != 0)
