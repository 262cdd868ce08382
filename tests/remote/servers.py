# SPDX-License-Identifier: Apache-2.0
"""Servers for the tests of the remote layers, each on a free loopback port, each stopped by its own pid: nginx, redis-server, Ceph's S3
gateway, and one in this process that can be told to misbehave. Python 3 standard library only."""
import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time


class Missing(Exception):
    """A server that is not installed here."""


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wait_for(what, ready, seconds=20):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError('%s does not come up' % what)
        time.sleep(0.02)


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def program(name, *more):
    path = shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if not path:
        raise Missing('%s is not installed' % name)
    return path


class Process:
    """A child that is ended by its own pid."""

    def __init__(self, argv, log, **more):
        self.log = open(log, 'ab')
        self.p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **more)

    def stop(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGCONT)
            self.p.terminate()
            try:
                self.p.wait(5)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        self.log.close()


# ---- certificates

def make_ca(folder):
    """ca.pem, srv.pem and srv.key for localhost and 127.0.0.1, client.pem and client.key, other-ca.pem."""
    openssl = program('openssl')

    def run(*args):
        subprocess.run([openssl] + list(args), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    new = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    for ca in ('ca', 'other-ca'):
        run('req', '-x509', *new, '-days', '30', '-subj', '/CN=test ' + ca, '-addext', 'basicConstraints=critical,CA:TRUE',
            '-keyout', ca + '.key', '-out', ca + '.pem')
    with open(os.path.join(folder, 'ext'), 'w') as f:
        f.write('subjectAltName=DNS:localhost,IP:127.0.0.1\n')
    for name in ('srv', 'client'):
        run('req', *new, '-subj', '/CN=localhost', '-keyout', name + '.key', '-out', name + '.csr')
        run('x509', '-req', '-in', name + '.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', 'ext',
            '-out', name + '.pem')


class Nginx:
    """Plain, with basic authentication, by TLS with HTTP/2, by TLS with client certificates; `data` holds what was put."""

    def __init__(self, folder):
        nginx = program('nginx')
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        for d in ('data', 'tmp'):
            os.makedirs(os.path.join(folder, d))
        make_ca(folder)
        self.folder, self.data = folder, os.path.join(folder, 'data')
        hashed = subprocess.run([program('openssl'), 'passwd', '-apr1', 'secret'], check=True, capture_output=True, text=True).stdout.strip()
        with open(folder + '/htpasswd', 'w') as f:
            f.write('user:%s\n' % hashed)
        self.port, self.auth, self.tls, self.mutual, self.bearer = (free_port() for _ in range(5))
        dav = 'dav_methods PUT DELETE; create_full_put_path on; dav_access user:rw;'
        tls = 'server_name localhost; ssl_certificate %s/srv.pem; ssl_certificate_key %s/srv.key; ssl_protocols TLSv1.2 TLSv1.3;' % (folder, folder)
        user = 'user root;' if os.geteuid() == 0 else ''
        with open(folder + '/nginx.conf', 'w') as f:
            f.write('''daemon off; master_process off; pid {d}/pid; error_log {d}/error.log warn; {user}
events {{ worker_connections 2048; }}
http {{
  log_format short '$request_method $uri $status $server_port $connection $server_protocol'; access_log {d}/access.log short;
  tcp_nodelay on; keepalive_requests 1000000; client_max_body_size 256m; default_type application/octet-stream;
  client_body_temp_path {d}/tmp/body; proxy_temp_path {d}/tmp/p; fastcgi_temp_path {d}/tmp/f; uwsgi_temp_path {d}/tmp/u; scgi_temp_path {d}/tmp/s;
  root {d}/data;
  server {{ listen 127.0.0.1:{port}; location / {{ {dav} }} }}
  server {{ listen 127.0.0.1:{auth}; location / {{ auth_basic cache; auth_basic_user_file {d}/htpasswd; {dav} }} }}
  server {{ listen 127.0.0.1:{tlsport} ssl http2; {tls} location / {{ {dav} }} }}
  server {{ listen 127.0.0.1:{mutual} ssl; {tls} ssl_client_certificate {d}/ca.pem; ssl_verify_client on; location / {{ {dav} }} }}
  server {{ listen 127.0.0.1:{bearer}; location / {{ if ($http_authorization != "Bearer t0ken") {{ return 401; }} {dav} }} }}
}}
'''.format(d=folder, user=user, port=self.port, auth=self.auth, tlsport=self.tls, mutual=self.mutual, bearer=self.bearer, dav=dav, tls=tls))
        self.process = Process([nginx, '-c', folder + '/nginx.conf', '-e', folder + '/error.log'], folder + '/out')
        wait_for('nginx', lambda: listens(self.port))

    def url(self, port=None, scheme='http', path='/cache'):
        return '%s://127.0.0.1:%d%s' % (scheme, port or self.port, path)

    def requests(self):
        """What was asked since the last call: (method, path, status, port, connection, protocol) each."""
        # nginx writes a line when the answer has gone out already.
        size = quiet = -1
        while quiet < 3:
            time.sleep(0.02)
            last, size = size, os.path.getsize(self.folder + '/access.log')
            quiet = quiet + 1 if size == last else 0
        with open(self.folder + '/access.log') as f:
            lines = [line.split() for line in f]
        out, self.seen = lines[getattr(self, 'seen', 0):], len(lines)
        return [tuple(w[:2]) + (int(w[2]), int(w[3]), int(w[4]), w[5]) for w in out]

    def clear(self):
        shutil.rmtree(self.data)
        os.makedirs(self.data)
        self.requests()

    def stop(self):
        self.process.stop()


class Redis:
    def __init__(self, folder, ca=None, more=()):
        server = program('redis-server')
        os.makedirs(folder, exist_ok=True)
        self.port, self.socket = free_port(), folder + '/s'
        self.tls = free_port() if ca else 0
        argv = [server, '--dir', folder, '--bind', '127.0.0.1', '--port', str(self.port), '--unixsocket', self.socket, '--unixsocketperm', '700',
                '--requirepass', 's3cret', '--save', '', '--appendonly', 'no', '--maxmemory', '256mb', '--maxmemory-policy', 'allkeys-lru']
        if ca:
            argv += ['--tls-port', str(self.tls), '--tls-cert-file', ca + '/srv.pem', '--tls-key-file', ca + '/srv.key', '--tls-ca-cert-file', ca + '/ca.pem',
                     '--tls-auth-clients', 'no']
        self.process = Process(argv + list(more), folder + '/log')
        wait_for('redis-server', lambda: listens(self.port))

    def command(self, *words, password='s3cret'):
        """One reply, raw."""
        with socket.create_connection(('127.0.0.1', self.port), 5) as s:
            f = s.makefile('rb')

            def ask(ws):
                s.sendall(b'*%d\r\n' % len(ws) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in (x if isinstance(x, bytes) else str(x).encode() for x in ws)))
                return self.reply(f)
            if password:
                ask(('AUTH', password))
            return ask(words)

    def reply(self, f):
        line = f.readline().rstrip(b'\r\n')
        kind, rest = line[:1], line[1:]
        if kind == b'$':
            n = int(rest)
            return None if n < 0 else f.read(n + 2)[:-2]
        if kind == b'*':
            return [self.reply(f) for _ in range(int(rest))]
        return int(rest) if kind == b':' else line.decode()

    def stop(self):
        self.process.stop()


