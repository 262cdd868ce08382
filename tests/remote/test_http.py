#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The http layer: against a real nginx, and against a server that misbehaves in each way that correctness asks for."""
import glob
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api
from api import Cache, Skip, check, equal, took
import servers

_nginx = None


def nginx(folder):
    global _nginx
    if _nginx is None:
        try:
            _nginx = servers.Nginx(os.path.dirname(folder) + '/nginx')
        except servers.Missing as e:
            _nginx = str(e)
    if isinstance(_nginx, str):
        raise Skip(_nginx)
    _nginx.clear()
    return _nginx


def http(url, **more):
    return dict(more, type='http', url=url, name='far')


def test_nginx_stores_and_hits(folder):
    n = nginx(folder)
    with Cache([http(n.url())], folder + '/a') as c:
        check(c.put('k', b'hello' * 1000))
        equal(c.flush(), 0)
    equal(len(glob.glob(n.data + '/cache/compile/t/??/*/entry')), 1)
    n.requests()
    with Cache([http(n.url())], folder + '/b') as c:
        equal(c.get('k'), b'hello' * 1000)
        equal(c.get('other'), None)
        equal(c.stats(0).hits, 1)
        check(c.stats(0).bytes_read > 0)
    equal([r[:1] + r[2:3] for r in n.requests()][:1], [('GET', 200)])


def damaged(n):
    entry, = glob.glob(n.data + '/cache/compile/t/??/*/entry')
    with open(entry, 'r+b') as f:
        whole = f.read()
        check(b'hello' in whole)
        f.seek(whole.index(b'hello'))
        f.write(b'#')
    return entry


def test_nginx_damaged_is_put_anew(folder):
    n = nginx(folder)
    with Cache([http(n.url())], folder + '/a') as c:
        c.put('k', b'hello' * 1000)
    with open(damaged(n), 'rb') as f:
        bad = f.read()
    for write in (False, True):
        with Cache([http(n.url(), write=write)], folder + '/b%d' % write) as c:
            equal(c.get('k'), None)
            equal(c.stats(0).errors, 1)
            c.put('k', b'hello' * 1000)
        check(not any(r[0] == 'DELETE' for r in n.requests()), 'it was not asked to')
        with open(glob.glob(n.data + '/cache/compile/t/??/*/entry')[0], 'rb') as f:
            equal(f.read() != bad, write)
    with Cache([http(n.url())], folder + '/c') as c:
        equal(c.get('k'), b'hello' * 1000)


def test_nginx_damaged_is_deleted(folder):
    n = nginx(folder)
    for write in (False, True):
        with Cache([http(n.url())], folder + '/a%d' % write) as c:
            c.put('k', b'hello' * 1000)
        entry = damaged(n)
        n.requests()
        with Cache([http(n.url(), delete=True, write=write)], folder + '/b%d' % write) as c:
            equal(c.get('k'), None)
        equal([r[2] for r in n.requests() if r[0] == 'DELETE'], [204] if write else [])
        equal(os.path.exists(entry), not write)
    # A server that allows none is no reason for a fuss.
    f = servers.Faulty()
    try:
        with Cache([http(f.url())], folder + '/fill') as c:
            c.put('k', b'hello' * 100)
        f.fault = 'flip'
        with Cache([http(f.url(), delete=True)], folder + '/c') as c:
            equal(c.get('k'), None)
    finally:
        f.stop()


def test_nginx_keeps_connections(folder):
    n = nginx(folder)
    with Cache([http(n.url())], folder + '/a') as c:
        for i in range(20):
            c.put('k%d' % i, b'x%d' % i)
        c.flush()
        n.requests()
        for i in range(20):
            c.get('k%d' % i)
        check(len({r[4] for r in n.requests()}) <= 2, 'connections for 20 lookups')


def test_nginx_hit_is_copied_to_the_disk(folder):
    n = nginx(folder)
    with Cache([http(n.url())], folder + '/a') as c:
        c.put('k', b'hello')
    layers = [{'type': 'disk', 'path': folder + '/disk'}, http(n.url())]
    with Cache(layers, folder + '/b') as c:
        equal(c.get('k'), b'hello')
        equal(c.layer, 1)
        equal(c.flush(), 0)
        n.requests()
        equal(c.get('k'), b'hello')
        equal(c.layer, 0)
    equal(n.requests(), [], 'a local hit asks nobody')
    layers[0]['promote'] = False
    layers[0]['path'] += '2'
    with Cache(layers, folder + '/b') as c:
        c.get('k')
        c.flush()
        c.get('k')
        equal(c.layer, 1, 'promote: false')


