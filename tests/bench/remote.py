#!/usr/bin/env python3
"""Remote layers over the corpus: hits from a server on loopback against the disk; a warm build from a server alone, 20 ms away, against what
curl takes for the same bytes; dead, dropping, silent and failing servers against none; write-behind to S3; memory.

  remote.py [near] [far] [builds] [bad] [cold] [memory]      all of them without arguments; `far` and `builds` need root and /dev/net/tun
  ONE_WAY_MS=10 REPS=7 ROUNDS=15 SIDES=http,redis NINJA_CCHAIN=the patched Ninja
  KINDS=refused,hole,hanging,500s,s3 PART=lua5.4      of `cold`: which remotes, and which project of the corpus (all: the whole of it)

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from benchlib import B, CCHAIN, HERE, LIBRARY, TOP, compile_c, corpus, env_for, fresh, median, quiet, save

sys.path.insert(0, os.path.join(TOP, 'tests', 'remote'))
import servers

REPS = int(os.environ.get('REPS', '7'))
ROUNDS = int(os.environ.get('ROUNDS', '15'))
work = fresh('remote')
include = os.path.join(TOP, 'include')
link = ['-I' + include, LIBRARY, '-Wl,-rpath,' + os.path.dirname(LIBRARY), '-lpthread']
fetch, lookup = compile_c('fetch.c', work + '/fetch', *link), compile_c('lookup.c', work + '/lookup', *link)
shutil.copy(os.path.join(os.path.dirname(LIBRARY), 'cchain-remote.so'), work) if os.path.dirname(LIBRARY) != B else None
commands = corpus('cchain', '--launcher', CCHAIN)
cwd = commands[0]['cwd']
tsv = work + '/corpus.tsv'
with open(tsv, 'w') as f:
    f.writelines('\t'.join(c['argv']) + '\n' for c in commands)
result = {}
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running


def environment(layers, name, **more):
    return env_for(work, CCHAIN_LAYERS=layers, CCHAIN_STATE_DIR='%s/state-%s' % (work, name), **more)


def build(env, graph='cchain.ninja', jobs=2):
    subprocess.run(['ninja', '-C', cwd, '-f', graph, '-t', 'clean'], stdout=subprocess.DEVNULL, check=True)
    start = time.monotonic()
    quiet(['ninja', '-C', cwd, '-f', graph, '-j%d' % jobs], env=env)
    return time.monotonic() - start


def fill(layers, name):
    """All that the corpus gives into the layers; what was too young the first time is settled the second."""
    env = environment(layers, name)
    build(env)
    time.sleep(2.2)
    build(env)
    quiet([CCHAIN, 'flush'], env=env)
    return env


def ask(env, *args, prefix=()):
    ms, hits, asked = subprocess.run([*prefix, fetch, tsv, cwd, *args], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return float(ms), int(hits), int(asked)


def row(name, values, unit='ms'):
    print('%-64s %9.2f %9.2f %s' % (name, min(values), median(values), unit), flush=True)
    result[name] = {'min': min(values), 'median': median(values), 'unit': unit, 'n': len(values)}


def near():
    print('\nHits by cc_lookup on loopback, one thread, build session, %d repetitions%s' % (REPS, ' ' * 20), 'min      median')
    n = servers.Nginx(work + '/nginx')
    r = servers.Redis(work + '/redis')
    try:
        layers = {'disk': work + '/disk', 'http': n.url(), 'redis': 'redis://:s3cret@127.0.0.1:%d' % r.port, 'redis, unix socket': 'redis+unix://%s?password=s3cret' % r.socket}
        env = {}
        for name, url in layers.items():
            if name != 'redis, unix socket':
                fill(url, name.replace(' ', '-'))
            env[name] = environment(url, 'disk')
        times = {name: [] for name in layers}
        # A fresh process each: the connection and the plug-in are paid in the first look-up and counted apart.
        for _ in range(REPS):
            for name in layers:
                subprocess.run([lookup, tsv, cwd, '--session', '--reps', '3', '--json', work + '/one.json'], env=env[name], stdout=subprocess.DEVNULL, check=True)
                with open(work + '/one.json') as f:
                    times[name].append(json.load(f)['one_median'] / 1000)
        for name in layers:
            row('one look-up, ' + name, times[name])
        for name in list(layers)[1:]:
            print('   %s: %.3f ms more than the disk (median of medians; bar 0.4)' % (name, median(times[name]) - median(times['disk'])))
    finally:
        n.stop()
        r.stop()


def far(builds=False):
    names = ('ccnear%d' % os.getpid(), 'ccfar%d' % os.getpid())
    one_way = float(os.environ.get('ONE_WAY_MS', '10'))
    relay = subprocess.Popen([sys.executable, HERE + '/delay.py', *names, str(one_way)], stdout=subprocess.PIPE)
    started = []
    # Not `ip netns exec`: that makes new mounts too, and what is known of files would have to be learnt anew.
    inside, outside = ['nsenter', '--net=/run/netns/' + names[0]], ['nsenter', '--net=/run/netns/' + names[1]]
    try:
        relay.stdout.readline()
        folder = work + '/far'
        os.makedirs(folder + '/tmp')
        servers.make_ca(folder)
        with open(folder + '/conf', 'w') as f:
            f.write('''daemon off; master_process off; pid {d}/pid; error_log {d}/error.log; user root; events {{ worker_connections 2048; }}
http {{ access_log {d}/access.log; tcp_nodelay on; keepalive_requests 1000000; client_max_body_size 256m; root {d}/data;
client_body_temp_path {d}/tmp/b; proxy_temp_path {d}/tmp/p; fastcgi_temp_path {d}/tmp/f; uwsgi_temp_path {d}/tmp/u; scgi_temp_path {d}/tmp/s;
server {{ listen 10.231.9.2:8080; location / {{ dav_methods PUT; create_full_put_path on; }} }}
server {{ listen 10.231.9.2:8443 ssl http2; ssl_certificate {d}/srv.pem; ssl_certificate_key {d}/srv.key; http2_max_concurrent_streams 256; location / {{ }} }} }}
'''.format(d=folder))
        started.append(servers.Process([*outside, servers.program('nginx'), '-c', folder + '/conf', '-e', folder + '/error.log'], folder + '/out'))
        started.append(servers.Process([*outside, servers.program('redis-server'), '--bind', '10.231.9.2', '--port', '6379', '--save', '', '--protected-mode', 'no',
                                        '--dir', folder], folder + '/redis.out'))
        time.sleep(0.5)
        http, redis = 'http://10.231.9.2:8080/c', 'redis://10.231.9.2'

        def there(env):
            build_env = dict(env)
            subprocess.run(['ninja', '-C', cwd, '-f', 'cchain.ninja', '-t', 'clean'], stdout=subprocess.DEVNULL, check=True)
            quiet([*inside, 'ninja', '-C', cwd, '-f', 'cchain.ninja', '-j2'], env=build_env)
        # Filled once through the link into both, so that both hold the same.
        env = environment('%s %s' % (http, redis), 'far')
        there(env)
        time.sleep(2.2)
        there(env)
        listed = [os.path.join(p, x)[len(folder + '/data/'):] for p, _, xs in os.walk(folder + '/data') for x in xs]
        size = sum(os.path.getsize(folder + '/data/' + x) for x in listed)
        print('\nA warm build\'s look-ups from a server alone, %.0f ms round trip, 2 threads: %d objects, %.1f MB%s' % (2 * one_way, len(listed), size / 1e6, ' ' * 8),
              '     min    median')
        with open(folder + '/curl', 'w') as f:
            for x in listed:
                f.write('url = "http://10.231.9.2:8080/%s"\noutput = "/dev/null"\n' % x)
        cases = {'http, prefetch': (http, ['--prefetch']), 'redis, prefetch': (redis, ['--prefetch']), 'http, one by one': (http, []), 'redis, one by one': (redis, [])}
        for n in os.environ.get('CONNECTIONS', '').split():
            cases['http, prefetch, %s connections' % n] = ('%s?connections=%s' % (http, n), ['--prefetch'])
        if builds:
            cases = {}
        times = {name: [] for name in [*cases, 'curl --parallel (50), the same bytes']}
        for i in range(REPS):
            for name, (url, args) in cases.items():
                if args == [] and i >= 3:
                    continue
                ms, hits, asked = ask(environment(url, 'far'), '--threads', '2', '--deliver', *args, prefix=inside)
                if hits < asked:
                    print('   %s: %d of %d hit' % (name, hits, asked))
                times[name].append(ms)
            start = time.monotonic()
            quiet([*inside, 'curl', '-s', '--parallel', '--parallel-max', '50', '-K', folder + '/curl'])
            times['curl --parallel (50), the same bytes'].append((time.monotonic() - start) * 1000)
        for name in times:
            row(name, times[name])
        c = times['curl --parallel (50), the same bytes']
        for name in cases and ('http, prefetch', 'redis, prefetch'):
            print('   %s against curl: %.2f (min), %.2f (median); bar 2' % (name, min(times[name]) / min(c), median(times[name]) / median(c)))
        if not builds:
            return
        # The whole build: Ninja and ccache with its own remote storage over the same link, Ninja with the command, the patched Ninja if there is one.
        corpus('ccache', '--launcher', 'ccache')
        corpus('plain')
        ninja = os.environ.get('NINJA_CCHAIN') or os.path.join(B, 'ninja')
        ccache = {kind: env_for(work, CCACHE_DIR='%s/ccache-%s' % (work, kind), CCACHE_REMOTE_STORAGE=url, CCACHE_REMOTE_ONLY='true')
                  for kind, url in (('http', 'http://10.231.9.2:8080/ccache'), ('redis', 'redis://10.231.9.2'))}

        def whole(env, graph, program='ninja'):
            subprocess.run(['ninja', '-C', cwd, '-f', graph, '-t', 'clean'], stdout=subprocess.DEVNULL, check=True)
            start = time.monotonic()
            quiet([*inside, program, '-C', cwd, '-f', graph, '-j2'], env=env)
            return (time.monotonic() - start) * 1000
        sides = {'ninja + ccache, http': (ccache['http'], 'ccache.ninja', 'ninja'), 'ninja + ccache, redis': (ccache['redis'], 'ccache.ninja', 'ninja'),
                 'ninja + cchain command, http': (environment(http, 'far'), 'cchain.ninja', 'ninja')}
        if os.access(ninja, os.X_OK):
            for kind, url in (('http', http), ('redis', redis)):
                sides['patched ninja, ' + kind] = (environment(url, 'far', NINJA_CACHE=LIBRARY), 'plain.ninja', ninja)
        else:
            print('   no patched Ninja at %s: not measured' % ninja)
        sides = {k: v for k, v in sides.items() if any(w in k for w in os.environ.get('SIDES', '').split(','))}
        print('\nA whole warm build, ninja -j2, the same link')
        for name, side in sides.items():
            whole(*side)  # fills, or learns the compiler
        times = {name: [] for name in sides}
        for _ in range(min(REPS, 3)):
            for name, side in sides.items():
                times[name].append(whole(*side))
        for name in sides:
            row(name, times[name])
    finally:
        for p in started:
            p.stop()
        relay.send_signal(signal.SIGTERM)
        relay.wait()


def bad():
    n = len(commands)
    dead = 'http://127.0.0.1:%d/c' % servers.free_port()
    hole, silent, failing = servers.Silent(True), servers.Silent(), servers.Faulty()
    failing.fault = '500'
    kinds = {'none': '', 'refused': dead, 'black hole': hole.url(), 'hanging': silent.url(), '500s': failing.url()}
    print('\n%d misses by the command, one process each, of sources that cost next to nothing to compile, disk and a bad remote, %d rounds in turn' % (n, min(ROUNDS, 5)))
    print('%-64s %9s %9s' % ('', 'min', 'median'))
    try:
        # Misses, with a compiler that costs next to nothing, so that what is added shows.
        sources = fresh('remote', 'small')
        for i in range(n):
            with open('%s/f%d.c' % (sources, i), 'w') as f:
                f.write('int f%d(void) { return %d; }\n' % (i, i))
            os.utime('%s/f%d.c' % (sources, i), (time.time() - 3600,) * 2)

        def misses(url, name):
            disk = work + '/bad-disk'
            shutil.rmtree(disk, ignore_errors=True)
            shutil.rmtree('%s/state-bad' % work, ignore_errors=True)
            env = environment('%s %s' % (disk, url), 'bad')
            quiet([CCHAIN, 'gcc', '-c', '/dev/null', '-xc', '-o', '/dev/null'], env=env, cwd=sources)
            start = time.monotonic()
            for i in range(n):
                subprocess.run([CCHAIN, 'gcc', '-c', 'f%d.c' % i], env=env, cwd=sources, check=True)
            return (time.monotonic() - start) * 1000
        times = {name: [] for name in kinds}
        for _ in range(min(ROUNDS, 5)):
            for name, url in kinds.items():
                times[name].append(misses(url, name))
        for name in kinds:
            row('%d misses, remote: %s' % (n, name), times[name])
        for name in list(kinds)[1:]:
            print('   %s adds %.2f s in all (median of paired; bar 1.5)' % (name, median([a - b for a, b in zip(times[name], times['none'])]) / 1000))
    finally:
        for s in (hole, silent, failing):
            s.stop()


def interval(values):
    """The median's 95 % interval, by rank (binomial)."""
    values, n = sorted(values), len(values)
    k = max(0, int((n - 1.96 * n ** 0.5) / 2))
    return values[k], values[n - 1 - k]


