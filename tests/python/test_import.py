"""How the package finds its library, what it says of a wrong one, and how it is installed. SPDX-License-Identifier: Apache-2.0"""
import os
import re
import shutil
import subprocess
import sys
import unittest

from common import CC, LIBRARY, PACKAGE, TestCase

SHOW = "import cchain, cchain._abi as a; print(a.library._name)"


class Finding(TestCase):
    def library(self, name, version, *functions):
        """A library that has a version and some functions."""
        source = "unsigned cc_version(void) { return %d; }\n" % version
        source += "".join("int %s(void) { return 0; }\n" % f for f in functions)
        path = self.folder / name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run([CC, "-shared", "-fPIC", "-x", "c", "-", "-o", path], input=source.encode(), check=True)
        return path

    def check_error(self, library, *texts):
        done = self.python("-c", "import cchain", env={"CCHAIN_LIB": library})
        self.assertEqual(done.returncode, 1)
        last = done.stderr.decode().strip().splitlines()[-1]
        self.assertTrue(last.startswith("ImportError: cchain: "), last)
        for text in texts:
            self.assertIn(text, last)

    def test_wrong_libraries(self):
        new = self.library("new.so", 1002003)
        self.check_error(new, "version 1.2.3", new, "needs version 0")
        old = self.library("old.so", 99)
        self.check_error(old, "version 0.0.99", old, "from 0.1.0 on")
        short = self.library("short.so", 1000, "cc_version_string", "cc_last_error")
        self.check_error(short, "version 0.1.0", short, "has no cc_free")
        other = self.folder / "other.so"
        subprocess.run([CC, "-shared", "-x", "c", "-", "-o", other], input=b"", check=True)
        self.check_error(other, other, "no cchain library")
        self.check_error(self.folder / "none.so", "none.so", "can't be loaded")
        self.check_error(self.folder.write("text.so", "text"), "text.so", "can't be loaded")

    def test_order(self):
        """The variable, then beside the package, then by soname."""
        copy = self.folder / "copy"
        shutil.copytree(os.path.join(PACKAGE, "cchain"), os.path.join(copy, "cchain"))
        inside, beside = os.path.join(copy, "cchain", "libcchain.so.0"), os.path.join(copy, "libcchain.so.0")
        system = self.folder / "system"
        os.mkdir(system)
        env = {"PYTHONPATH": copy, "CCHAIN_LIB": None, "LD_LIBRARY_PATH": system}

        def found(**more):
            done = self.python("-c", SHOW, env=dict(env, **more))
            return done.stdout.decode().strip() or done.stderr.decode().strip().splitlines()[-1]

        nothing = found()
        if "ImportError" in nothing:  # else one is installed on this machine
            self.assertIn("nor is it beside the package, and CCHAIN_LIB names none", nothing)
        os.symlink(LIBRARY, os.path.join(system, "libcchain.so.0"))
        self.assertEqual(found(), "libcchain.so.0")
        os.symlink(LIBRARY, beside)
        self.assertEqual(found(), beside)
        os.symlink(LIBRARY, inside)
        self.assertEqual(found(), inside)
        self.assertEqual(found(CCHAIN_LIB=LIBRARY), LIBRARY)
        self.assertEqual(found(CCHAIN_LIB=""), inside)
        # What is named and wrong is not passed over.
        self.assertIn("ImportError", found(CCHAIN_LIB="/none/at/all"))


class Installing(TestCase):
    def pip(self, *arguments):
        return self.python("-m", "pip", "--disable-pip-version-check", "--no-cache-dir", *arguments, env={"PYTHONPATH": None, "PIP_NO_INDEX": "1"})

    def setUp(self):
        super().setUp()
        if self.pip("--version").returncode != 0:
            self.skipTest("no pip")
        self.tree = self.folder / "tree"
        shutil.copytree(PACKAGE, self.tree, ignore=shutil.ignore_patterns("__pycache__"))

    def test_pip_without_a_network(self):
        target = self.folder / "target"
        done = self.pip("install", "--no-index", "--target", target, self.tree)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        names = sorted(os.listdir(os.path.join(target, "cchain")))
        kept = sorted(n for n in os.listdir(os.path.join(PACKAGE, "cchain")) if n != "__pycache__")
        self.assertEqual([n for n in names if n != "__pycache__"], kept)
        self.assertIn("py.typed", names)
        done = self.python("-c", SHOW + "; print(cchain.__file__, cchain.library_version)", env={"PYTHONPATH": target})
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn(target, done.stdout.decode())
        with open(os.path.join(target, "cchain-0.1.0.dist-info", "RECORD")) as f:
            self.assertIn("cchain/_cache.py,sha256=", f.read())
        # Nothing was left in the tree.
        self.assertEqual(sorted(os.listdir(self.tree)), sorted(n for n in os.listdir(PACKAGE) if n != "__pycache__"))

    def test_with_a_library_beside_it(self):
        with open(os.path.join(self.tree, "cchain", "libcchain.so.0"), "wb") as f:
            f.write(b"stands for one")
        done = self.pip("wheel", "--no-deps", "--wheel-dir", self.folder / "wheels", self.tree)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        (wheel,) = os.listdir(self.folder / "wheels")
        self.assertTrue(re.fullmatch(r"cchain-0\.1\.0-py3-none-linux_\w+\.whl", wheel), wheel)
        done = self.pip("install", "--target", self.folder / "target", os.path.join(self.folder / "wheels", wheel))
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(self.folder.read("target/cchain/libcchain.so.0"), b"stands for one")

    def test_version(self):
        with open(os.path.join(PACKAGE, "cchain", "__init__.py")) as f:
            version = re.search(r'^__version__ = "(.*)"', f.read(), re.M).group(1)
        with open(os.path.join(PACKAGE, "../../include/cchain.h")) as f:
            header = f.read()
        numbers = [re.search(r"CC_VERSION_%s (\d+)" % part, header).group(1) for part in ("MAJOR", "MINOR", "PATCH")]
        self.assertEqual(version, ".".join(numbers))


if __name__ == "__main__":
    unittest.main()
