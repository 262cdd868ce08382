#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command with a remote layer: two machines that share, jobs of three kinds, dead remotes over many short-lived processes."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api
from api import Skip, check, equal
import servers

CCHAIN = os.path.join(api.BUILD, 'cchain')


PATIENT = '?connect_timeout_ms=20000&timeout_ms=20000'  # where a slow machine must not look like a slow server


class Machine:
    """A home of its own; the sources stand in one place, as checkouts do that share."""

    def __init__(self, folder, name, layers, **env):
        self.home, self.src = os.path.join(folder, name), os.path.join(folder, 'src')
        os.makedirs(self.home, exist_ok=True)
        self.env = dict({'PATH': os.environ['PATH'], 'HOME': self.home, 'LC_ALL': 'C', 'CCHAIN_LAYERS': layers}, **env)

    def run(self, *argv, **env):
        return subprocess.run(argv, cwd=self.src, env=dict(self.env, **env), capture_output=True, timeout=60)

    def compile(self, name, **env):
        # Apart from the sources: a folder on the way to them that changes at that moment is a reason to store nothing.
        out = '%s/../out/%s.o' % (self.src, name)
        if os.path.exists(out):
            os.unlink(out)
        r = self.run(CCHAIN, 'gcc', '-O1', '-c', name + '.c', '-o', out, '-MD', '-MF', out + '.d', **env)
        equal((r.returncode, r.stdout, r.stderr), (0, b'', b''))
        with open(out, 'rb') as f:
            return f.read()

    def stats(self):
        return json.loads(self.run(CCHAIN, 'stats', '--json').stdout)


def sources(folder, count=1):
    src = os.path.join(folder, 'src')
    os.makedirs(src)
    os.makedirs(folder + '/out')
    hour = time.time() - 3600

    def write(name, text):
        with open(os.path.join(src, name), 'w') as f:
            f.write(text)
        os.utime(os.path.join(src, name), (hour, hour))
    write('h.h', '#define N 3\n')
    for i in range(count):
        write('f%d.c' % i, '#include "h.h"\nint f%d(int x) { return x * N + %d; }\n' % (i, i))
    return write


def test_two_machines_share(folder):
    write = sources(folder)
    f = servers.Faulty()
    try:
        a = Machine(folder, 'a', '%s/a/.c %s' % (folder, f.url()))
        b = Machine(folder, 'b', '%s/b/.c %s' % (folder, f.url()))
        made = a.compile('f0')
        equal(len(f.data), 2, 'the command has sent the entry and the record')
        b.compile('f0', CCHAIN_READ_ONLY='all', CCHAIN_DISABLE='1')
        f.take_log()
        equal(b.compile('f0', CCHAIN_LOG=folder + '/b.log'), made)
        equal(b.stats()['hits'], 1)
        log = f.take_log()
        equal([m for m, _ in log], ['GET', 'GET'], 'requests of one hit')
        with open(folder + '/b.log') as lines:
            equal([line.split()[3] for line in lines if ' info ' in line], ['hit'], 'a line for each command')
        equal(b.compile('f0'), made)
        equal(b.stats()['hits'], 2)
        equal(f.take_log(), [], 'what is on the disk asks nobody')
        # A disk that knows the inputs but has lost the entry: one request.
        shutil.rmtree(b.home + '/.c/compile')
        equal(b.compile('f0'), made)
        equal([m for m, _ in f.take_log()], ['GET'])
        # Another header: both learn of it.
        write('h.h', '#define N 4\n')
        other = a.compile('f0')
        check(other != made)
        f.take_log()
        equal(b.compile('f0'), other)
        equal(b.stats()['hits'], 4)
        # The record holds both sets: the old state is a hit for whoever goes back.
        write('h.h', '#define N 3\n')
        equal(Machine(folder, 'c', f.url()).compile('f0'), made)
        check(Machine(folder, 'c', f.url()).stats()['hits'] >= 1)
    finally:
        f.stop()


def test_three_kinds_of_jobs(folder):
    sources(folder)
    f = servers.Faulty()
    try:
        stranger = Machine(folder, 'stranger', f.url(), CCHAIN_READ_ONLY='remote')
        stranger.compile('f0')
        equal({m for m, _ in f.take_log()}, {'GET'}, 'a stranger writes')
        release = Machine(folder, 'release', f.url(), CCHAIN_DISABLE='1')
        release.compile('f0')
        equal(f.take_log(), [], 'a release asks')
        trusted = Machine(folder, 'trusted', f.url())
        made = trusted.compile('f0')
        check(any(m == 'PUT' for m, _ in f.take_log()))
        equal(stranger.compile('f0'), made)
        equal(stranger.stats()['hits'], 1)
        f.take_log()
        again = Machine(folder, 'again', f.url(), CCHAIN_RECACHE='1')
        again.compile('f0')
        equal(again.stats()['hits'], 0)
        equal([m for m, p in f.take_log() if p.endswith('/entry')], ['PUT'], 'recache looks nothing up and replaces')
    finally:
        f.stop()