# ---- one that misbehaves

class Faulty:
    """An HTTP server in this process that keeps what is put. `fault` says what it does instead of answering:

    slow:MS hang reset close html empty short flip 301 403 404 429:S 500 503 huge trickle; `where`: to which methods ("GET", "PUT", "GET PUT").
    """

    def __init__(self):
        self.data, self.fault, self.where = {}, '', 'GET PUT HEAD'
        self.log, self.lock, self.sent, self.open = [], threading.Lock(), 0, 0
        self.most = 0  # connections at once
        self.headers = []
        self.before = None  # called with method and path before an answer
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path='/c'):
        return 'http://127.0.0.1:%d%s' % (self.port, path)

    @staticmethod
    def etag(data):
        return '"%s"' % hashlib.md5(data).hexdigest()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            f = s.makefile('rb')
            while self.one(s, f):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open -= 1
            s.close()

    def one(self, s, f):
        line = f.readline().decode('latin-1').split()
        if len(line) < 2:
            return False
        method, path = line[0], line[1]
        headers = {}
        while True:
            h = f.readline().decode('latin-1').rstrip('\r\n')
            if not h:
                break
            k, _, v = h.partition(':')
            headers[k.lower()] = v.strip()
        body = f.read(int(headers.get('content-length', 0)))
        with self.lock:
            self.log.append((method, path, time.monotonic()))
            self.headers.append(headers)
        if self.before:
            self.before(method, path)
        fault = self.fault if method in self.where.split() else ''
        kind, _, arg = fault.partition(':')

        def answer(status, data=b'', more=''):
            s.sendall(('HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n' % (status, len(data), more)).encode() + (b'' if method == 'HEAD' else data))
        if kind == 'slow':
            self.ended.wait(float(arg) / 1000)
        elif kind == 'hang':
            self.ended.wait(60)
            return False
        elif kind == 'reset':
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            return False
        elif kind == 'close':
            return False
        elif kind == 'html':
            answer('200 OK', b'<html><body>Log in to this network</body></html>')
            return True
        elif kind == 'empty':
            answer('200 OK')
            return True
        elif kind == '301':
            answer('301 Moved Permanently', b'', 'Location: http://127.0.0.1:%d/elsewhere\r\n' % self.port)
            return True
        elif kind in ('403', '404', '429', '500', '503'):
            answer(kind + ' No', b'no', 'Retry-After: %s\r\n' % arg if arg else '')
            return True
        elif kind == 'huge':
            s.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n')
            self.sent = 0
            while True:
                self.sent += s.send(b'\0' * 65536)
        if method == 'PUT':
            stands = self.etag(self.data[path]) if path in self.data else None
            if headers.get('if-none-match') == '*' and stands or headers.get('if-match') not in (None, stands):
                answer('412 Precondition Failed')
            else:
                self.data[path] = body
                answer('201 Created')
            return True
        data = self.data.get(path)
        if data is None:
            answer('404 Not Found', b'nothing here')
        elif kind == 'short':
            s.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(data) + data[:len(data) // 2])
            return False
        elif kind == 'trickle':
            s.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(data))
            for b in data:
                s.sendall(bytes([b]))
                if self.ended.wait(0.05):
                    break
        elif kind == 'flip':
            answer('200 OK', data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:])
        else:
            age = 'ETag: %s\r\n' % self.etag(data)
            age += '' if kind != 'old' else 'Last-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\n'
            answer('200 OK', data, age)
        return True

    def take_log(self):
        with self.lock:
            out, self.log, self.headers = self.log, [], []
        return [(m, p) for m, p, _ in out]

    def stop(self):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # a thread that waits in accept() does not see a close
        self.listener.close()


