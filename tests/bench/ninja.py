#!/usr/bin/env python3
"""The patched Ninja: a whole warm build against ccache, against /bin/true, against a library that only copies; no-op and cold builds; many edges.

  [BENCH_LOCK=file] ninja.py [--rounds N] [--jobs N] [--cold PAIRS] [--count N] [--edges N]

--count: only so many units of the corpus; --cold 0 and --edges 0 leave those parts out. The sides take turns in each round; objects, deps log and build log
of the very runs that are timed are compared with a plain build's. Table on stdout, JSON in build/bench/ninja.json.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import contextlib
import fcntl
import math
import os
import re
import shutil
import subprocess
import sys
import time

import benchlib as b

NINJA = os.path.join(b.B, 'ninja')
LOCK = os.environ.get('BENCH_LOCK')
PLAIN = shutil.which('ninja')


class Graph:
    """One .ninja file over the same sources and outputs, with logs of its own."""

    def __init__(self, side, name, ninja, env, cwd, logs, objects):
        self.side, self.name, self.ninja, self.env, self.cwd, self.logs, self.objects = side, name, ninja, env, cwd, logs, objects
        self.times = []

    def argv(self, *more):
        return [self.ninja, '-f', self.name + '.ninja', *more]

    def clean(self):
        for o in self.objects:
            for f in (o, o + '.d'):
                try:
                    os.unlink(os.path.join(self.cwd, f))
                except FileNotFoundError:
                    pass
        for f in ('.ninja_log', '.ninja_deps'):
            try:
                os.unlink(os.path.join(self.logs, f))
            except FileNotFoundError:
                pass

    def run(self, jobs):
        """(wall seconds, own CPU, its children's CPU, output)"""
        start = time.perf_counter()
        p = subprocess.Popen(self.argv('-j%d' % jobs), cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out = p.stdout.read().decode(errors='replace')
        os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - start
        fields = open('/proc/%d/stat' % p.pid).read().rsplit(')', 1)[1].split()
        tick = os.sysconf('SC_CLK_TCK')
        own, children = (sum(int(f) for f in fields[i:i + 2]) / tick for i in (11, 13))
        if p.wait() != 0:
            raise SystemExit('%s failed:\n%s' % (self.side, out[-3000:]))
        return wall, own, children, out

    def results(self):
        """Objects' bytes, deps without times, commands' hashes."""
        objects = {o: open(os.path.join(self.cwd, o), 'rb').read() for o in self.objects}
        text = subprocess.run(self.argv('-t', 'deps'), cwd=self.cwd, env=self.env, stdout=subprocess.PIPE, check=True).stdout.decode()
        deps = sorted(re.sub(r', deps mtime \d+', '', text).split('\n\n'))
        log = sorted(tuple(line.rstrip('\n').split('\t')[3:]) for line in open(os.path.join(self.logs, '.ninja_log')) if line[0] != '#')
        return objects, deps, log


def stash(graph, depfiles, folder):
    """What the floor copies."""
    os.makedirs(folder, exist_ok=True)
    for o in graph.objects:
        shutil.copy(os.path.join(graph.cwd, o), os.path.join(folder, o.replace('/', '+')))
        shutil.copy(os.path.join(graph.cwd, depfiles(o)), os.path.join(folder, o.replace('/', '+') + '.d'))


@contextlib.contextmanager
def alone():
    """Holds the file that others on this machine lock while they load it, if one is given."""
    with open(LOCK or os.devnull) as f:
        if LOCK:
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


@alone()
def turns(graphs, rounds, jobs, check):
    for r in range(rounds + 1):  # the first is to warm up
        for g in graphs:
            g.clean()
            wall, _, _, out = g.run(jobs)
            if r:
                g.times.append(wall)
            check(g, out, r)


def table(title, rows, base):
    print('\n' + title)
    print('%-44s %9s %9s %9s %9s' % ('', 'min', 'median', 'by min', 'by median'))
    for name, times in rows:
        print('%-44s %9.4f %9.4f %9.2f %9.2f' % (name, min(times), b.median(times), min(times) / min(base), b.median(times) / b.median(base)))


def hits_of(out):
    m = re.search(r'cache: (\d+) hits, (\d+) misses, (\d+) uncacheable', out)
    return tuple(map(int, m.groups())) if m else None


def processes(graph, jobs):
    trace = os.path.join(b.OUT, 'ninja-strace')
    graph.clean()
    b.quiet(['strace', '-f', '-o', trace, '-e', 'trace=execve,clone,clone3,fork,vfork', *graph.argv('-j%d' % jobs)], cwd=graph.cwd, env=graph.env)
    text = open(trace).read()
    return text.count('execve(') - 1, sum('CLONE_THREAD' not in line for line in text.splitlines() if re.search(r'\b(clone3?|v?fork)\(', line))


def callgrind(ninja, graph):
    out = os.path.join(b.OUT, 'callgrind')
    r = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=' + out, ninja, '-f', graph.name + '.ninja'], cwd=graph.cwd, env=graph.env,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return int(re.search(rb'Collected : (\d+)', r.stdout).group(1))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=9)
    p.add_argument('--jobs', type=int, default=2)
    p.add_argument('--cold', type=int, default=15)
    p.add_argument('--count', type=int, default=0)
    p.add_argument('--cold-count', type=int, default=0)
    p.add_argument('--edges', type=int, default=2000)
    a = p.parse_args()
    work = b.fresh('ninja')
    result = {'jobs': a.jobs, 'rounds': a.rounds}
    count = ['--count', str(a.count)] if a.count else []
    floor = b.compile_c('floorlib.c', os.path.join(work, 'libfloor.so'), '-shared', '-fPIC', '-I', os.path.join(b.TOP, 'include'))
    unpatched = os.path.join(b.B, 'ninja-unpatched')  # of the same source by the same compiler: for what depends on its flags
    if not os.path.exists(unpatched):
        b.quiet([os.path.join(b.TOP, 'ninja-patch', 'build.sh')], env=dict(os.environ, B=b.B, OUT='ninja-unpatched', UNPATCHED='1'))

    def sides(cwd, graphs, objects):
        cc = {'CCHAIN_DIR': os.path.join(work, 'cchain'), 'CCHAIN_CONFIG': os.path.join(work, 'none.json'), 'NINJA_CACHE': b.LIBRARY}
        with open(cc['CCHAIN_CONFIG'], 'w') as f:
            f.write('{}\n')
        made = {}
        for side, name, ninja, env in graphs(cc):
            made[side] = Graph(side, name, ninja, b.env_for(work, **env), cwd, os.path.join(cwd, '.' + name), objects)
        return made

    # -- the corpus, warm
    units = b.corpus('cchain', *count)
    for name, more in (('floor', []), ('plain', []), ('true', ['--cc', '/bin/true gcc', '--cxx', '/bin/true g++']), ('ccache', ['--launcher', 'ccache'])):
        b.corpus(name, *count, *more)
    objects = [u['object'] for u in units]
    ccache = {'CCACHE_DIR': b.ccache_config(work), 'CCACHE_TEMPDIR': os.path.join(work, 'ccache', 'tmp')}
    g = sides(b.CORPUS, lambda cc: [('plain', 'plain', PLAIN, {}), ('cchain', 'cchain', NINJA, cc),
                                    ('floor', 'floor', NINJA, {'NINJA_CACHE': floor, 'FLOOR': os.path.join(work, 'stash')}),
                                    ('true', 'true', PLAIN, {}), ('ccache', 'ccache', PLAIN, ccache)], objects)
    print('plain build of %d units, for comparison' % len(units), file=sys.stderr)
    g['plain'].clean()
    b.quiet(g['plain'].argv('-d', 'keepdepfile', '-j%d' % a.jobs), cwd=b.CORPUS, env=g['plain'].env)
    want = g['plain'].results()
    stash(g['plain'], lambda o: o + '.d', os.path.join(work, 'stash'))
    print('cold builds', file=sys.stderr)
    for side in ('cchain', 'ccache'):
        g[side].clean()
        g[side].run(a.jobs)

    def check(graph, out, r):
        if graph.side == 'cchain':
            if hits_of(out) != (len(units), 0, 0):
                raise SystemExit('not all are hits: %s' % (hits_of(out),))
        if graph.side in ('cchain', 'floor') and graph.results() != want:
            raise SystemExit('%s: objects, deps or log are not those of a plain build' % graph.side)
        if graph.side == 'ccache' and graph.results()[0] != want[0]:
            raise SystemExit('ccache: objects')

    order = ['cchain', 'ccache', 'true', 'floor']
    turns([g[s] for s in order], a.rounds, a.jobs, check)
    names = {'cchain': 'cchain', 'ccache': "ccache as launcher, inode cache on", 'true': '/bin/true for each compile', 'floor': 'a library that only copies'}
    table('Warm build of %d units, -j%d, s (all hits; objects, deps log, build log equal to plain)' % (len(units), a.jobs),
          [(names[s], g[s].times) for s in order], g['cchain'].times)
    result['warm'] = {s: g[s].times for s in order}
    if shutil.which('strace'):
        result['processes'] = processes(g['cchain'], a.jobs)
        print('processes started in a warm build: %d execve, %d forks' % result['processes'])

    # -- nothing to do
    if shutil.which('valgrind'):
        g['cchain'].clean()
        g['cchain'].run(a.jobs)
        result['noop'] = {'patched': callgrind(NINJA, g['cchain']), 'unpatched': callgrind(unpatched, g['cchain'])}
        print('\nNothing to do, instructions: patched %d, unpatched %d, ratio %.4f' % (result['noop']['patched'], result['noop']['unpatched'],
                                                                                     result['noop']['patched'] / result['noop']['unpatched']))

    # -- many edges
    if a.edges:
        tree = os.path.join(work, 'edges')
        b.quiet([sys.executable, os.path.join(b.HERE, 'synthetic.py'), '--out', tree, '--sources', str(a.edges), '--headers', '40'])
        objects = ['obj/s%d.o' % n for n in range(a.edges)]
        s = sides(tree, lambda cc: [('plain', 'build', PLAIN, {}), ('cchain', 'build', NINJA, dict(cc, CCHAIN_DIR=os.path.join(work, 'edges-cache'))),
                                    ('floor', 'build', NINJA, {'NINJA_CACHE': floor, 'FLOOR': os.path.join(work, 'edges-stash')})], objects)
        for x in s.values():
            x.logs = tree
        s['plain'].clean()
        b.quiet(s['plain'].argv('-d', 'keepdepfile', '-j%d' % a.jobs), cwd=tree, env=s['plain'].env)
        want_edges = s['plain'].results()
        stash(s['plain'], lambda o: o + '.d', os.path.join(work, 'edges-stash'))
        s['cchain'].clean()
        s['cchain'].run(a.jobs)

        def check_edges(graph, out, r):
            if graph.side == 'cchain' and hits_of(out) != (a.edges, 0, 0):
                raise SystemExit('edges: not all are hits: %s' % (hits_of(out),))
            if r == 0 and graph.results() != want_edges:
                raise SystemExit('edges: %s: not those of a plain build' % graph.side)

        turns([s['cchain'], s['floor']], max(3, a.rounds // 2), a.jobs, check_edges)
        each = {k: [t * 1000 / a.edges for t in s[k].times] for k in ('cchain', 'floor')}
        table('%d edges of one shape, 40 headers each, ms an edge' % a.edges, [(names[k], each[k]) for k in ('cchain', 'floor')], each['cchain'])
        result['edges'] = each

    # -- cold
    if a.cold:
        n = a.cold_count or a.count
        units = b.corpus('cchain', *(['--count', str(n)] if n else []))
        b.corpus('plain', *(['--count', str(n)] if n else []))
        for x in g.values():
            x.objects = [u['object'] for u in units]
        ratios, own, compilers, plain_own = [], [], [], []
        for r in range(a.cold):
            walls = {}
            for side in (('plain', 'cchain') if r % 2 else ('cchain', 'plain')):
                shutil.rmtree(os.path.join(work, 'cchain'), ignore_errors=True)
                x = g[side]
                x.ninja = NINJA if side == 'cchain' else unpatched
                x.clean()
                walls[side], mine, children, out = x.run(a.jobs)
                if side == 'cchain':
                    own.append(mine), compilers.append(children)
                else:
                    plain_own.append(mine)
            ratios.append(walls['cchain'] / walls['plain'])
        mean = sum(ratios) / len(ratios)
        half = 2.145 * math.sqrt(sum((x - mean) ** 2 for x in ratios) / max(1, len(ratios) - 1) / len(ratios))
        result['cold'] = {'units': len(units), 'ratios': ratios, 'mean': mean, 'half': half, 'own_cpu': own, 'plain_own_cpu': plain_own, 'compilers_cpu': compilers}
        print('\nCold build of %d units against plain, %d pairs: wall %.3f, 95 %% interval %.3f to %.3f (min %.3f, median %.3f)' %
              (len(units), a.cold, mean, mean - half, mean + half, min(ratios), b.median(ratios)))
        print('own CPU %.2f s (plain Ninja %.2f), compilers %.2f s: %.2f %%' % (b.median(own), b.median(plain_own), b.median(compilers),
                                                                               100 * (b.median(own) - b.median(plain_own)) / b.median(compilers)))
    b.save('ninja', result)


main()
