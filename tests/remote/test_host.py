#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a remote layer is to its host: no danger to one that has its own curl, OpenSSL or malloc; no signal; out in time while a name is looked up."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api
from api import Cache, Skip, check, equal
import servers

HERE = os.path.dirname(os.path.abspath(__file__))


def host(folder, *defines):
    program = folder + '/host'
    subprocess.run(['gcc', '-std=gnu11', '-O1', '-fno-builtin', '-rdynamic', '-I', api.ROOT + '/include', *defines, HERE + '/hostile_host.c', '-o', program,
                    api.BUILD + '/libcchain.so.0', '-Wl,-rpath,' + api.BUILD], check=True)
    return program


def run_host(folder, layers, *defines):
    r = subprocess.run([host(folder, *defines), layers, folder + '/state'], capture_output=True, text=True, timeout=30, env={'PATH': os.environ['PATH'], 'HOME': folder})
    equal((r.returncode, r.stdout.strip()), (0, '1'), r.stderr)


def test_host_with_its_own_curl_and_openssl(folder):
    f = servers.Faulty()
    try:
        run_host(folder, f.url())
    finally:
        f.stop()


def test_host_with_its_own_malloc(folder):
    f = servers.Faulty()
    try:
        run_host(folder, f.url(), '-DMALLOC')
    finally:
        f.stop()


def test_host_with_its_own_openssl_over_tls(folder):
    try:
        n = servers.Nginx(folder + '/nginx')
    except servers.Missing as e:
        raise Skip(str(e))
    try:
        run_host(folder, 'https://localhost:%d/c?ca_file=%s/ca.pem' % (n.tls, n.folder))
        n.clear()
        os.makedirs(folder + '/m')
        run_host(folder + '/m', 'https://localhost:%d/c?ca_file=%s/ca.pem' % (n.tls, n.folder), '-DMALLOC')
    finally:
        n.stop()


def test_plugin_sees_public_headers_only(folder):
    for name in sorted(os.listdir(api.ROOT + '/src/remote')):
        with open(api.ROOT + '/src/remote/' + name) as f:
            for line in f:
                if line.startswith('#include "'):
                    inner = line.split('"')[1]
                    check(inner.startswith('remote/') or os.path.exists(api.ROOT + '/include/' + inner), '%s includes %s' % (name, inner))
    for folder_, _, names in os.walk(api.ROOT + '/src'):
        for name in names:
            if folder_.endswith('/remote') or not name.endswith(('.cc', '.h')):
                continue
            with open(os.path.join(folder_, name)) as f:
                check('curl/curl.h' not in f.read(), name + ' knows curl')
    for what in ('libcchain.so.0', 'cchain'):
        out = subprocess.run(['ldd', os.path.join(api.BUILD, what)], capture_output=True, text=True).stdout
        check('curl' not in out and 'ssl' not in out, '%s is linked to %s' % (what, out))
    out = subprocess.run(['nm', '-D', '--defined-only', os.path.join(api.BUILD, 'cchain-remote.so')], capture_output=True, text=True).stdout.split()
    equal([w for w in out if w.startswith(('cc_', 'curl', '_Z'))], ['cc_plugin_get'])


SLOW_NAMES = '''
import os, signal, socket, subprocess, sys, threading, time
sys.path.insert(0, %(here)r)
# In namespaces of its own: a resolver that takes questions and never answers.
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
with open(%(folder)r + '/resolv.conf', 'w') as f:
    f.write('nameserver 127.0.0.1\\noptions timeout:20 attempts:1\\n')
with open(%(folder)r + '/nsswitch.conf', 'w') as f:
    f.write('hosts: dns\\n')
for name in ('resolv.conf', 'nsswitch.conf'):
    subprocess.run(['mount', '--bind', %(folder)r + '/' + name, '/etc/' + name], check=True)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 53))
import api
for url in ({'type': 'http', 'url': 'http://cache.example/x'}, {'type': 'redis', 'host': 'cache.example'}):
    with api.Cache([dict(url, connect_timeout_ms=20000, timeout_ms=20000)], %(folder)r + '/a' + url['type']) as c:
        # As from Ctrl-C: out of a signal handler.
        signal.signal(signal.SIGALRM, lambda *_: None)
        threading.Timer(0.5, lambda: api.lib.cc_cancel(c.p)).start()
        start = time.monotonic()
        try:
            c.get('k')
            sys.exit('not cancelled')
        except api.Failed as e:
            if e.status != -8:
                raise
        ms = (time.monotonic() - start) * 1000
        if not 480 < ms < 600:
            sys.exit('%%s: out after %%d ms' %% (url['type'], ms))
        start = time.monotonic()
    ms = (time.monotonic() - start) * 1000
    if ms > 100:
        sys.exit('%%s: closed after %%d ms' %% (url['type'], ms))
    with api.Cache([dict(url, connect_timeout_ms=300)], %(folder)r + '/b' + url['type']) as c:
        start = time.monotonic()
        if c.get('k') is not None:
            sys.exit('a hit')
        ms = (time.monotonic() - start) * 1000
        if not 250 < ms < 500:
            sys.exit('%%s: a deadline of 300 ms is met after %%d ms' %% (url['type'], ms))
print('fine', flush=True)
os._exit(0)  # a thread of the resolver's is still waiting
'''


def test_name_resolution_hangs(folder):
    if os.geteuid() != 0 or not shutil.which('unshare') or not shutil.which('ip'):
        raise Skip('needs root, unshare and ip for namespaces of its own')
    if subprocess.run(['unshare', '-n', '-m', 'true'], capture_output=True).returncode:
        raise Skip('no namespaces can be made here')
    r = subprocess.run(['unshare', '-n', '-m', sys.executable, '-c', SLOW_NAMES % {'here': HERE, 'folder': folder}], capture_output=True, text=True, timeout=60,
                       env={'PATH': os.environ['PATH'] + ':/usr/sbin:/sbin', 'CCHAIN_BUILD': api.BUILD})
    equal((r.returncode, r.stdout.strip()), (0, 'fine'), r.stderr)


def test_no_sigpipe(folder):
    """A server that closes while we write, plain and by TLS, in a host whose SIGPIPE is fatal."""
    code = '''
import signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
sys.path.insert(0, %r)
import api, os
with api.Cache([%s], sys.argv[1]) as c:
    for i in range(6):
        c.put('k%%d' %% i, os.urandom(3000000))
        c.flush(500)
'''
    f = servers.Faulty()
    f.fault, f.where = 'reset', 'PUT'
    try:
        r = subprocess.run([sys.executable, '-c', code % (HERE, repr({'type': 'http', 'url': f.url()})), folder + '/a'], capture_output=True, text=True, timeout=30)
        equal(r.returncode, 0, r.stderr)
    finally:
        f.stop()


if __name__ == '__main__':
    mine = [t for n, t in sorted(globals().items(), key=lambda i: getattr(i[1], '__code__', host.__code__).co_firstlineno) if n.startswith('test_')]
    sys.exit(api.main(mine))