def cold():
    """Builds in which all is missed, by the patched Ninja: a disk and a remote that is no good, or an S3 server, against the disk alone, in pairs.

    The remote is met once before the clock starts, so that what is measured is a build after the first timeout."""
    ninja = os.environ.get('NINJA_CCHAIN') or os.path.join(B, 'ninja')
    graph = corpus('plain')
    part = os.environ.get('PART', 'lua5.4')
    objects = [c['argv'][c['argv'].index('-o') + 1] for c in graph]
    objects = [o for o in objects if part == 'all' or '/%s.dir/' % part in o]
    tiny = fresh('remote', 'tiny')
    with open(tiny + '/t.c', 'w') as f:
        f.write('int t;\n')
    started = []

    def server(kind):
        if kind == 'refused':
            return 'http://127.0.0.1:%d/c' % servers.free_port()
        if kind == 's3':
            started.append(servers.Rgw(work + '/rgw'))
            sys.path.insert(0, os.path.join(TOP, 'tests', 'remote'))
            import test_s3
            test_s3.request(started[-1], 'PUT', '/builds')
            return 's3://builds/cache?endpoint=http://127.0.0.1:%d&access_key_id=%s&secret_access_key=%s' % (started[-1].port, servers.Rgw.KEY, servers.Rgw.SECRET)
        started.append(servers.Faulty() if kind == '500s' else servers.Silent(kind == 'hole'))
        started[-1].fault = '500'
        return started[-1].url()

    def build_once(url, round_):
        shutil.rmtree(work + '/cold', ignore_errors=True)
        shutil.rmtree(work + '/state-cold', ignore_errors=True)
        # A tenant of its own, so that an S3 server has nothing of the round before.
        env = environment('%s/cold %s' % (work, url), 'cold', NINJA_CACHE=LIBRARY, CCHAIN_TENANT='round%d' % round_)
        for i in range(6 if url else 1):
            subprocess.run([CCHAIN, 'gcc', '-DN=%d' % i, '-c', 't.c'], cwd=tiny, env=env, check=True)
        subprocess.run(['ninja', '-C', cwd, '-f', 'plain.ninja', '-t', 'clean'], stdout=subprocess.DEVNULL, check=True)
        start = time.monotonic()
        p = subprocess.Popen([ninja, '-C', cwd, '-f', 'plain.ninja', '-j2', *objects], env=env, stdout=subprocess.PIPE)
        said = p.stdout.read().decode()
        _, status, used = os.wait4(p.pid, 0)
        if status or '%d misses' % len(objects) not in said:
            raise SystemExit('the build failed, or had hits:\n' + said[-2000:])
        return time.monotonic() - start, used.ru_utime + used.ru_stime, said

    print('\nCold builds of %d files (%s), patched ninja -j2: disk and a remote against the disk alone, %d pairs' % (len(objects), part, ROUNDS))
    print('%-12s %26s %26s %34s %34s' % ('', 'with, s (min / median)', 'without', 'wall ratio (95 % interval)', 'CPU ratio (95 % interval)'))
    try:
        for kind in os.environ.get('KINDS', 'refused,hole,hanging,500s,s3').split(','):
            try:
                url = server(kind)
            except servers.Missing as e:
                print('%-12s not measured: %s' % (kind, e))
                continue
            pairs = []
            for i in range(ROUNDS):
                sides = {}
                for with_it in ((True, False) if i % 2 else (False, True)):
                    sides[with_it] = build_once(url if with_it else '', i)
                pairs.append(sides)
            on, off = ([p[w][0] for p in pairs] for w in (True, False))
            wall, cpu = ([p[True][k] / p[False][k] for p in pairs] for k in (0, 1))
            print('%-12s %13.2f / %10.2f %13.2f / %10.2f %16.4f (%.4f to %.4f) %16.4f (%.4f to %.4f)' % (
                kind, min(on), median(on), min(off), median(off), median(wall), *interval(wall), median(cpu), *interval(cpu)), flush=True)
            result['cold build, ' + kind] = {'with': on, 'without': off, 'wall': wall, 'cpu': cpu, 'files': len(objects)}
    finally:
        for s in started:
            s.stop()