def test_nginx_read_and_write_can_be_forbidden(folder):
    n = nginx(folder)
    with Cache([http(n.url(), write=False)], folder + '/a') as c:
        c.put('k', b'hello')
    equal([r for r in n.requests() if r[0] == 'PUT'], [])
    with Cache([http(n.url(), read=False)], folder + '/a') as c:
        c.put('k', b'hello')
    equal({r[0] for r in n.requests()}, {'PUT'})
    with Cache([http(n.url(), max_entry_size=1000)], folder + '/a') as c:
        c.put('big', os.urandom(5000))
        c.put('small', os.urandom(100))
    equal(len([r for r in n.requests() if r[0] == 'PUT']), 1, 'max_entry_size')


def test_nginx_basic_authentication(folder):
    n = nginx(folder)
    with Cache([http(n.url(n.auth), user='user', password='secret')], folder + '/a') as c:
        c.put('k', b'hello')
    with Cache([http('http://user:secret@127.0.0.1:%d/cache' % n.auth)], folder + '/b') as c:
        equal(c.get('k'), b'hello')
        config = c.json('config')
        del config['known']  # names of options, among them secret_access_key
        check('secret' not in str(config))
    with Cache([http(n.url(n.auth), user='user', password='wr0ng')], folder + '/c') as c:
        equal(c.get('k'), None)
        check(c.stats(0).errors)
        check('wr0ng' not in str(c.json('config')) and 'wr0ng' not in str(c.lines), 'a password is shown')


def test_nginx_bearer_token(folder):
    n = nginx(folder)
    with Cache([http(n.url(n.bearer), token='t0ken')], folder + '/a') as c:
        c.put('k', b'hello')
        c.flush()
        equal(c.get('k'), b'hello')
        check('t0ken' not in str(c.json('config')))


def test_nginx_tls(folder):
    n = nginx(folder)
    url = 'https://localhost:%d/cache' % n.tls
    with Cache([http(url, ca_file=n.folder + '/ca.pem')], folder + '/a') as c:
        c.put('k', b'hello')
        c.flush()
        equal(c.get('k'), b'hello')
    equal({r[5] for r in n.requests()}, {'HTTP/2.0'})
    for ca in ({}, {'ca_file': n.folder + '/other-ca.pem'}):
        with Cache([http(url, **ca)], folder + '/b%d' % len(ca)) as c:
            equal(c.get('k'), None, 'a CA that is not trusted')
            check(c.stats(0).errors)
    with Cache([http('https://127.0.0.1.nip.invalid:%d/' % n.tls, ca_file=n.folder + '/ca.pem')], folder + '/d') as c:
        equal(c.get('k'), None)


def test_nginx_client_certificate(folder):
    n = nginx(folder)
    url = 'https://localhost:%d/cache' % n.mutual
    ca = n.folder + '/ca.pem'
    with Cache([http(url, ca_file=ca, client_cert=n.folder + '/client.pem', client_key=n.folder + '/client.key')], folder + '/a') as c:
        c.put('k', b'hello')
        c.flush()
        equal(c.get('k'), b'hello')
    with Cache([http(url, ca_file=ca)], folder + '/b') as c:
        equal(c.get('k'), None)


def test_nginx_many_at_once(folder):
    n = nginx(folder)
    keys = ['k%d' % i for i in range(200)]
    with Cache([http(n.url())], folder + '/a') as c:
        for k in keys:
            c.put(k, k.encode() * 100)
        equal(c.flush(), 0)
    n.requests()
    with Cache([http(n.url())], folder + '/b') as c:
        equal(c.get_many(keys + ['none']), [k.encode() * 100 for k in keys] + [None])
    asked = n.requests()
    check(len(asked) <= len(keys) + 2, 'requests for 200 hits and a miss: %d' % len(asked))
    check(len({r[4] for r in asked}) > 4, 'they did not run in parallel')


# ---- faults

def filled(folder, **more):
    f = servers.Faulty()
    with Cache([http(f.url())], folder + '/fill') as c:
        c.put('k', b'hello' * 100)
        c.put('k2', b'hello' * 100)
    f.take_log()
    return f