def choices(folder):
    """A header that includes another one by choice: each choice is a set of inputs of its own."""
    write = sources(folder)
    for n in (3, 4, 5):
        write('n%d.h' % n, '#define N %d\n' % n)
    return lambda n: write('h.h', '#include "n%d.h"\n' % n)


def test_two_writers_of_one_record(folder):
    """Another one puts a record between our reading and our writing of it: nobody's set is lost."""
    choose = choices(folder)
    f, g = servers.Faulty(), servers.Faulty()
    try:
        choose(3)
        Machine(folder, 'a', f.url() + PATIENT).compile('f0')
        g.data = dict(f.data)
        choose(4)
        other = Machine(folder, 'b', g.url() + PATIENT).compile('f0')
        record, = (p for p in g.data if p.endswith('/record'))
        check(g.data[record] != f.data[record])

        def meanwhile(method, path):
            if method == 'PUT' and path == record:
                f.before = None
                f.data.update({p: d for p, d in g.data.items() if p == record or p not in f.data})
        f.before = meanwhile
        choose(5)
        Machine(folder, 'c', f.url() + PATIENT).compile('f0')
        equal(f.before, None)
        equal([m for m, p in f.take_log() if p == record][-4:], ['GET', 'PUT', 'GET', 'PUT'])
        for n, made in ((4, other), (3, None), (5, None)):
            choose(n)
            d = Machine(folder, 'd%d' % n, f.url() + PATIENT)
            check(made in (None, d.compile('f0')))
            equal(d.compile('f0') and d.stats()['hits'] > 0, True, 'N %d' % n)
            equal((d.stats()['misses'], d.stats()['miss_reasons']), (0, {}), 'the set with N %d is lost; %s; %s' % (n, d.stats()['troubles'], f.take_log()))
    finally:
        f.stop()
        g.stop()


def test_what_is_old_is_put_again(folder):
    sources(folder)
    f = servers.Faulty()
    try:
        Machine(folder, 'a', f.url()).compile('f0')
        f.fault, f.where = 'old', 'GET'
        f.take_log()
        b = Machine(folder, 'b', f.url() + '?refresh_after=20d')
        b.compile('f0')
        equal(b.stats()['hits'], 1)
        equal(sorted(p.rsplit('/', 1)[1] for m, p in f.take_log() if m == 'PUT'), ['entry', 'record'])
    finally:
        f.stop()


def bad_remote(name, url_of, text, limit):
    """What it costs is measured in tests/bench/remote.py; here, how often it is met at all by processes that come one after the other."""
    def test(folder):
        n = 40
        sources(folder, n)
        server, url = url_of()
        try:
            m = Machine(folder, 'm', '%s/m/.c %s' % (folder, url), CCHAIN_LOG=folder + '/log')
            m.compile('f0', CCHAIN_LAYERS=folder + '/m/.c')  # the compiler is known
            for i in range(1, n):
                m.compile('f%d' % i)
            equal(m.stats()['hits'], 0)
            check(m.stats()['troubles'], 'no trouble is told of')
            with open(folder + '/log') as f:
                met = [line for line in f if (': get ' in line or ': put ' in line) and text in line]
            check(1 <= len(met) <= limit, '%d failures were met by %d commands:\n%s' % (len(met), n - 1, ''.join(met)))
        finally:
            if server:
                server.stop()
    test.__name__ = 'test_bad_remote_' + name
    return test


def faulty_500():
    f = servers.Faulty()
    f.fault = '500'
    return f, f.url()


def silent(black_hole):
    s = servers.Silent(black_hole)
    return s, s.url()


# Three refusals; one timeout; five errors of reads and five of writes, and what was under way with the last of them.
BAD = [bad_remote('refused', lambda: (None, 'http://127.0.0.1:%d/c' % servers.free_port()), '', 4),
       bad_remote('black_hole', lambda: silent(True), 'no connection in', 1), bad_remote('hanging', lambda: silent(False), 'no answer in', 1),
       bad_remote('500', faulty_500, '500', 14)]