MEMORY = '''
import gc, os, resource, sys
sys.path.insert(0, %r)
from api import Cache
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
what, layer, state = sys.argv[1], eval(sys.argv[2]), sys.argv[3]
with Cache([layer], state, flush_timeout_ms=10) as c:
    before = peak()
    if what == 'queue':
        data = os.urandom(1 << 20)
        for i in range(400):
            c.put('k%%d' %% i, data[i:] + data[:i])
            gc.collect()  # ctypes holds what was given in circles
    else:
        c.get('k')
    print('%%.0f' %% (peak() - before))
'''


def memory():
    """By how much the process grows at the most."""
    sys.path.insert(0, os.path.join(TOP, 'tests', 'remote'))
    import test_redis
    remote = os.path.join(TOP, 'tests', 'remote')

    def grown(what, layer):
        r = subprocess.run([sys.executable, '-c', MEMORY % remote, what, repr(layer), fresh('remote', 'memory')], stdout=subprocess.PIPE, text=True, check=True,
                           env=dict(os.environ, CCHAIN_BUILD=B))
        return float(r.stdout)
    print('\nMemory: by how much the process grows at the most%s' % (' ' * 27), '      MiB')
    f = servers.Faulty()
    try:
        f.fault, f.where = 'slow:3000', 'PUT'
        rows = {'400 stores of 1 MiB for a server that takes 3 s each (64 MiB are queued)': grown('queue', {'type': 'http', 'url': f.url()})}
        f.fault, f.where = 'huge', 'GET'
        rows['a body of 10 GB by http (max_entry_size as it is)'] = grown('get', {'type': 'http', 'url': f.url()})
        rows['the same, max_entry_size 4 MiB'] = grown('get', {'type': 'http', 'url': f.url(), 'max_entry_size': '4M'})
        odd = test_redis.Odd(b'$10737418240\r\n', True)
        rows['a reply of 10 GB by redis, max_entry_size 4 MiB'] = grown('get', {'type': 'redis', 'host': '127.0.0.1', 'port': odd.port, 'max_entry_size': '4M'})
        for name, mib in rows.items():
            row(name, [mib], 'MiB')
    finally:
        f.stop()


if __name__ == '__main__':
    for part in sys.argv[1:] or ['near', 'far', 'builds', 'bad', 'cold', 'memory']:
        {'near': near, 'far': far, 'builds': lambda: far(True), 'bad': bad, 'cold': cold, 'memory': memory}[part]()
    save('remote', {'rows': result})
