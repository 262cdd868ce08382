"""Threads, forks, the GIL, and what a long process keeps. SPDX-License-Identifier: Apache-2.0"""
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor

from common import CC, TestCase
import cchain


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def child_of(call):
    """Runs it in a fork; its exit status, 0 if it returned true, None if it never ended."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(20)
            status = 0 if call() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Threads(TestCase):
    in_memory = True

    def setUp(self):
        super().setUp()
        self.cache = self.open()
        self.words = [CC, "-c", "a.c", "-o", "a.o"]
        self.assertTrue(self.cache.run(self.words, cwd=self.folder.path).stored)
        self.inv = self.cache.invocation(self.words, cwd=self.folder.path)

    def test_many_threads(self):
        def work(n):
            inv = self.cache.invocation([CC, "-c", "a.c", "-o", "%d.o" % n], cwd=self.folder.path)
            return all(self.cache.lookup(inv) for _ in range(50)) and self.cache.run(self.words, cwd=self.folder.path).hit

        with ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(work, range(16))))
        self.assertEqual(self.folder.read("3.o"), self.folder.read("a.o"))

    def test_one_invocation_in_many_threads(self):
        def work(_):
            self.inv.outputs, self.inv.uncacheable
            return all(self.cache.lookup(self.inv, deliver=False) for _ in range(100))

        with ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(work, range(8))))

    def test_closed_while_others_look_up(self):
        for _ in range(20):
            cache = self.open()
            inv = cache.invocation(self.words, cwd=self.folder.path)
            started = threading.Barrier(5)

            def work():
                started.wait()
                try:
                    while True:
                        cache.lookup(inv, deliver=False)
                        cache.stats()
                        cache.invocation(self.words, cwd=self.folder.path)
                except cchain.ClosedError:
                    return True

            with ThreadPoolExecutor(4) as pool:
                running = [pool.submit(work) for _ in range(4)]
                started.wait()
                time.sleep(0.005)
                cache.close()
                self.assertEqual([f.result(10) for f in running], [True] * 4)

    def test_others_run_meanwhile(self):
        """The GIL is released: while a call takes its time, another thread counts as it does while this one sleeps."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0001)
        self.addCleanup(sys.setswitchinterval, interval)
        data = os.urandom(1 << 20) * 128
        stop, count = threading.Event(), [0]

        def counting():
            while not stop.is_set():
                count[0] += 1

        def counted_during(call):
            before, start = count[0], time.monotonic()
            call()
            took = time.monotonic() - start
            self.assertGreater(took, 0.02)
            return (count[0] - before) / took

        thread = threading.Thread(target=counting)
        thread.start()
        try:
            asleep = counted_during(lambda: time.sleep(0.1))
            storing = counted_during(lambda: self.cache.source_store(data))
        finally:
            stop.set()
            thread.join()
        self.assertGreater(storing, asleep / 4)


