"""What the tests of the Python package share. SPDX-License-Identifier: Apache-2.0"""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = os.path.join(TOP, "bindings", "python")
B = os.path.abspath(os.environ.get("B") or os.path.join(TOP, "build"))
LIBRARY = os.path.abspath(os.environ.get("CCHAIN_LIB") or os.path.join(B, "libcchain.so.0"))
CC = shutil.which("gcc") or shutil.which("cc") or "cc"

os.environ["CCHAIN_LIB"] = LIBRARY
sys.dont_write_bytecode = True
if PACKAGE not in sys.path:
    sys.path.insert(0, PACKAGE)
for _name in list(os.environ):
    if _name.startswith("CCHAIN_") and _name != "CCHAIN_LIB":
        del os.environ[_name]
os.environ["LC_ALL"] = "C"


class Folder:
    """A folder for a while: `folder / "name"` is a path in it. In memory, if wanted and if there is such a place."""

    def __init__(self, in_memory=False):
        self.parent = "/dev/shm" if in_memory and os.access("/dev/shm", os.W_OK) else None

    def __enter__(self):
        self.path = os.path.realpath(tempfile.mkdtemp(prefix="cchain-python.", dir=self.parent))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text, age=3600):
        """Written an hour ago: what is too new makes the library careful."""
        path = self / name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        then = time.time() - age
        os.utime(path, (then, then))
        return path

    def read(self, name):
        with open(self / name, "rb") as f:
            return f.read()


class TestCase(unittest.TestCase):
    """Each test has a folder, with a cache in it that nothing from outside influences."""

    in_memory = False

    def setUp(self):
        self.folder = Folder(self.in_memory).__enter__()
        self.addCleanup(self.folder.__exit__)
        self.config = {"layers": [{"type": "disk", "path": self.folder / "cache"}], "state_dir": self.folder / "state"}
        self.folder.write("a.c", '#include "a.h"\nint f(int x) { return x + A; }\n')
        self.folder.write("a.h", "#define A 3\n")
        self.folder.write("warn.c", "int f(void) { int unused; return 0; }\n")
        self.folder.write("bad.c", "int f( { return 0; }\n")

    def open(self, **more):
        import cchain

        cache = cchain.Cache(self.config, files=False, **more)
        self.addCleanup(cache.close)
        return cache

    def python(self, *arguments, env=None, **kw):
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        environment = dict(os.environ, PYTHONPATH=PACKAGE, PYTHONDONTWRITEBYTECODE="1")
        environment.update(env or {})
        environment = {k: v for k, v in environment.items() if v is not None}
        return subprocess.run([sys.executable, *arguments], env=environment, stdin=subprocess.DEVNULL, timeout=60, **kw)
