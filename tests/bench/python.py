#!/usr/bin/env python3
"""What the Python package costs over the C call, and what a second thread brings.

    python.py [--rounds N]

A look-up of a command that can't be cached, and hits with and without delivery, by C and by Python in turn, in one process and of one invocation; then hits a second of
one thread and of two, each with an invocation of its own, by Python and (through ctypes, which lets go of the GIL) by C. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import ctypes
import os
import sys
import threading
import time

import benchlib
from benchlib import TOP, B, LIBRARY, OUT, compile_c, fresh, median, save

NO_DELIVERY = 1


def rounds_of(call, repeats):
    start = time.perf_counter_ns()
    for _ in range(repeats):
        call()
    return (time.perf_counter_ns() - start) / repeats


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=15)
    rounds = parser.parse_args().rounds
    work = fresh('python')
    os.environ.update(benchlib.env_for(work, CCHAIN_LIB=LIBRARY, CCHAIN_DIR=os.path.join(work, 'cache')))
    sys.path.insert(0, os.path.join(TOP, 'bindings', 'python'))
    sys.dont_write_bytecode = True
    import cchain

    c_side = ctypes.CDLL(compile_c('python.c', os.path.join(OUT, 'python-c.so'), '-shared', '-fPIC', '-I' + os.path.join(TOP, 'include'), LIBRARY, '-Wl,-rpath,' + B))
    c_side.look_up.restype = ctypes.c_double
    c_side.look_up.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_long]
    source = os.path.join(work, 'a.cc')
    with open(source, 'w') as f:
        f.write('#include <map>\n#include <string>\n#include <vector>\nstd::map<std::string, std::vector<int>> m;\n')
    os.utime(source, (time.time() - 3600,) * 2)
    os.chdir(work)
    words = ['g++', '-O2', '-c', 'a.cc', '-o', 'a.o']
    # Short turns: the file system's own swings are longer than the difference that is looked for.
    cases = [('uncacheable', ['g++', '--version'], True, 1000, 20), ('hit, not delivered', words, False, 10, 50), ('hit', words, True, 10, 50)]
    rows, threads = [], {}
    with cchain.Cache() as cache:
        if not cache.run(words).stored:
            raise SystemExit('not stored')
        time.sleep(2.1)  # what is younger is looked at more closely
        for name, command, deliver, repeats, turns in cases:
            inv = cache.invocation(command)
            python, c = [], []

            def look():
                cache.lookup(inv, deliver=deliver)

            rounds_of(look, repeats)
            for _ in range(rounds * turns):
                python.append(rounds_of(look, repeats) / 1000)
                c.append(c_side.look_up(cache._handle, inv._handle, 0 if deliver else NO_DELIVERY, repeats) / 1000)
            rows.append({'what': name, 'python_min': min(python), 'python_median': median(python), 'c_min': min(c), 'c_median': median(c),
                         'cost_min': min(python) - min(c), 'cost_median': median([a - b for a, b in zip(python, c)])})

        def hits_a_second(count, by_c):
            invs = [cache.invocation(['g++', '-O2', '-c', 'a.cc', '-o', '%d.o' % i]) for i in range(count)]
            go, repeats = threading.Barrier(count + 1), 1500

            def work_on(inv):
                go.wait()
                if by_c:
                    c_side.look_up(cache._handle, inv._handle, 0, repeats)
                else:
                    for _ in range(repeats):
                        cache.lookup(inv)
            running = [threading.Thread(target=work_on, args=(inv,)) for inv in invs]
            for t in running:
                t.start()
            go.wait()
            start = time.perf_counter()
            for t in running:
                t.join()
            return count * repeats / (time.perf_counter() - start)

        for _ in range(rounds):
            for by_c in (False, True):
                for count in (1, 2):
                    threads.setdefault((by_c, count), []).append(hits_a_second(count, by_c))
    print('%-20s %10s %10s %10s %10s %10s %10s' % ('microseconds', 'Python min', 'median', 'C min', 'median', 'cost min', 'of pairs'))
    for r in rows:
        print('%-20s %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f' % (r['what'], r['python_min'], r['python_median'], r['c_min'], r['c_median'], r['cost_min'], r['cost_median']))
    ratios = {}
    for by_c, side in ((False, 'Python'), (True, 'C')):
        one, two = threads[by_c, 1], threads[by_c, 2]
        ratios[side] = {'best': max(two) / max(one), 'median': median([b / a for a, b in zip(one, two)])}
        print('%-6s hits a second: one thread %.0f (median %.0f), two %.0f (%.0f), ratio %.2f (%.2f)' % (
            side, max(one), median(one), max(two), median(two), ratios[side]['best'], ratios[side]['median']))
    save('python', {'lookups_us': rows, 'hits_a_second': {'%s %d' % ('C' if c else 'Python', n): v for (c, n), v in threads.items()}, 'ratio': ratios})


if __name__ == '__main__':
    main()