class Forks(TestCase):
    def setUp(self):
        super().setUp()
        self.cache = self.open()
        self.words = [CC, "-c", "a.c", "-o", "a.o"]
        self.assertTrue(self.cache.run(self.words, cwd=self.folder.path).stored)
        self.inv = self.cache.invocation(self.words, cwd=self.folder.path)

    def hit(self, words=None):
        return self.cache.run(words or self.words, cwd=self.folder.path).hit

    def test_a_child_goes_on(self):
        self.assertEqual(child_of(self.hit), 0)
        self.assertTrue(self.hit())

        def several():
            self.cache.stats()
            self.cache.flush()
            with cchain.Cache(self.config, files=False) as another:
                another.run(self.words, cwd=self.folder.path)
            return self.hit() and child_of(self.hit) == 0

        self.assertEqual(child_of(several), 0)

    def test_invocations_stay_with_their_process(self):
        def calls():
            for call in (
                lambda: self.cache.lookup(self.inv),
                lambda: self.cache.lookup_many([self.inv]),
                lambda: self.inv.task(),
                lambda: self.inv.outputs,
                lambda: self.hit() and self.cache.store(self.inv),
            ):
                try:
                    call()
                    return False
                except cchain.ForkedError:
                    pass
            self.inv = None
            gc.collect()
            return True

        self.assertEqual(child_of(calls), 0)
        self.assertTrue(self.cache.lookup(self.inv))

    def test_closed_in_the_child(self):
        def close():
            self.cache.close()
            gc.collect()
            return True

        self.assertEqual(child_of(close), 0)
        self.assertTrue(self.hit())

    def test_a_miss_under_way_keeps_its_files(self):
        inv = self.cache.invocation([CC, "-c", "warn.c", "-o", "warn.o"], cwd=self.folder.path)
        self.cache.lookup(inv)
        task = inv.task()
        self.assertEqual(task.kind, "compile")
        os.chdir(self.folder.path)
        self.addCleanup(os.chdir, "/")
        subprocess.run(task.argv, check=True, env={**os.environb, **task.env})

        def forget():
            nonlocal inv
            inv = None
            gc.collect()
            return True

        self.assertEqual(child_of(forget), 0)
        self.cache.store(inv)
        self.assertTrue(self.hit([CC, "-c", "warn.c", "-o", "warn.o"]))

    def test_forked_while_threads_look_up(self):
        stop = threading.Event()

        def work():
            while not stop.is_set():
                self.cache.lookup(self.inv, deliver=False)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for t in threads:
            t.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self.assertEqual([child_of(self.hit) for _ in range(20)], [0] * 20)
        finally:
            stop.set()
            for t in threads:
                t.join()

    def test_multiprocessing(self):
        global _shared
        _shared = self
        with multiprocessing.get_context("fork").Pool(3) as pool:
            self.assertEqual(pool.map(_in_pool, range(12)), [True] * 12)


_shared = None


def _in_pool(n):
    return _shared.hit([CC, "-c", "a.c", "-o", "%d.o" % n])


class Long(TestCase):
    in_memory = True  # ten thousand files are much for a disk that others use as well

    def test_ten_thousand_objects(self):
        """Stored and looked up in one process: neither memory nor descriptors grow."""
        cache = self.open()
        data = os.urandom(2000)

        def objects(numbers):
            for n in numbers:
                action = cache.action("test", n.to_bytes(8, "little"), {"object": "o"}, cwd=self.folder.path)
                self.assertFalse(cache.lookup(action))
                cache.store(action, outputs={"object": data + n.to_bytes(8, "little")})
                result = cache.lookup(action, deliver=False, keep=True)
                self.assertEqual(result.outputs["object"].data[2000:], n.to_bytes(8, "little"))

        objects(range(2000))
        gc.collect()
        memory, open_files = resident(), descriptors()
        objects(range(2000, 10000))
        gc.collect()
        self.assertEqual(descriptors(), open_files)
        self.assertLess(resident() - memory, 2 << 20)

    def test_ten_thousand_invocations_and_caches(self):
        cache = self.open()
        words = [CC, "-c", "a.c", "-o", "a.o"]
        cache.run(words, cwd=self.folder.path)

        def some(count):
            for _ in range(count):
                cache.lookup(cache.invocation(words, cwd=self.folder.path, env={"PATH": os.environ["PATH"]}))
                cache.invocation("cc 'open").uncacheable
                cache.invocation(words, cwd=self.folder.path).task()
                try:
                    cache.lookup(cache.invocation(words), "No Tenant")
                except cchain.Error:
                    pass
            for _ in range(count // 50):
                with cchain.Cache(self.config, files=False, log=lambda level, text: None) as other:
                    other.stats()

        some(1500)
        gc.collect()
        memory, open_files = resident(), descriptors()
        some(8500)
        gc.collect()
        self.assertEqual(descriptors(), open_files)
        self.assertLess(resident() - memory, 2 << 20)


if __name__ == "__main__":
    unittest.main()
