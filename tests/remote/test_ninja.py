#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The patched Ninja and a server far away: everything that is to be built is asked for at once, also where the compiler must be probed first; Ctrl-C."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api
from api import Skip, check, equal, took
import servers

NINJA = os.path.join(api.BUILD, 'ninja')
FILES = 40


def project(folder):
    if not os.access(NINJA, os.X_OK):
        raise Skip('no patched Ninja at %s (make ninja)' % NINJA)
    # What is written lies apart from the sources: folders on the way to them are not to change.
    src, work = folder + '/src', folder + '/work'
    os.makedirs(src)
    os.makedirs(work)
    for i in range(FILES):
        with open('%s/f%d.c' % (src, i), 'w') as f:
            f.write('#include <stddef.h>\nint f%d(int x) { return x + %d; }\n' % (i, i))
        os.utime('%s/f%d.c' % (src, i), (time.time() - 3600,) * 2)
    with open(work + '/build.ninja', 'w') as f:
        f.write('rule cc\n  command = gcc -O1 -MD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc\n')
        f.writelines('build out/f%d.o: cc %s/f%d.c\n' % (i, src, i) for i in range(FILES))
    time.sleep(2.1)
    return work


def environment(folder, name, layers):
    return {'PATH': os.environ['PATH'], 'HOME': '%s/%s' % (folder, name), 'CCHAIN_LAYERS': layers, 'NINJA_CACHE': api.BUILD + '/libcchain.so.0', 'CCHAIN_LOG': folder + '/log-' + name}


def clean(src):
    shutil.rmtree(src + '/out', ignore_errors=True)
    for name in os.listdir(src):
        if name.startswith('.ninja'):
            os.unlink(src + '/' + name)


def build(src, env, jobs=2):
    clean(src)
    r = subprocess.run([NINJA, '-j%d' % jobs], cwd=src, env=env, capture_output=True, text=True, timeout=60)
    equal(r.returncode, 0, r.stdout + r.stderr)
    objects = {}
    for i in range(FILES):
        with open('%s/out/f%d.o' % (src, i), 'rb') as f:
            objects[i] = f.read()
    return objects


def test_all_is_asked_for_at_once(folder):
    src = project(folder)
    f = servers.Faulty()
    try:
        made = build(src, environment(folder, 'a', f.url()))
        equal(len([p for p in f.data if p.endswith('/entry')]), FILES)
        f.take_log()
        f.fault, f.where = 'slow:50', 'GET'
        b = environment(folder, 'b', f.url())
        equal(build(src, b), made)  # the compiler is not known here
        log = f.take_log()
        check(len(log) <= 2 * FILES + 4, '%d requests for %d hits' % (len(log), FILES))
        equal([m for m, _ in log if m == 'PUT'], [])
        f.most = 0
        with took() as t:
            equal(build(src, b), made)
        # One after the other by two at a time would be 2 s.
        check(t.ms < 1000, 'a warm build from 50 ms away took %d ms' % t.ms)
        check(f.most > 8, '%d connections at once' % f.most)
        equal(len(f.take_log()), 2 * FILES)
    finally:
        f.stop()


def test_compilers_are_asked_ahead(folder):
    """On a fresh machine no group of targets waits with its own questions for the group before it."""
    groups, each = 4, 4
    src = project(folder)
    with open(src + '/build.ninja', 'w') as f:
        f.write('rule cc\n  command = gcc -O1 $flags -MD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc\n')
        for i in range(groups * each):
            os.makedirs('%s/i%d' % (folder, i // each), exist_ok=True)
            f.write('build out/f%d.o: cc %s/src/f%d.c\n  flags = -I%s/i%d\n' % (i, folder, i, folder, i // each))
    time.sleep(2.1)
    f = servers.Faulty()
    far = f.url() + '?connect_timeout_ms=20000&timeout_ms=20000'
    try:
        def run(name, **more):
            clean(src)
            env = dict(environment(folder, name, far), CCHAIN_TRACE='%s/trace-%s' % (folder, name), **more)
            r = subprocess.run([NINJA, '-j2'], cwd=src, env=env, capture_output=True, text=True, timeout=60)
            equal(r.returncode, 0, r.stdout + r.stderr)
            with open(env['CCHAIN_TRACE']) as t:
                return r.stdout, json.load(t)['traceEvents']
        run('a')
        f.fault, f.where = 'slow:1500', 'GET'
        said, events = run('b')
        check('%d hits' % (groups * each) in said, said)
        probes = [e for e in events if e['cat'] == 'probe']
        hits = [e for e in events if e['cat'] == 'hit']
        equal((len(probes) % groups, len(hits)), (0, groups * each))
        check(max(e['ts'] for e in probes) < min(e['ts'] + e['dur'] for e in hits), 'a compiler is asked after the first hit')
        # A build that fails before they have answered ends, and leaves nothing.
        with open(src + '/build.ninja', 'a') as g:
            g.write('rule no\n  command = false\nbuild no: no\nbuild last: phony no %s\n' % ' '.join('out/f%d.o' % i for i in range(groups * each)))
        clean(src)
        os.makedirs(folder + '/tmp')
        r = subprocess.run([NINJA, '-j1', 'no'], cwd=src, env=dict(environment(folder, 'c', far), TMPDIR=folder + '/tmp'), capture_output=True, timeout=60)
        equal(r.returncode, 1)
        r = subprocess.run([NINJA, '-j3', 'last'], cwd=src, env=dict(environment(folder, 'd', far), TMPDIR=folder + '/tmp'), capture_output=True, timeout=60)
        equal((r.returncode, os.listdir(folder + '/tmp')), (1, []), r.stdout)
    finally:
        f.stop()


def test_a_local_build_has_no_thread_for_it(folder):
    src = project(folder)
    if not shutil.which('strace'):
        raise Skip('strace is not installed')
    env = environment(folder, 'a', folder + '/disk')
    build(src, env)
    clean(src)
    subprocess.run(['strace', '-f', '-o', folder + '/trace', NINJA, '-j2'], cwd=src, env=env, capture_output=True, check=True)
    with open(folder + '/trace') as f:
        trace = f.read()
    for word in ('cchain-fetch', 'cchain-store', 'cchain-remote', 'libcurl'):
        check(word not in trace, word)


def test_interrupt_while_the_server_hangs(folder):
    src = project(folder)
    f = servers.Faulty()
    try:
        env = environment(folder, 'a', f.url() + '?timeout_ms=30000&connect_timeout_ms=30000')
        build(src, env)
        f.fault, f.where = 'hang', 'GET'
        clean(src)
        p = subprocess.Popen([NINJA, '-j2'], cwd=src, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(0.7)
        equal(p.poll(), None)
        with took() as t:
            p.send_signal(signal.SIGINT)
            out = p.communicate(timeout=20)[0]
        check(p.returncode != 0 and b'interrupted' in out, out)
        check(t.ms < 300, 'out after %d ms' % t.ms)
    finally:
        f.stop()


if __name__ == '__main__':
    mine = [t for n, t in sorted(globals().items(), key=lambda i: getattr(i[1], '__code__', project.__code__).co_firstlineno) if n.startswith('test_')]
    sys.exit(api.main(mine))
