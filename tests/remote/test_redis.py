#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The redis layer against a real redis-server, and against answers that no Redis gives."""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api
from api import Cache, Skip, check, equal, took
import servers

_redis = None


def redis(folder):
    global _redis
    if _redis is None:
        try:
            base = os.path.dirname(folder)
            os.makedirs(base + '/ca')
            servers.make_ca(base + '/ca')
            _redis = servers.Redis(base + '/redis', base + '/ca')
            _redis.ca = base + '/ca'
        except servers.Missing as e:
            _redis = str(e)
    if isinstance(_redis, str):
        raise Skip(_redis)
    _redis.command('FLUSHALL')
    return _redis


def layer(r, **more):
    return dict({'type': 'redis', 'host': '127.0.0.1', 'port': r.port, 'password': 's3cret'}, **more)


def test_stores_and_hits(folder):
    r = redis(folder)
    with Cache([layer(r)], folder + '/a') as c:
        check(c.put('k', os.urandom(300000)))
        equal(c.flush(), 0)
        equal((c.stats(0).errors, c.stats(0).stores), (0, 1), str(c.lines))
    names = r.command('KEYS', '*')
    equal(len(names), 1)
    check(names[0].startswith(b'cchain:compile/t/') and names[0].endswith(b'/entry'))
    with Cache([layer(r)], folder + '/b') as c:
        equal(len(c.get('k')), 300000)
        equal(c.get('nothing'), None)


def test_unix_socket_database_prefix_expiry(folder):
    r = redis(folder)
    mine = {'type': 'redis', 'socket': r.socket, 'password': 's3cret', 'database': 3, 'prefix': 'team:', 'expire': '2h'}
    with Cache([mine], folder + '/a') as c:
        c.put('k', b'hello')
    equal(r.command('KEYS', '*'), [])
    with Cache([mine], folder + '/b') as c:
        equal(c.get('k'), b'hello')
    # SELECT and TTL on one connection.
    with socket.create_connection(('127.0.0.1', r.port)) as s:
        f = s.makefile('rb')
        s.sendall(b'AUTH s3cret\r\nSELECT 3\r\nKEYS *\r\n')
        r.reply(f), r.reply(f)
        (name,) = r.reply(f)
        check(name.startswith(b'team:compile/'))
        s.sendall(b'TTL ' + name + b'\r\n')
        ttl = r.reply(f)
    check(7000 < ttl <= 7200, ttl)


def test_user(folder):
    r = redis(folder)
    r.command('ACL', 'SETUSER', 'builder', 'on', '>geheim', '~cchain:*', '+@read', '+@write', '+@connection')
    with Cache([layer(r, user='builder', password='geheim')], folder + '/a') as c:
        c.put('k', b'hello')
        c.flush()
        equal(c.get('k'), b'hello')
    r.command('ACL', 'SETUSER', 'reader', 'on', '>geheim', '~cchain:*', '+@read', '+@connection')
    with Cache([layer(r, user='reader', password='geheim')], folder + '/b') as c:
        equal(c.get('k'), b'hello')
        c.put('k2', b'hello')
        c.flush()
        check(c.stats(0).errors)
        equal(c.get('k'), b'hello')


def test_wrong_password(folder):
    r = redis(folder)
    for wrong in ({'password': 'wr0ng'}, {'password': ''}, {'user': 'nobody', 'password': 'wr0ng'}):
        with Cache([layer(r, **wrong)], folder + '/a%d' % len(wrong)) as c:
            equal(c.get('k'), None)
            check(c.stats(0).errors)
            check('wr0ng' not in str(c.lines) and 'wr0ng' not in str(c.json('config')))


def test_an_entry_that_stands_wins(folder):
    r = redis(folder)
    with Cache([layer(r)], folder + '/a') as c:
        c.put('k', b'first')
    with Cache([layer(r, read=False)], folder + '/b') as c:
        c.put('k', b'second')
        c.flush()
        equal((c.stats(0).stores, c.stats(0).errors), (0, 0))
    with Cache([layer(r)], folder + '/c') as c:
        equal(c.get('k'), b'first')


def test_many_at_once(folder):
    r = redis(folder)
    names = ['k%d' % i for i in range(300)]
    with Cache([layer(r)], folder + '/a') as c:
        for n in names:
            c.put(n, n.encode() * 1000)
        equal(c.flush(), 0)
        equal(c.stats(0).stores, 300)
    with Cache([layer(r)], folder + '/b') as c:
        equal(c.get_many(names + ['x']), [n.encode() * 1000 for n in names] + [None])


