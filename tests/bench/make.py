#!/usr/bin/env python3
"""Warm builds of zlib's objects by make: CC=true, CC="cchain gcc", CC="ccache gcc" (Debian's, inode cache on) and SHELL=cchain-sh, in turn.

    make.py [--rounds N] [--jobs N]

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import os
import re
import shutil
import subprocess
import time

from benchlib import CCHAIN, TOP, B, ccache_config, env_for, fresh, median, quiet, save


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    args = parser.parse_args()
    quiet([os.path.join(TOP, 'tests/tools/fetch-source.sh'), 'zlib'])
    work = fresh('make')
    tree = os.path.join(work, 'zlib')
    shutil.copytree(os.path.join(B, 'src', 'zlib'), tree, symlinks=True)
    subprocess.run(['find', tree, '-exec', 'touch', '-hd', '1 hour ago', '{}', '+'], check=True)
    env = env_for(work, CCHAIN_DIR=os.path.join(work, 'cchain'))
    env['CCACHE_DIR'] = ccache_config(work)
    quiet(['./configure'], cwd=tree, env=env)
    with open(os.path.join(tree, 'Makefile')) as f:
        makefile = f.read()
    targets = ' '.join(re.findall(r'^(?:PIC_)?OBJ[ZG]\s*=\s*(.*)$', makefile, re.M)).split()
    doors = {'true': ['CC=true'], 'cchain': ['CC=%s gcc' % CCHAIN], 'ccache': ['CC=ccache gcc'], 'cchain-sh': ['SHELL=%s-sh' % CCHAIN, 'CC=gcc']}

    def build(door):
        for t in targets:
            if os.path.exists(os.path.join(tree, t)):
                os.unlink(os.path.join(tree, t))
        start = time.perf_counter()
        subprocess.run(['make', '-s', '-j%d' % args.jobs, *doors[door], *targets], cwd=tree, env=env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    for _ in range(3):  # cold, and what was refused beside a neighbour, and what was too young
        for door in doors:
            build(door)
        time.sleep(2.1)
    times = {door: [] for door in doors}
    for _ in range(args.rounds):
        for door in doors:
            times[door].append(build(door))
    print('%d objects, make -j%d, s' % (len(targets), args.jobs))
    print('%-10s %8s %8s %14s' % ('', 'min', 'median', 'above true, min'))
    for door, t in times.items():
        print('%-10s %8.3f %8.3f %14.3f' % (door, min(t), median(t), min(t) - min(times['true'])))
    floor = {f.__name__: f(times['true']) for f in (min, median)}
    ratio = {f.__name__: (f(times['cchain']) - floor[f.__name__]) / (f(times['ccache']) - floor[f.__name__]) for f in (min, median)}
    print('cchain above true / ccache above true: %.2f (min), %.2f (median)' % (ratio['min'], ratio['median']))
    save('make', {'objects': len(targets), 'times': times, 'ratio': ratio})


if __name__ == '__main__':
    main()
