"""Cache, Invocation, Result with a real compiler. SPDX-License-Identifier: Apache-2.0"""
import os
import stat
import subprocess
import sys
import unittest

from common import CC, TestCase
import cchain


class Compiles(TestCase):
    def plain(self, *words, cwd=None):
        return subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_several_sources(self):
        cache = self.open()
        self.folder.write("b.c", "int b(void) { int unused; return 2; }\n")
        words = [CC, "-Wall", "-c", "warn.c", "b.c"]
        plain = self.plain(*words, cwd=self.folder.path)
        expected = self.folder.read("warn.o"), self.folder.read("b.o")
        inv = cache.invocation(words, cwd=self.folder.path)
        self.assertEqual([part[-1] for part in inv.parts], [b"warn.c", b"b.c"])
        self.assertEqual(cache.invocation([CC, "-c", "b.c"], cwd=self.folder.path).parts, ())
        for hit in (False, True):
            os.unlink(self.folder / "warn.o"), os.unlink(self.folder / "b.o")
            result = cache.run(words, cwd=self.folder.path)
            self.assertEqual((result.hit, result.stored, result.exit_status, result.stderr), (hit, not hit, 0, plain.stderr), result)
            self.assertEqual((self.folder.read("warn.o"), self.folder.read("b.o")), expected)
        self.folder.write("b.c", "no C\n")
        result = cache.run(words, cwd=self.folder.path)
        self.assertEqual((result.hit, result.exit_status), (False, 1), result)

    def test_run(self):
        cache = self.open()
        words = [CC, "-O2", "-Wall", "-c", "warn.c", "-o", "warn.o"]
        plain = self.plain(*words, cwd=self.folder.path)
        expected = self.folder.read("warn.o")
        for hit in (False, True):
            os.unlink(self.folder / "warn.o")
            result = cache.run(words, cwd=self.folder.path)
            self.assertEqual((bool(result), result.hit, result.stored), (hit, hit, not hit), result)
            self.assertEqual((result.exit_status, result.stdout, result.stderr), (0, b"", plain.stderr))
            self.assertIn(b"warning", result.stderr)
            self.assertEqual((result.reason, result.layer), ("", 0 if hit else None))
            self.assertEqual(self.folder.read("warn.o"), expected)
        self.assertEqual(cache.stats()[:6], (2, 1, 1, 0, 1, 0))
        self.folder.write("a.h", "#define A 4\n")
        self.assertEqual(cache.stats().layers[0].type, "disk")

    def test_a_working_directory_behind_a_link(self):
        """$PWD is that of the caller: the compiler asks the kernel, and debug information says where the link leads."""
        cache = self.open()
        words = [CC, "-g", "-c", "a.c", "-o", "a.o"]
        for place in ("one", "two"):
            os.mkdir(self.folder / place)
            self.folder.write(place + "/a.c", "int f(void) { return 1; }\n")
        for place in ("one", "two", "one"):
            if os.path.lexists(self.folder / "here"):
                os.unlink(self.folder / "here")
            os.symlink(place, self.folder / "here")
            self.plain(*words, cwd=self.folder / "here")
            expected = self.folder.read(place + "/a.o")
            os.unlink(self.folder / "here/a.o")
            self.assertEqual(cache.run(words, cwd=self.folder / "here").exit_status, 0)
            self.assertEqual(self.folder.read(place + "/a.o"), expected, place)

    def test_a_layer_is_checked(self):
        cache = self.open()
        health = cache.check_layer(0)
        self.assertIsNone(health.clock_offset_s)
        self.assertLess(health.next_us, 10**7)
        with self.assertRaises(cchain.InvalidError):
            cache.check_layer(1)
        self.assertEqual(cache.stats()[:6], (0, 0, 0, 0, 0, 0))

    def test_a_changed_header_is_a_miss(self):
        cache = self.open()
        words = [CC, "-c", "a.c", "-o", "a.o"]
        self.assertTrue(cache.run(words, cwd=self.folder.path).stored)
        self.assertTrue(cache.run(words, cwd=self.folder.path).hit)
        self.folder.write("a.h", "#define A 4\n")
        result = cache.run(words, cwd=self.folder.path)
        self.assertEqual((result.hit, result.stored), (False, True))

    def test_failures_are_the_compilers(self):
        cache = self.open()
        for words in ([CC, "-c", "bad.c", "-o", "bad.o"], [CC, "-c", "none.c"], [CC, "--no-such-option"]):
            plain = self.plain(*words, cwd=self.folder.path)
            for _ in range(2):
                result = cache.run(words, cwd=self.folder.path)
                self.assertEqual((result.exit_status, result.stdout, result.stderr), (plain.returncode, plain.stdout, plain.stderr))
                self.assertEqual((result.hit, result.stored), (False, False))
                self.assertNotEqual(result.exit_status, 0)
        self.assertRaises(OSError, cache.run, ["no-such-compiler-at-all", "-c", "a.c"])
        self.assertEqual(cache.stats().stores, 0)

    def test_what_cannot_be_cached_runs(self):
        cache = self.open()
        result = cache.run([CC, "a.c", "-shared", "-o", "a.so"], cwd=self.folder.path)
        self.assertEqual((result.hit, result.stored, result.exit_status), (False, False, 0))
        self.assertIn("links", result.reason)
        self.assertTrue(self.folder.read("a.so"))
        result = cache.run("echo out; echo err >&2; kill -9 $$")
        self.assertEqual((result.exit_status, result.stdout, result.stderr), (137, b"out\n", b"err\n"))
        self.assertTrue(result.reason)

    def test_shell_line_directory_environment(self):
        cache = self.open()
        os.mkdir(self.folder / "sub")
        env = {"PATH": os.environ["PATH"], b"CPATH": self.folder.path}
        line = "cd %s && X='a b' %s -c ../a.c -o a.o" % (self.folder / "sub", CC)
        first = cache.run(line, cwd=self.folder.path, env=env)
        self.assertTrue(first.stored, first)
        os.unlink(self.folder / "sub/a.o")
        self.assertTrue(cache.run(line, cwd=self.folder.path, env=env))
        self.assertTrue(self.folder.read("sub/a.o"))
        # The variable is in the key.
        self.assertFalse(cache.run(line, cwd=self.folder.path, env=dict(env, CPATH="/nowhere")))
        for wrong in ({"A=B": "1"}, {"": "1"}, {"A": "b\0c"}):
            self.assertRaises(ValueError, cache.invocation, [CC], env=wrong)

    def test_the_loop_by_hand(self):
        cache = self.open()
        inv = cache.invocation([CC, "-c", "a.c", "-o", "a.o"], cwd=self.folder.path)
        self.assertIsNone(inv.uncacheable)
        self.assertEqual([(o.role, o.path) for o in inv.outputs], [("object", "a.o")])
        self.assertIs(inv.cache, cache)
        kinds = []
        for _ in range(12):
            result = cache.lookup(inv)
            self.assertFalse(result)
            self.assertTrue(result.reason)
            task = inv.task()
            if task is None:
                continue
            kinds.append(task.kind)
            done = subprocess.run(
                task.argv, cwd=task.cwd, env={**os.environb, **task.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
            )
            if task.kind == "compile":
                cache.store(inv, exit_status=done.returncode, stdout=done.stdout, stderr=done.stderr, duration_ms=1234)
                break
            inv.task_done(done.returncode, done.stdout, bytearray(done.stderr))
        self.assertEqual(set(kinds), {"probe", "compile"})
        self.assertEqual(task.cwd, os.fsencode(self.folder.path))
        result = cache.lookup(inv)
        self.assertEqual((result.hit, result.duration_ms, result.outputs), (True, 1234, {}))

    def test_keep_and_no_delivery(self):
        cache = self.open()
        words = [CC, "-MD", "-c", "a.c", "-o", "a.o"]
        cache.run(words, cwd=self.folder.path)
        made = self.folder.read("a.o")
        os.unlink(self.folder / "a.o")
        inv = cache.invocation(words, cwd=self.folder.path)
        kept = cache.lookup(inv, deliver=False, keep=True)
        self.assertFalse(os.path.exists(self.folder / "a.o"))
        self.assertEqual(set(kept.outputs), {"object", "depfile"})
        self.assertEqual(kept.outputs["object"], cchain.Output("object", "a.o", made))
        self.assertIn(b"a.h", kept.outputs["depfile"].data)
        del inv
        cache.close()
        self.assertEqual(kept.outputs["object"].data, made)

    def test_merged_streams(self):
        cache = self.open()
        inv = cache.invocation([CC, "-Wall", "-c", "warn.c", "-o", "warn.o"], cwd=self.folder.path, merged=True)
        for _ in range(12):
            if cache.lookup(inv):
                break
            task = inv.task()
            if task and task.kind == "compile":
                done = subprocess.run(task.argv, cwd=task.cwd, env={**os.environb, **task.env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                cache.store(inv, stdout=done.stdout)
            elif task:
                done = subprocess.run(task.argv, cwd=task.cwd, env={**os.environb, **task.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                inv.task_done(done.returncode, done.stdout, done.stderr)
        result = cache.lookup(inv)
        self.assertEqual((result.hit, result.stdout, result.stderr), (True, done.stdout, b""))
        # Another host, which keeps the streams apart, gets it as stderr.
        self.assertEqual(cache.run([CC, "-Wall", "-c", "warn.c", "-o", "warn.o"], cwd=self.folder.path).stderr, done.stdout)

    def test_lookup_many_and_prefetch(self):
        cache = self.open()
        names = ["a", "warn"]
        for name in names:
            cache.run([CC, "-c", name + ".c", "-o", name + ".o"], cwd=self.folder.path)
            os.unlink(self.folder / (name + ".o"))
        invs = [cache.invocation([CC, "-c", name + ".c", "-o", name + ".o"], cwd=self.folder.path) for name in names]
        invs.append(cache.invocation([CC, "--version"]))
        cache.prefetch(invs)
        results = cache.lookup_many(invs, keep=True)
        self.assertEqual([bool(r) for r in results], [True, True, False])
        self.assertIn("object", results[1].outputs)
        self.assertTrue(results[2].reason)
        for name in names:
            self.assertTrue(self.folder.read(name + ".o"))
        self.assertEqual(cache.lookup_many([]), [])
        cache.prefetch([])
        self.assertRaises(ValueError, cache.lookup_many, [invs[0], invs[0]])
        with self.assertRaises(cchain.TenantError):
            cache.lookup_many(invs, "")

    def test_session(self):
        cache = self.open()
        words = [CC, "-c", "a.c", "-o", "a.o"]
        cache.run(words, cwd=self.folder.path)
        inv = cache.invocation(words, cwd=self.folder.path)
        with cache.session() as session:
            self.assertTrue(cache.lookup(inv))
            self.folder.write("a.h", "#define A 4\n")
            self.assertTrue(cache.lookup(inv))  # looked at once
        self.assertEqual(session.outdated, (self.folder / "a.o",) * 2)
        with cache.session() as session:
            self.folder.write("a.h", "#define A 3\n")
            session.changed()
            self.assertTrue(cache.lookup(inv))
            session.changed(self.folder / "a.h")
            self.assertTrue(cache.lookup(inv))
        self.assertEqual(session.outdated, ())

    def test_tenants(self):
        cache = self.open(tenant="one")
        words = [CC, "-c", "a.c", "-o", "a.o"]
        self.assertTrue(cache.run(words, cwd=self.folder.path).stored)
        self.assertTrue(cache.run(words, cwd=self.folder.path, tenant="two").stored)
        self.assertTrue(cache.run(words, cwd=self.folder.path))
        cache.clear("one")
        self.assertTrue(cache.run(words, cwd=self.folder.path, tenant="two"))
        self.assertFalse(cache.run(words, cwd=self.folder.path))


class Actions(TestCase):
    def test_own_key_and_outputs(self):
        cache = self.open()
        runs = self.folder / "runs"

        def make(key):
            outputs = [
                cchain.Output("source", "gen/p.c"),
                cchain.Output("tool", "gen/tool", mode=0o111),
                cchain.Output("notes", "gen/notes", optional=True),
            ]
            action = cache.action("gen", key, outputs, cwd=self.folder.path)
            self.assertEqual([(o.role, o.optional) for o in action.outputs], [("source", False), ("tool", False), ("notes", True)])
            command = "mkdir -p gen && echo 'int p;' > gen/p.c && echo '#!/bin/sh' > gen/tool && chmod +x gen/tool && echo made && echo >> " + runs
            return cache.run(command, action=action)

        key = cchain.Key().add("words", "a").file("input", self.folder / "a.h").digest()
        self.assertTrue(make(key).stored)
        subprocess.run(["rm", "-r", self.folder / "gen"], check=True)
        os.mkdir(self.folder / "gen")
        result = make(key)
        self.assertEqual((result.hit, result.stdout), (True, b"made\n"))
        self.assertEqual(self.folder.read("gen/p.c"), b"int p;\n")
        self.assertTrue(os.stat(self.folder / "gen/tool").st_mode & stat.S_IXUSR)
        self.assertEqual(self.folder.read("runs"), b"\n")
        self.folder.write("a.h", "#define A 9\n")
        self.assertFalse(make(cchain.Key().add("words", "a").file("input", self.folder / "a.h").digest()))

    def test_words_as_command(self):
        cache = self.open()
        for hit in (False, True):
            action = cache.action("gen", "k", {"out": "o"}, cwd=self.folder.path)
            self.assertEqual(cache.run(["cp", "a.h", "o"], action=action).hit, hit)

    def test_bytes_given(self):
        cache = self.open()
        action = cache.action("l", b"k\0", {"a": "a", "b": "b"}, cwd=self.folder.path)
        self.assertFalse(cache.lookup(action))
        cache.store(action, outputs={"a": memoryview(b"text\0more"), "b": b""}, later=True)
        self.assertEqual(cache.flush(), 0)
        result = cache.lookup(action, keep=True)
        self.assertEqual(self.folder.read("a"), b"text\0more")
        self.assertEqual(self.folder.read("b"), b"")
        self.assertEqual((result.outputs["a"].data, result.outputs["b"].data), (b"text\0more", b""))

    def test_keys_do_not_run_together(self):
        keys = [
            cchain.Key().add("a", "b", "c"),
            cchain.Key().add("a", "bc"),
            cchain.Key().add("a", "b").add("c"),
            cchain.Key().add("ab", "c"),
            cchain.Key().add("a").add("b", "c"),
            cchain.Key().add("a", "b").add("", "c"),
            cchain.Key(),
        ]
        self.assertEqual(len({k.digest() for k in keys}), len(keys))
        self.assertEqual(cchain.Key().add("a", b"b").digest(), cchain.Key().add("a", "b").digest())
        self.assertRaises(OSError, cchain.Key().file, "f", self.folder / "none")

    def test_blobs(self):
        cache = self.open()
        digest = cache.source_store(b"some\0bytes")
        self.assertEqual(len(digest), 32)
        self.assertEqual(cache.source_lookup(digest), b"some\0bytes")
        self.assertIsNone(cache.manifest_lookup(digest))
        self.assertIsNone(cache.source_lookup(digest, "another"))
        self.assertEqual(cache.manifest_lookup(cache.manifest_store(bytearray(b""))), b"")
        self.assertRaises(ValueError, cache.source_lookup, b"short")


class Errors(TestCase):
    def test_hierarchy_and_texts(self):
        cache = self.open()
        inv = cache.invocation([CC, "-c", "a.c"], cwd=self.folder.path)
        action = cache.action("l", "k", {"out": "nowhere/at/all"}, cwd=self.folder.path)
        other = self.open()
        cases = [
            (cchain.TenantError, -5, "empty", lambda: cache.lookup(inv, "")),
            (cchain.TenantError, -5, "no valid tenant", lambda: cache.lookup(inv, "Not/One")),
            (cchain.StateError, -6, "lookup", lambda: cache.store(action)),
            (cchain.InvalidError, -1, "another cache", lambda: other.lookup(inv)),
            (cchain.InvalidError, -1, "role", lambda: cache.action("l", "k", {"Bad": "x"})),
            (cchain.ConfigError, -4, "", lambda: cchain.Cache("no json")),
            (cchain.FileError, -3, "", lambda: cache.all_stats(self.folder / "none")),
        ]
        for kind, code, text, call in cases:
            with self.subTest(kind.__name__ + " " + text):
                with self.assertRaises(cchain.Error) as caught:
                    call()
                self.assertIs(type(caught.exception), kind)
                self.assertEqual(caught.exception.code, code)
                self.assertIn(text, str(caught.exception))
                self.assertTrue(str(caught.exception))
        cache.lookup(action)
        with self.assertRaisesRegex(cchain.UncacheableError, "nowhere/at/all"):
            cache.store(action)
        cache.cancel()
        self.assertRaises(cchain.CancelledError, cache.lookup, inv)
        cache.resume()
        cache.lookup(inv)

    def test_wrong_arguments(self):
        cache = self.open()
        self.assertRaises(ValueError, cache.invocation, ["cc", "a\0b"])
        self.assertRaises(ValueError, cache.invocation, "cc a\0b")
        self.assertRaises(ValueError, cache.lookup, cache.invocation(["cc"]), "a\0b")
        self.assertRaises(TypeError, cache.invocation, ["cc", 3])
        self.assertRaises(TypeError, cache.invocation, 3)
        self.assertRaises(AttributeError, cache.lookup, None)
        self.assertEqual(cache.invocation([]).uncacheable, "no command")
        self.assertEqual(cache.invocation([b"cc", b"\xff.c", "-c"]).outputs[0].path, os.fsdecode(b"\xff.o"))

    def test_use_after_close(self):
        cache = self.open()
        inv = cache.invocation([CC, "-c", "a.c"], cwd=self.folder.path)
        session = cache.session()
        session.__enter__()
        self.assertFalse(cache.closed)
        cache.close()
        cache.close()
        self.assertTrue(cache.closed)
        session.__exit__()
        calls = [
            lambda: cache.lookup(inv),
            lambda: cache.store(inv),
            lambda: cache.run([CC]),
            lambda: cache.lookup_many([inv]),
            lambda: cache.prefetch([inv]),
            lambda: cache.invocation(["cc"]),
            lambda: cache.action("l", "k", {}),
            lambda: cache.flush(),
            lambda: cache.stats(),
            lambda: cache.all_stats(),
            lambda: cache.reset_stats(),
            lambda: cache.config(),
            lambda: cache.trim(),
            lambda: cache.clear(),
            lambda: cache.source_store(b""),
            lambda: cache.source_lookup(bytes(32)),
            lambda: inv.task(),
            lambda: inv.task_done(0),
            lambda: session.changed(),
            lambda: cache.__enter__(),
        ]
        for i, call in enumerate(calls):
            with self.subTest(i), self.assertRaisesRegex(cchain.ClosedError, "closed"):
                call()
        cache.cancel()
        cache.resume()
        self.assertIsNone(inv.uncacheable)
        self.assertEqual(inv.outputs[0].path, "a.o")

    def test_log_and_statistics(self):
        lines = []
        cache = self.open(log=lambda level, text: lines.append((level, text)), log_level=cchain.LOG_INFO)
        cache.run([CC, "-c", "a.c", "-o", "a.o"], cwd=self.folder.path)
        self.assertTrue(any(level == cchain.LOG_INFO and "miss" in text for level, text in lines), lines)
        cache.flush(0.5)
        self.assertEqual(cache.all_stats()["stores"], 1)
        cache.reset_stats()
        self.assertEqual(cache.all_stats()["stores"], 0)
        self.assertEqual(cache.config()["problems"], [])
        self.assertEqual(cache.trim(), (0, 0))
        entries, size = cache.trim(max_size=0)
        self.assertGreaterEqual(entries, 1)
        self.assertGreater(size, 0)

    def test_a_log_that_raises_does_no_harm(self):
        def log(level, text):
            raise KeyError("from the log")

        hook, sys.unraisablehook = sys.unraisablehook, lambda *_: None
        self.addCleanup(setattr, sys, "unraisablehook", hook)
        cache = self.open(log=log, log_level=cchain.LOG_DEBUG)
        self.assertTrue(cache.run([CC, "-c", "a.c", "-o", "a.o"], cwd=self.folder.path).stored)

    def test_environment_and_files(self):
        os.environ["CCHAIN_TENANT"] = "Not Valid"
        self.addCleanup(os.environ.pop, "CCHAIN_TENANT")
        self.assertTrue(self.open().config()["problems"])
        self.assertEqual(self.open(environment=False).config()["problems"], [])
        path = self.folder.write("config.json", '{"tenant": "filed"}')
        del os.environ["CCHAIN_TENANT"]
        with cchain.Cache(config_path=path) as cache:
            values = {v["key"]: v["value"] for v in cache.config()["values"]}
        self.assertEqual(values["tenant"], "filed")
        os.environ["CCHAIN_TENANT"] = ""


if __name__ == "__main__":
    unittest.main()