def test_tls(folder):
    r = redis(folder)
    tls = {'port': r.tls, 'tls': True}
    with Cache([layer(r, host='localhost', ca_file=r.ca + '/ca.pem', **tls)], folder + '/a') as c:
        c.put('k', os.urandom(200000))
        c.flush()
        check(c.get('k'))
        equal(c.stats(0).errors, 0, str(c.lines))
    with Cache([layer(r, ca_file=r.ca + '/ca.pem', **tls)], folder + '/b') as c:
        check(c.get('k'), 'by an address')
    for i, ca in enumerate(({}, {'ca_file': r.ca + '/other-ca.pem'})):
        with Cache([layer(r, **dict(tls, **ca))], folder + '/c%d' % i) as c:
            equal(c.get('k'), None)
            check(c.stats(0).errors)
    with Cache([layer(r, port=r.port, tls=True, ca_file=r.ca + '/ca.pem', connect_timeout_ms=300)], folder + '/d') as c:
        equal(c.get('k'), None, 'a server without TLS')


def test_connection_that_the_server_has_closed(folder):
    r = redis(folder)
    with Cache([layer(r)], folder + '/a') as c:
        c.put('k', b'hello')
        c.flush()
        for _ in range(3):
            equal(c.get('k'), b'hello')
            r.command('CLIENT', 'KILL', 'TYPE', 'normal')
            time.sleep(0.05)
        equal(c.stats(0).errors, 0)


def test_hanging_server(folder):
    r = redis(folder)
    pid = r.process.p.pid
    with Cache([layer(r, connect_timeout_ms=300)], folder + '/a') as c:
        c.put('k', b'hello')
        c.flush()
        equal(c.get('k'), b'hello')
        os.kill(pid, signal.SIGSTOP)
        try:
            with took() as t:
                equal(c.get('k'), None)
            check(250 < t.ms < 700, '%d ms' % t.ms)
            with took() as t:
                equal(c.get('k2'), None)
            check(t.ms < 50)
        finally:
            os.kill(pid, signal.SIGCONT)
    # cc_cancel while it hangs.
    with Cache([layer(r, connect_timeout_ms=20000, timeout_ms=20000)], folder + '/b') as c:
        os.kill(pid, signal.SIGSTOP)
        try:
            threading.Timer(0.2, lambda: api.lib.cc_cancel(c.p)).start()
            with took() as t:
                try:
                    c.get('k')
                    raise AssertionError('not cancelled')
                except api.Failed as e:
                    equal(e.status, -8)
            check(t.ms < 300, '%d ms' % t.ms)
            api.lib.cc_resume(c.p)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_full_server(folder):
    r = redis(folder)
    r.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    r.command('CONFIG', 'SET', 'maxmemory', '1')
    try:
        with Cache([layer(r)], folder + '/a') as c:
            c.put('k', b'hello')
            c.flush(500)
            check(c.stats(0).errors)
            equal(c.get('k'), None)
    finally:
        r.command('CONFIG', 'SET', 'maxmemory', '256mb')
        r.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')


class Odd:
    """Says the same to everything."""

    def __init__(self, answer, endless=False):
        self.answer, self.endless, self.sent = answer, endless, 0
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
                s.recv(4096)
                s.sendall(self.answer)
                while self.endless:
                    self.sent += s.send(b'x' * 65536)
                s.close()
            except OSError:
                if self.listener.fileno() < 0:
                    return


def test_answers_of_no_redis(folder):
    for i, (answer, endless) in enumerate([(b'HTTP/1.1 400 Bad Request\r\n\r\n', False), (b'', False), (b'$5\r\nab', False), (b'$-7\r\n', False), (b'$99999999999999999999\r\n', False),
                                           (b'*2\r\n$1\r\na\r\n', False), (b'+OK\r\n', False), (b'$10737418240\r\n', True), (b'', True), (b':7\r\n', False)]):
        odd = Odd(answer, endless)
        with Cache([{'type': 'redis', 'host': '127.0.0.1', 'port': odd.port, 'connect_timeout_ms': 500}], folder + '/%d' % i, max_entry_size='4M') as c:
            with took() as t:
                equal(c.get('k'), None)
            check(t.ms < 1500, '%r: %d ms' % (answer, t.ms))
            check(c.stats(0).errors, '%r is no error' % answer)
        check(odd.sent < 64 << 20, '%r: %d bytes taken' % (answer, odd.sent))
        odd.listener.close()


def stop():
    if isinstance(_redis, servers.Redis):
        _redis.stop()


if __name__ == '__main__':
    mine = [t for n, t in sorted(globals().items(), key=lambda i: getattr(i[1], '__code__', stop.__code__).co_firstlineno) if n.startswith('test_')]
    sys.exit(api.main(mine, stop))