def fault(name, limit_ms, errors=1, **more):
    def test(folder):
        f = filled(folder)
        f.fault = name
        try:
            with Cache([{'type': 'disk', 'path': folder + '/near'}, http(f.url(), timeout_ms=600, connect_timeout_ms=300, **more),
                        {'type': 'disk', 'path': folder + '/next'}], folder + '/state', max_entry_size='8M') as c:
                with took() as t:
                    equal(c.get('k'), None)
                check(t.ms < limit_ms, 'it took %d ms' % t.ms)
                equal(c.stats(1).errors, errors)
                if name == 'huge':
                    check(f.sent < 40 << 20, '%d bytes were taken' % f.sent)
            # Nothing of it has come nearer, and the next layer is asked.
            with Cache([{'type': 'disk', 'path': folder + '/near'}], folder + '/state') as c:
                equal(c.get('k'), None)
            with Cache([{'type': 'disk', 'path': folder + '/next'}], folder + '/state') as c:
                c.put('k', b'from the next')
            with Cache([http(f.url(), timeout_ms=600, connect_timeout_ms=300), {'type': 'disk', 'path': folder + '/next'}], folder + '/state2',
                       max_entry_size='8M') as c:
                equal(c.get('k'), b'from the next')
        finally:
            f.stop()
    test.__name__ = 'test_fault_' + name.replace(':', '_')
    return test


FAULTS = [fault('slow:5000', 900), fault('hang', 900), fault('reset', 500, 2), fault('close', 500, 2), fault('html', 500, 2), fault('empty', 500, 2),
          fault('short', 500), fault('flip', 500), fault('301', 500, 2), fault('403', 500, 2), fault('404', 500, 0), fault('429:2', 500, 1), fault('500', 500, 2),
          fault('503', 500, 2), fault('huge', 2000, 2), fault('trickle', 1200)]


def test_breaker_opens_and_is_remembered(folder):
    s = servers.Silent()
    try:
        with Cache([http(s.url(), connect_timeout_ms=300)], folder + '/state') as c:
            with took() as first:
                c.get('a')
            with took() as rest:
                for i in range(50):
                    equal(c.get('b%d' % i), None)
            check(250 < first.ms < 900, 'the first took %d ms' % first.ms)
            check(rest.ms < 100, '50 more took %d ms' % rest.ms)
        with took() as t:
            with Cache([http(s.url(), connect_timeout_ms=300)], folder + '/state') as c:
                c.put('c', b'x')  # a store too is left out
        check(t.ms < 150, 'the next process took %d ms' % t.ms)
        with Cache([http(s.url(), connect_timeout_ms=300)], folder + '/state') as c:
            check(any('no answer' in t['text'] for t in c.json('stats')['troubles']), 'no trouble in the statistics')
    finally:
        s.stop()


def test_black_hole(folder):
    s = servers.Silent(black_hole=True)
    try:
        with Cache([http(s.url(), connect_timeout_ms=400)], folder + '/state') as c:
            with took() as t:
                c.put('a', b'x')
                c.put('b', b'x')
                c.flush()
            check(350 < t.ms < 900, '%d ms' % t.ms)
    finally:
        s.stop()


def test_refused(folder):
    port = servers.free_port()
    with Cache([http('http://127.0.0.1:%d/c' % port)], folder + '/state') as c:
        with took() as t:
            for i in range(100):
                equal(c.get('a%d' % i), None)
        equal(c.stats(0).errors, 3, 'three failures in a row')
        check(t.ms < 300, '%d ms' % t.ms)


def test_success_closes_the_breaker(folder):
    f = filled(folder)
    try:
        with Cache([http(f.url())], folder + '/state') as c:
            for _ in range(4):
                f.fault = '500'
                for i in range(2):
                    c.get('x%d' % i)
                f.fault = ''
                equal(c.get('k'), b'hello' * 100)
    finally:
        f.stop()


def test_reads_and_writes_fail_apart(folder):
    f = filled(folder)
    try:
        f.fault, f.where = '403', 'PUT'
        with Cache([http(f.url())], folder + '/state') as c:
            for i in range(60):
                c.put('n%d' % i, b'x')
            c.flush()
            puts = [m for m, _ in f.take_log() if m == 'PUT']
            check(len(puts) <= 13, '%d puts of one that may not' % len(puts))
            equal(c.get('k'), b'hello' * 100, 'reads go on')
    finally:
        f.stop()


