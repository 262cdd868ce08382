#!/usr/bin/env python3
"""What the Python package costs over the C call, and what a second thread brings.

    python.py [--rounds N]

A look-up of a command that can't be cached, and hits with and without delivery, by a C program and by Python in turn; then hits a second of one thread and of two, each
with an invocation of its own. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import os
import sys
import threading
import time

import benchlib
from benchlib import TOP, B, LIBRARY, OUT, compile_c, fresh, median, run, save

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

    c_side = compile_c('python.c', os.path.join(OUT, 'python-c'), '-I' + os.path.join(TOP, 'include'), LIBRARY, '-Wl,-rpath,' + B)
    source = os.path.join(work, 'a.cc')
    with open(source, 'w') as f:
        f.write('#include <map>\n#include <string>\n#include <vector>\nstd::map<std::string, std::vector<int>> m;\n')
    os.utime(source, (time.time() - 3600,) * 2)
    os.chdir(work)
    words = ['g++', '-O2', '-c', 'a.cc', '-o', 'a.o']
    cases = [('uncacheable', ['g++', '--version'], True, 20000), ('hit, not delivered', words, False, 500), ('hit', words, True, 300)]
    rows, threads = [], {}
    with cchain.Cache() as cache:
        if not cache.run(words).stored:
            raise SystemExit('not stored')
        time.sleep(2.1)  # what is younger is looked at more closely
        for name, command, deliver, repeats in cases:
            inv = cache.invocation(command)
            python, c = [], []

            def look():
                cache.lookup(inv, deliver=deliver)

            rounds_of(look, repeats)
            flags = str(0 if deliver else NO_DELIVERY)
            for _ in range(rounds):
                python.append(rounds_of(look, repeats) / 1000)
                said = run([c_side, str(repeats), '2', flags, *command], stdout=-1).stdout.split()
                c.append(float(said[1]) / 1000)  # the first round warms it up
            rows.append({'what': name, 'python_min': min(python), 'python_median': median(python), 'c_min': min(c), 'c_median': median(c),
                         'cost_min': min(python) - min(c), 'cost_median': median(python) - median(c)})

        def hits_a_second(count):
            invs = [cache.invocation(['g++', '-O2', '-c', 'a.cc', '-o', '%d.o' % i]) for i in range(count)]
            go, repeats = threading.Barrier(count + 1), 1500

            def work_on(inv):
                go.wait()
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
            for count in (1, 2):
                threads.setdefault(count, []).append(hits_a_second(count))
    print('%-20s %10s %10s %10s %10s %10s' % ('microseconds', 'Python min', 'median', 'C min', 'median', 'cost min'))
    for r in rows:
        print('%-20s %10.2f %10.2f %10.2f %10.2f %10.2f' % (r['what'], r['python_min'], r['python_median'], r['c_min'], r['c_median'], r['cost_min']))
    ratio = {'best': max(threads[2]) / max(threads[1]), 'median': median([b / a for a, b in zip(threads[1], threads[2])])}
    print('hits a second: one thread %.0f (median %.0f), two %.0f (%.0f), ratio %.2f (%.2f)' % (
        max(threads[1]), median(threads[1]), max(threads[2]), median(threads[2]), ratio['best'], ratio['median']))
    save('python', {'lookups_us': rows, 'hits_a_second': {str(k): v for k, v in threads.items()}, 'ratio': ratio})


if __name__ == '__main__':
    main()
