#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed entries over a network: a redis-server whose contents others can write."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api
from api import BUILD, Cache, Skip, check, equal, lib
import test_redis
from test_redis import redis

lib.cc_keygen.argtypes = [api.S, api.S]


def keys(folder, algorithm):
    """What signs, and what checks."""
    os.makedirs(folder, exist_ok=True)
    path = folder + '/' + algorithm
    equal(lib.cc_keygen(algorithm.encode(), path.encode()), 0)
    return path, path + '.pub' if algorithm == 'ed25519' else path


def layer(r, **more):
    return test_redis.layer(r, **more)


def blobs(r, space):
    return [n for n in r.command('KEYS', 'cchain:%s/*' % space)]


def test_believed_and_copied_nearer(folder):
    for algorithm in ('hmac-sha256', 'ed25519'):
        r = redis(folder)
        sign, verify = keys(folder, algorithm)
        disk = {'type': 'disk', 'path': '%s/disk-%s' % (folder, algorithm)}
        with Cache([layer(r, sign=sign)], folder + '/ci-' + algorithm) as c:
            for i in range(20):
                check(c.put('k%d' % i, os.urandom(3000) + b'%d' % i))
            equal(c.flush(), 0)
        with Cache([layer(r)], folder + '/x-' + algorithm) as c:
            check(c.put('foreign', b'of nobody'))
        with Cache([disk, layer(r, verify_keys=[verify])], folder + '/dev-' + algorithm) as c:
            check(all(b is not None and b.endswith(b'%d' % i) for i, b in enumerate(c.get_many(['k%d' % i for i in range(20)]))))
            equal(c.get('foreign'), None)
            c.put('own', b'mine')
        equal(len(blobs(r, 'compile')), 21)  # nothing of a reader's goes there
        r.command('FLUSHALL')
        with Cache([disk, layer(r, verify_keys=[verify])], folder + '/dev-' + algorithm) as c:
            check(all(c.get('k%d' % i) for i in range(20)))
            equal(c.layer, 0)
            equal(c.get('own'), b'mine')


def test_exchanged(folder):
    r = redis(folder)
    sign, verify = keys(folder, 'ed25519')
    with Cache([layer(r, sign=sign)], folder + '/ci') as c:
        c.put('a', b'of a')
        c.flush()
        (a,) = blobs(r, 'compile')
        c.put('b', b'of b')
    (b,) = [name for name in blobs(r, 'compile') if name != a]
    of_a, of_b = r.command('GET', a), r.command('GET', b)
    r.command('SET', a, of_b)  # an entry under another key
    r.command('SET', b, of_b[:-200] + bytes([of_b[-200] ^ 1]) + of_b[-199:])
    with Cache([layer(r, verify_keys=verify)], folder + '/dev') as c:
        equal((c.get('a'), c.get('b')), (None, None))
    r.command('SET', a, of_a)
    r.command('SET', b, of_b)
    with Cache([layer(r, verify_keys=verify)], folder + '/dev') as c:
        equal((c.get('a'), c.get('b')), (b'of a', b'of b'))
    # What can't be believed is replaced by who signs.
    r.command('SET', a, of_a[:-4] + b'....')
    with Cache([layer(r, sign=sign)], folder + '/ci') as c:
        check(c.put('a', b'of a'))
    with Cache([layer(r, verify_keys=verify)], folder + '/dev2') as c:
        equal(c.get('a'), b'of a')


def test_spool_keeps_signatures(folder):
    r = redis(folder)
    sign, verify = keys(folder, 'hmac-sha256')
    with Cache([layer(r, sign=sign, upload='spool')], folder + '/ci') as c:
        c.put('k', b'hello')
    with Cache([layer(r, sign=sign, upload='spool')], folder + '/ci') as c:
        equal(c.flush(), 0)
    with Cache([layer(r, verify_keys=verify)], folder + '/dev') as c:
        equal(c.get('k'), b'hello')


def test_compiles(folder):
    """Records too, by the command."""
    if not shutil.which('gcc'):
        raise Skip('no gcc')
    r = redis(folder)
    for algorithm in ('hmac-sha256', 'ed25519'):
        r.command('FLUSHALL')
        sign, verify = keys(folder + '/' + algorithm, algorithm)
        src = folder + '/src-' + algorithm
        os.makedirs(src)
        with open(src + '/h.h', 'w') as f:
            f.write('int h;\n')
        with open(src + '/a.c', 'w') as f:
            f.write('#include "h.h"\nint a;\n')

        def cc(home, key):
            os.makedirs(home, exist_ok=True)
            env = dict(PATH=os.environ['PATH'], HOME=home, LC_ALL='C', CCHAIN_LAYERS='redis://:s3cret@127.0.0.1:%d?%s' % (r.port, key))
            subprocess.run([BUILD + '/cchain', 'gcc', '-c', 'a.c'], cwd=src, env=env, check=True)
            text = subprocess.run([BUILD + '/cchain', 'stats', '--json'], env=env, stdout=subprocess.PIPE, check=True).stdout
            return json.loads(text)
        equal(cc(src + '/ci', 'sign=' + sign)['hits'], 0)
        equal(cc(src + '/dev', 'verify_keys=' + verify)['hits'], 1)
        (record,) = blobs(r, 'inputs')
        whole = r.command('GET', record)
        tail = 8 + 8 + 1 + 4 + (64 if algorithm == 'ed25519' else 32)
        r.command('SET', record, whole[:-tail])
        s = cc(src + '/dev2', 'verify_keys=' + verify)
        equal(s['hits'], 0)
        check(any('not signed' in why for why in s['miss_reasons']), s)
        # Who signs merges nothing of it, and puts its own in its place.
        equal(cc(src + '/ci2', 'sign=' + sign)['hits'], 0)
        equal(len(r.command('GET', record)), len(whole))
        equal(cc(src + '/dev3', 'verify_keys=' + verify)['hits'], 1)


def stop():
    test_redis.stop()


if __name__ == '__main__':
    mine = [t for n, t in sorted(globals().items(), key=lambda i: getattr(i[1], '__code__', stop.__code__).co_firstlineno) if n.startswith('test_') and callable(t)]
    sys.exit(api.main(mine, stop))