def test_stores_are_tried_again(folder):
    f = filled(folder)
    try:
        f.fault, f.where = '503:1', 'PUT'
        with Cache([http(f.url())], folder + '/state') as c:
            c.put('n', b'x')
            time.sleep(0.3)
            f.fault = ''
            with took() as t:
                equal(c.flush(), 0)
            times = [at for m, _, at in f.log if m == 'PUT']
            equal(len(times), 2)
            check(times[1] - times[0] >= 1.0, 'tried again after %.2f s, not 1 s' % (times[1] - times[0]))
            equal(c.stats(0).stores, 1)
    finally:
        f.stop()


def test_absent_keys_are_remembered(folder):
    f = filled(folder)
    try:
        with Cache([http(f.url())], folder + '/state') as c:
            for _ in range(10):
                c.get('nothing')
            check(len(f.take_log()) <= 2)
    finally:
        f.stop()


def test_cancel_while_a_layer_hangs(folder):
    f = filled(folder)
    f.fault = 'hang'
    try:
        with Cache([http(f.url(), timeout_ms=20000, connect_timeout_ms=20000)], folder + '/state') as c:
            threading.Timer(0.3, lambda: api.lib.cc_cancel(c.p)).start()
            with took() as t:
                try:
                    c.get('k')
                    raise AssertionError('not cancelled')
                except api.Failed as e:
                    equal(e.status, -8)
            check(290 < t.ms < 400, '%d ms' % t.ms)
            api.lib.cc_resume(c.p)
            f.fault = ''
            equal(c.get('k'), b'hello' * 100)
            # The same for many at once.
            f.fault = 'hang'
            threading.Timer(0.3, lambda: api.lib.cc_cancel(c.p)).start()
            with took() as t:
                try:
                    equal(c.get_many(['k', 'k2', 'k3']), [None] * 3)
                except api.Failed as e:
                    equal(e.status, -8)
            check(t.ms < 400, '%d ms' % t.ms)
            api.lib.cc_resume(c.p)
    finally:
        f.stop()


def test_flush_and_close_end_in_time(folder):
    f = filled(folder)
    f.fault, f.where = 'hang', 'PUT'
    try:
        c = Cache([http(f.url(), timeout_ms=20000, connect_timeout_ms=20000)], folder + '/state', flush_timeout_ms=300)
        c.put('n', b'x')
        with took() as t:
            equal(c.flush(100), 1)
        check(t.ms < 250)
        with took() as t:
            c.close()
        check(t.ms < 600, 'close took %d ms' % t.ms)
    finally:
        f.stop()


def test_spool_is_sent_by_the_next_process(folder):
    f = filled(folder)
    try:
        layers = [http(f.url(), upload='spool')]
        with took() as t:
            with Cache(layers, folder + '/state') as c:
                c.put('n', b'spooled')
        equal([m for m, _ in f.take_log() if m == 'PUT'], [], 'it is not sent at once')
        files = glob.glob(folder + '/state/spool/*/*')
        equal(len(files), 1)
        equal(os.stat(files[0]).st_mode & 0o77, 0)
        with Cache(layers, folder + '/state') as c:
            equal(c.flush(), 0)
        equal(len([m for m, _ in f.take_log() if m == 'PUT']), 1)
        equal(glob.glob(folder + '/state/spool/*/*'), [])
        with Cache([http(f.url())], folder + '/b') as c:
            equal(c.get('n'), b'spooled')
    finally:
        f.stop()


def test_old_entries_are_put_again(folder):
    f = filled(folder)
    f.fault, f.where = 'old', 'GET'
    try:
        with Cache([http(f.url(), refresh_after='20d')], folder + '/state') as c:
            equal(c.get('k'), b'hello' * 100)
            c.flush()
        equal([m for m, _ in f.take_log()], ['GET', 'PUT'])
        with Cache([http(f.url(), refresh_after='20d', write=False)], folder + '/state') as c:
            c.get('k')
        equal([m for m, _ in f.take_log()], ['GET'])
    finally:
        f.stop()


