"""python -m cchain, and the example of a code generation. SPDX-License-Identifier: Apache-2.0"""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import unittest

from common import CC, PACKAGE, TOP, TestCase
import cchain

EXAMPLE = os.path.join(TOP, "bindings", "examples", "codegen.py")


class Base(TestCase):
    def setUp(self):
        super().setUp()
        self.folder.write("config.json", json.dumps(self.config))
        self.env = {"CCHAIN_CONFIG": self.folder / "config.json", "HOME": self.folder / "home"}

    def warm(self, *arguments, **more):
        return self.python("-m", "cchain", *arguments, env=self.env, cwd=self.folder.path, **more)


class Warming(Base):
    def database(self, *entries, name="compile_commands.json"):
        return self.folder.write(name, json.dumps(list(entries)))

    def entry(self, source, output=None, *words, line=False):
        output = output or source.replace(".c", ".o")
        command = [CC, *words, "-c", source, "-o", output]
        entry = {"directory": self.folder.path, "file": source, "output": output}
        entry["command" if line else "arguments"] = " ".join(command) if line else command
        return entry

    def test_cold_warm(self):
        self.database(
            self.entry("a.c"),
            self.entry("a.c"),
            self.entry("a.c", "deep/er/a.o", "-DX=\\\"y\\\"", line=True),
            self.entry("warn.c", None, "-Wall"),
            {"directory": self.folder.path, "file": "a.c", "arguments": [CC, "a.c", "-o", "a.out"]},
        )
        done = self.warm("-j3")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        lines = done.stdout.decode().splitlines()
        self.assertEqual(len(lines), 6, lines)
        self.assertEqual(sorted(re.sub(r"^\[\d/4\] ", "", line) for line in lines[:4]), [
            "stored a.c", "stored a.c", "stored warn.c", "uncacheable a.c: no -c: it links",
        ])  # fmt: skip
        self.assertRegex(lines[4], r"^4 commands in [\d.]+ s: 0 hits, 3 compiled and stored, 1 that can't be cached$")
        self.assertEqual(lines[5].split(None, 1), ["1", "no -c: it links"])
        self.assertTrue(self.folder.read("deep/er/a.o"))
        # What is there is not touched, and what is away stays away.
        before = os.stat(self.folder / "a.o").st_mtime_ns
        os.unlink(self.folder / "warn.o")
        done = self.warm(self.folder.path)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"4 commands", done.stdout)
        self.assertIn(b": 3 hits, 0 compiled and stored", done.stdout)
        self.assertEqual(os.stat(self.folder / "a.o").st_mtime_ns, before)
        self.assertFalse(os.path.exists(self.folder / "warn.o"))
        self.assertFalse(os.path.exists(self.folder / "a.out"))
        # And a build hits.
        with cchain.Cache(self.config, files=False) as cache:
            self.assertTrue(cache.run([CC, "-Wall", "-c", "warn.c", "-o", "warn.o"], cwd=self.folder.path))

    def test_failures(self):
        self.database(self.entry("bad.c"), self.entry("a.c"), self.entry("warn.c", None, "-Werror", "-Wall"))
        done = self.warm("-q")
        self.assertEqual(done.returncode, 1)
        text = done.stdout.decode()
        self.assertIn("failed: bad.c\n", text)
        self.assertIn("error:", text)
        self.assertIn("1 compiled and stored, 2 failed", text)

    def test_two_commands_for_one_file(self):
        self.database(*[self.entry("a.c", "a.o", "-DN=%d" % n) for n in range(6)])
        done = self.warm("-j4", "-q")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"1 compiled and stored, 5 that can't be cached", done.stdout)
        self.assertIn(b"another command of the database writes the same file", done.stdout)

    def test_tenant(self):
        self.database(self.entry("a.c"))
        self.assertIn(b"1 compiled and stored", self.warm("-t", "one").stdout)
        self.assertIn(b"1 compiled and stored", self.warm("-t", "two").stdout)
        self.assertIn(b"1 hits", self.warm("-t", "two").stdout)

    def test_wrong_databases(self):
        wrong = {
            "none.json": None,
            "text.json": "text",
            "object.json": "{}",
            "deep.json": "[" * 100000,
            "number.json": "[3]",
            "file.json": '[{"directory": "/", "command": "cc"}]',
            "words.json": '[{"directory": "/", "file": "a.c", "arguments": ["cc", 3]}]',
            "nothing.json": '[{"directory": "/", "file": "a.c"}]',
        }
        for name, text in wrong.items():
            with self.subTest(name):
                if text is not None:
                    self.folder.write(name, text)
                done = self.warm(name)
                self.assertEqual((done.returncode, done.stdout), (2, b""))
                self.assertRegex(done.stderr.decode(), r"^python -m cchain: \S*%s: .*\n$" % name)
        self.assertEqual(self.warm("-j0").returncode, 2)
        self.assertEqual(self.warm("--version").returncode, 0)
        self.database()
        done = self.warm()
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"0 commands", done.stdout)

    def test_a_bar_on_a_terminal(self):
        self.database(self.entry("a.c"), self.entry("warn.c"), self.entry("bad.c"))
        parent, child = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "cchain", "-j1"],
            cwd=self.folder.path,
            env=dict(os.environ, **self.env, PYTHONPATH=PACKAGE, TERM="xterm", PYTHONDONTWRITEBYTECODE="1"),
            stdin=subprocess.DEVNULL,
            stdout=child,
        )
        os.close(child)
        shown = b""
        while select.select([parent], [], [], 30)[0]:
            try:
                data = os.read(parent, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        os.close(parent)
        self.assertEqual(process.wait(), 1)
        text = shown.decode()
        self.assertRegex(text, r"\r\[#+\.*\] 1/3, ")
        self.assertIn("3/3", text)
        self.assertIn("\r\x1b[Kfailed: bad.c", text)
        self.assertNotIn("[1/3]", text)
        self.assertIn("3 commands in", text.splitlines()[-1])

    def test_interrupted(self):
        self.folder.write("slow-gcc", "#!/bin/sh\nsleep 0.3\nexec %s \"$@\"\n" % CC)
        os.chmod(self.folder / "slow-gcc", 0o755)
        self.env["CCHAIN_CONFIG"] = self.folder.write(
            "slow.json", json.dumps(dict(self.config, compilers=[{"compiler": "slow-gcc", "type": "gcc"}]))
        )
        entries = [self.entry("a.c", "%d.o" % n, "-DN=%d" % n) for n in range(40)]
        for entry in entries:
            entry["arguments"][0] = self.folder / "slow-gcc"
        self.database(*entries)
        process = subprocess.Popen(
            [sys.executable, "-m", "cchain", "-j2"],
            cwd=self.folder.path,
            env=dict(os.environ, **self.env, PYTHONPATH=PACKAGE, PYTHONDONTWRITEBYTECODE="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        time.sleep(0.7)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=30)[1], b"python -m cchain: interrupted\n")
        self.assertEqual(process.returncode, 130)
        self.assertLess(time.monotonic() - start, 10)


class CodeGeneration(Base):
    def test_example(self):
        with open(EXAMPLE) as f:
            self.assertLess(len(f.readlines()), 60)
        generator = self.folder.write("gen.sh", '#!/bin/sh\ntr a-z A-Z <in.txt >out.txt\necho "$1" >note.txt\necho said\necho "err" >&2\necho >>runs\nexit ${2:-0}\n')
        os.chmod(generator, 0o755)
        self.folder.write("in.txt", "text")

        def run(*words):
            command = [EXAMPLE, "-i", "in.txt", "-o", "out.txt", "-o", "note.txt", "--", generator, *words]
            return self.python(*command, env=self.env, cwd=self.folder.path)

        def runs():
            return len(self.folder.read("runs"))

        for name, after in (("in.txt", 1), ("in.txt", 1), (None, 1)):
            done = run("x")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"said\n", b"err\n"))
            self.assertEqual((self.folder.read("out.txt"), self.folder.read("note.txt")), (b"TEXT", b"x\n"))
            self.assertEqual(runs(), after)
            os.unlink(self.folder / "out.txt")
        run("y")
        self.assertEqual((runs(), self.folder.read("note.txt")), (2, b"y\n"))
        self.folder.write("in.txt", "more")
        run("x")
        self.assertEqual((runs(), self.folder.read("out.txt")), (3, b"MORE"))
        with open(generator, "a") as f:
            f.write("# another program\n")
        run("x")
        self.assertEqual(runs(), 4)
        for after in (5, 6):  # a failure is not kept
            self.assertEqual(run("x", "3").returncode, 3)
            self.assertEqual(runs(), after)


if __name__ == "__main__":
    unittest.main()
