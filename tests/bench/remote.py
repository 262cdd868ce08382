#!/usr/bin/env python3
"""Remote layers over the corpus: hits from a server on loopback against the disk; a warm build from a server alone, 20 ms away, against what
curl takes for the same bytes; dead, dropping, silent and failing servers against none; write-behind.

  remote.py [near] [far] [builds] [bad] [behind]      all of them without arguments; `far` and `builds` need root and /dev/net/tun
  ONE_WAY_MS=10 REPS=7 ROUNDS=15 COLD=2 SIDES=http NINJA_CCHAIN=the patched Ninja

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
    inside, outside = ['ip', 'netns', 'exec', names[0]], ['ip', 'netns', 'exec', names[1]]
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
        sides = {k: v for k, v in sides.items() if os.environ.get('SIDES', '') in k}
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


def behind():
    n = servers.Nginx(work + '/nginx-behind')
    try:
        print('\nCold builds of the corpus by ninja -j2 and the command: a remote layer behind the disk against none, in turn')
        times, flush = {'disk': [], 'disk and http': []}, []
        for i in range(int(os.environ.get('COLD', '2'))):
            for name, more in (('disk', ''), ('disk and http', ' ' + n.url())):
                for d in ('cold', 'state-cold'):
                    shutil.rmtree('%s/%s' % (work, d), ignore_errors=True)
                n.clear()
                times[name].append(build(environment(work + '/cold' + more, 'cold')) * 1000)
        for name in times:
            row('cold build, ' + name, times[name])
    finally:
        n.stop()


if __name__ == '__main__':
    for part in sys.argv[1:] or ['near', 'far', 'builds', 'bad', 'behind']:
        {'near': near, 'far': far, 'builds': lambda: far(True), 'bad': bad, 'behind': behind}[part]()
    save('remote', {'rows': result})