def test_queue_is_bounded(folder):
    f = filled(folder)
    f.fault, f.where = 'slow:3000', 'PUT'
    try:
        with Cache([http(f.url())], folder + '/state', flush_timeout_ms=10) as c:
            for i in range(100):
                c.put('n%d' % i, os.urandom(1 << 20))
            check(any('queue is full' in text for _, text in c.lines))
            with open('/proc/self/status') as s:
                rss = int(next(line for line in s if line.startswith('VmRSS')).split()[1])
            check(rss < 300 << 10, 'resident: %d KiB' % rss)
    finally:
        f.stop()


def test_prefetch_then_lookup_asks_once(folder):
    f = filled(folder)
    try:
        f.fault = 'slow:100'
        with Cache([http(f.url())], folder + '/state') as c:
            with took() as t:
                c.prefetch(['k', 'k2'])
            check(t.ms < 50, 'cc_prefetch took %d ms' % t.ms)
            equal(c.get('k'), b'hello' * 100)
            equal(c.get('k2'), b'hello' * 100)
        equal(len(f.take_log()), 2)
    finally:
        f.stop()


def test_proxy(folder):
    import subprocess
    f = servers.Faulty()
    try:
        with Cache([http('http://cache.invalid/c', proxy=f.url(''))], folder + '/a') as c:
            c.put('k', b'hello')
            c.flush()
            equal(c.get('k'), b'hello')
        check(all(p.startswith('http://cache.invalid/c/compile/t/') for p in f.data), f.data.keys())
        # The usual variable, unless the host wants no environment.
        code = 'import sys; sys.path.insert(0, %r)\nfrom api import Cache\nwith Cache([{"type": "http", "url": "http://cache.invalid/c"}], %r, int(sys.argv[1])) as c: print(c.get("k"))'
        for flags, want in ((2, "b'hello'"), (3, 'None')):
            r = subprocess.run([sys.executable, '-c', code % (os.path.dirname(os.path.abspath(__file__)), folder + '/b%d' % flags), str(flags)],
                               env=dict(PATH=os.environ['PATH'], HOME=folder, http_proxy=f.url(''), CCHAIN_BUILD=api.BUILD), capture_output=True, text=True, timeout=30)
            equal((r.returncode, r.stdout.strip()), (0, want), r.stderr)
    finally:
        f.stop()


def test_many_threads(folder):
    f = servers.Faulty()
    names = ['k%d' % i for i in range(120)]
    layers = [{'type': 'disk', 'path': folder + '/near'}, http(f.url())]
    try:
        with Cache(layers, folder + '/a') as c:
            wrong = []

            def work(n):
                try:
                    for i in range(len(names)):
                        k = names[(i * 7 + n * 13) % len(names)]
                        got = c.get(k)
                        if got is None:
                            c.put(k, k.encode() * 50)
                        elif got != k.encode() * 50:
                            wrong.append(k)
                        if n == 0 and i % 20 == 0:
                            c.prefetch(names[i:i + 20])
                except Exception as e:
                    wrong.append(e)
            threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            equal(wrong, [])
            equal(c.flush(), 0)
            equal(c.stats(1).errors, 0)
        with Cache(layers[1:], folder + '/b') as c:
            equal(c.get_many(names), [k.encode() * 50 for k in names])
    finally:
        f.stop()


def test_blobs(folder):
    f = servers.Faulty()
    try:
        import ctypes, hashlib
        data = b'source text'
        with Cache([http(f.url())], folder + '/state') as c:
            api.checked(api.lib.cc_source_store(c.p, b't', data, len(data), None))
            c.flush()
        equal([p.split('/')[2] for p in f.data], ['source'])
        with Cache([http(f.url())], folder + '/state') as c:
            p, size = api.P(), api.U64()
            equal(api.checked(api.lib.cc_source_lookup(c.p, b't', hashlib.sha256(data).digest(), ctypes.byref(p), ctypes.byref(size))), 1)
            equal(ctypes.string_at(p, size.value), data)
            api.lib.cc_free(p)
    finally:
        f.stop()


def stop():
    if isinstance(_nginx, servers.Nginx):
        _nginx.stop()


if __name__ == '__main__':
    mine = [t for n, t in sorted(globals().items(), key=lambda i: getattr(i[1], '__code__', stop.__code__).co_firstlineno) if n.startswith('test_')]
    sys.exit(api.main(mine + FAULTS, stop))