def test_credentials_are_never_shown(folder):
    sources(folder)
    port = servers.free_port()
    m = Machine(folder, 'm', 'http://user:geheim@127.0.0.1:%d/c?token=t0ken redis://:r3dis@127.0.0.1:%d s3://b?secret_access_key=s3kret' % (port, port),
                CCHAIN_LOG=folder + '/log')
    m.compile('f0')
    shown = m.run(CCHAIN, 'config').stdout + m.run(CCHAIN, 'config', '--json').stdout + m.run(CCHAIN, 'stats').stdout
    r = m.run(CCHAIN, 'gcc', '-c', 'f0.c', CCHAIN_WARN='1')
    with open(folder + '/log', 'rb') as f:
        shown += f.read() + r.stderr
    check(b'127.0.0.1' in shown)
    for secret in (b'geheim', b't0ken', b'r3dis', b's3kret'):
        check(secret not in shown, 'shown: %r' % secret)


def test_a_file_with_a_secret_that_others_can_read(folder):
    sources(folder)
    m = Machine(folder, 'm', '')
    del m.env['CCHAIN_LAYERS']
    path = m.env['CCHAIN_CONFIG'] = folder + '/config.json'
    with open(path, 'w') as f:
        json.dump({'layers': [{'type': 'disk', 'path': folder + '/m/.c'}, {'type': 'redis', 'host': '127.0.0.1', 'port': servers.free_port(), 'password': 'geheim'}]}, f)
    for mode, told in ((0o644, True), (0o600, False)):
        os.chmod(path, mode)
        for what in (('config',), ('config', '--json'), ('stats',)):
            r = m.run(CCHAIN, *what)
            said = (r.stdout + r.stderr).decode()
            equal(('config.json' in said and 'others may read' in said), told, '%o, %s: %s' % (mode, what, said))
            check('geheim' not in said)


def test_spool_is_sent_by_flush(folder):
    sources(folder)
    f = servers.Faulty()
    try:
        m = Machine(folder, 'm', '%s/m/.c %s?upload=spool' % (folder, f.url()))
        m.compile('f0')
        equal([x for x, _ in f.take_log() if x == 'PUT'], [], 'the command waits for no upload')
        r = m.run(CCHAIN, 'flush')
        equal(r.returncode, 0, r.stderr)
        equal([p.rsplit('/', 1)[1] for x, p in f.take_log() if x == 'PUT'], ['entry', 'record'])
        b = Machine(folder, 'b', f.url())
        equal(b.compile('f0'), m.compile('f0'))
        equal(b.stats()['hits'], 1)
    finally:
        f.stop()


def test_no_plugin(folder):
    """Without cchain-remote.so the layer is left out, told of, and all else works."""
    sources(folder)
    os.makedirs(folder + '/bin')
    shutil.copy(CCHAIN, folder + '/bin/cchain')
    shutil.copy(CCHAIN + '-dynamic', folder + '/bin/cchain-dynamic')
    m = Machine(folder, 'm', '%s/m/.c http://127.0.0.1:1/c' % folder)
    for _ in range(2):
        r = m.run(folder + '/bin/cchain', 'gcc', '-c', 'f0.c')
        equal((r.returncode, r.stderr), (0, b''))
    s = m.stats()
    equal(s['hits'], 1)
    check(any('cchain-remote.so' in t['text'] for t in s['troubles']))


def test_local_user_never_loads_the_plugin(folder):
    sources(folder)
    if not shutil.which('strace'):
        raise Skip('strace is not installed')
    m = Machine(folder, 'm', folder + '/m/.c')
    for _ in range(2):
        r = m.run('strace', '-f', '-o', folder + '/trace', CCHAIN, 'gcc', '-c', 'f0.c')
        equal(r.returncode, 0)
    with open(folder + '/trace') as f:
        trace = f.read()
    for word in ('libcurl', 'cchain-remote', 'eventfd', 'clone', 'breakers', 'libssl'):
        check(word not in trace, 'a local hit has to do with %s' % word)
    # With a remote layer behind the disk a local hit does not need it either.
    m.env['CCHAIN_LAYERS'] += ' http://127.0.0.1:1/c'
    r = m.run('strace', '-f', '-o', folder + '/trace', CCHAIN, 'gcc', '-c', 'f0.c')
    with open(folder + '/trace') as f:
        trace = f.read()
    for word in ('libcurl', 'cchain-remote', 'cchain-dynamic', 'clone', 'libssl', 'connect('):
        check(word not in trace, 'a local hit in front of a remote layer has to do with %s' % word)


if __name__ == '__main__':
    mine = [t for n, t in sorted(globals().items(), key=lambda i: getattr(i[1], '__code__', test_no_plugin.__code__).co_firstlineno) if n.startswith('test_')]
    sys.exit(api.main(mine + BAD))
