#!/usr/bin/env python3
"""What a miss costs: user and system time of the whole process tree, cold cache and cold private tables, against the plain compile.

  miss.py [PAIRS [COUNT]]       default 10 pairs over the whole corpus; COUNT units of it, evenly spread

One pair is each unit compiled plainly and through cchain, right after each other and in changing order; what counts is the ratio of the sums.
SPDX-License-Identifier: Apache-2.0
"""
import os
import resource
import subprocess
import sys
import time

from benchlib import CCHAIN, corpus, env_for, fresh, median, save, stats

pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
count = sys.argv[2:3]
work = fresh('miss')
env = env_for(work, CCHAIN_DIR=work + '/cache')
units = corpus('miss', *(['--count', count[0]] if count else []))


def used(argv, cwd):
    """User and system seconds of a command and all that it waited for."""
    a = resource.getrusage(resource.RUSAGE_CHILDREN)
    r = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    b = resource.getrusage(resource.RUSAGE_CHILDREN)
    if r.returncode:
        raise SystemExit('failed: %s\n%s' % (' '.join(argv), r.stderr.decode(errors='replace')))
    return b.ru_utime - a.ru_utime + b.ru_stime - a.ru_stime


rows = []
for p in range(pairs):
    subprocess.run(['rm', '-rf', work + '/cache'], check=True)
    plain = cached = 0.0
    begin = time.time()
    for i, u in enumerate(units):
        for which in ((0, 1) if (i + p) % 2 else (1, 0)):
            if which:
                cached += used([CCHAIN, *u['argv']], u['cwd'])
            else:
                plain += used(u['argv'], u['cwd'])
    s = stats(env)
    if s['hits'] or s['stores'] != len(units):
        raise SystemExit('not all were misses that were stored: %s' % {k: s[k] for k in ('lookups', 'hits', 'misses', 'uncacheable', 'stores', 'uncacheable_reasons')})
    rows.append({'plain_s': plain, 'cchain_s': cached, 'ratio': cached / plain})
    print('pair %2d: plain %.2f s, cchain %.2f s, ratio %.4f, %.2f ms more a unit (%.0f s)'
          % (p + 1, plain, cached, cached / plain, (cached - plain) / len(units) * 1e3, time.time() - begin), flush=True)
ratios = [r['ratio'] for r in rows]
print('miss, %d units, CPU against plain: min %.4f, median %.4f (bar 1.01)' % (len(units), min(ratios), median(ratios)))
save('miss', {'units': len(units), 'pairs': rows, 'min': min(ratios), 'median': median(ratios)})