class Silent:
    """Takes connections and never says a word. black_hole: a port whose queue is full, so that nothing is taken at all."""

    def __init__(self, black_hole=False):
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(0 if black_hole else 512)
        self.held = []
        if black_hole:
            for _ in range(4):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(('127.0.0.1', self.port))
                self.held.append(s)
            time.sleep(0.1)

    def url(self):
        return 'http://127.0.0.1:%d/c' % self.port

    def stop(self):
        for s in self.held:
            s.close()
        self.listener.close()


# ---- Ceph's S3 gateway: real signatures, real conditions

class Rgw:
    """One monitor, one OSD in memory, one gateway, none of them a service. Keys TESTAK / TESTSECRETKEY; `bucket` is made."""
    KEY, SECRET = 'TESTAK', 'TESTSECRETKEY'

    def __init__(self, folder, ca=None):
        names = ('ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'ceph', 'monmaptool')
        self.program = {n: program(n) for n in names}
        self.folder, self.bucket, self.processes = folder, 'builds', []
        self.port, self.tls, mon = free_port(), free_port() if ca else 0, free_port()
        for d in ('mon', 'osd', 'run', 'log', 'rgw'):
            os.makedirs(os.path.join(folder, d))
        ids = [open('/proc/sys/kernel/random/uuid').read().strip() for _ in range(2)]
        classes = next((d for d in ('/usr/lib/%s/rados-classes' % t for t in ('x86_64-linux-gnu', 'aarch64-linux-gnu')) if os.path.isdir(d)), '')
        tls = ' ssl_endpoint=127.0.0.1:%d ssl_certificate=%s/srv.pem ssl_private_key=%s/srv.key' % (self.tls, ca, ca) if ca else ''
        conf = folder + '/ceph.conf'
        with open(conf, 'w') as f:
            f.write('''[global]
fsid = {id}
mon host = v1:127.0.0.1:{mon}
ms bind msgr2 = false
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
osd class update on start = false
run dir = {d}/run
admin socket = {d}/run/$name.$pid.asok
pid file =
log file = {d}/log/$name.log
log to stderr = false
err to stderr = false
mon cluster log file = {d}/log/cluster.log
crash dir = {d}/log
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
osd heartbeat interval = 1
osd mon report interval = 1
[mon.a]
mon data = {d}/mon
mon data avail crit = 1
mon data avail warn = 2
mon osd min in ratio = 0
[osd.0]
osd data = {d}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd memory target = 939524096
osd class dir = {classes}
osd class load list = *
osd class default list = *
osd numa auto affinity = false
[client.rgw]
rgw init timeout = 60
rgw data = {d}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1{tls}
rgw enable usage log = false
rgw enable ops log = false
rgw run sync thread = false
rgw thread pool size = 64
rgw dns name = localhost
'''.format(id=ids[0], mon=mon, d=folder, classes=classes, port=self.port, tls=tls))
        self.env = dict(os.environ, CEPH_CONF=conf)
        try:
            self.run('monmaptool', '--create', '--clobber', '--fsid', ids[0], '--addv', 'a', '[v1:127.0.0.1:%d]' % mon, folder + '/monmap')
            self.run('ceph-mon', '-i', 'a', '--mkfs', '-c', conf, '--monmap', folder + '/monmap')
            self.start('ceph-mon', '-i', 'a', '-c', conf, '-f')
            self.ask('mon', 'stat')
            self.ask('osd', 'new', ids[1], '0')
            self.run('ceph-osd', '-i', '0', '-c', conf, '--mkfs', '--osd-uuid', ids[1])
            osd = self.start('ceph-osd', '-i', '0', '-c', conf, '-f')
            # In this version the first command may go out before the map of monitors has come: then it ends, and is started again.
            end = time.monotonic() + 30
            while b'1 up' not in self.ask('osd', 'stat'):
                if time.monotonic() > end:
                    raise RuntimeError('ceph-osd does not come up')
                if osd.p.poll() is not None:
                    self.processes.remove(osd)
                    osd = self.start('ceph-osd', '-i', '0', '-c', conf, '-f')
                time.sleep(0.05)
            self.start('radosgw', '-c', conf, '-n', 'client.rgw', '-f')
            wait_for('radosgw', lambda: listens(self.port), 60)
            self.run('radosgw-admin', '-c', conf, '-n', 'client.rgw', 'user', 'create', '--uid=builder', '--display-name=builder',
                     '--access-key=' + self.KEY, '--secret=' + self.SECRET)
        except BaseException:
            self.stop()
            raise

    def run(self, name, *args):
        r = subprocess.run(['timeout', '60', self.program[name]] + list(args), env=self.env, stdin=subprocess.DEVNULL, capture_output=True)
        if r.returncode:
            raise RuntimeError('%s: %s' % (name, (r.stdout + r.stderr)[-500:].decode('utf-8', 'replace')))
        return r.stdout

    def ask(self, *args):
        return self.run('ceph', '-c', self.env['CEPH_CONF'], '--connect-timeout', '10', *args)

    def start(self, name, *args):
        p = Process([self.program[name]] + list(args), self.folder + '/log/out', env=self.env)
        self.processes.append(p)
        return p

    def stop(self):
        for p in reversed(self.processes):
            p.stop()
        self.processes = []
