#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The s3 layer: against a real server with real signature checks (Ceph's gateway), and each source of credentials against a local stand-in of its
endpoint, behind an S3 of our own that computes every signature again."""
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api
from api import Cache, Skip, check, equal
import servers

_rgw = None


def rgw(folder):
    global _rgw
    if _rgw is None:
        try:
            base = os.path.dirname(folder)
            os.makedirs(base + '/ca')
            servers.make_ca(base + '/ca')
            _rgw = servers.Rgw(base + '/rgw', base + '/ca')
            request(_rgw, 'PUT', '/' + _rgw.bucket)
        except servers.Missing as e:
            _rgw = str(e)
    if isinstance(_rgw, str):
        raise Skip(_rgw)
    return _rgw


# ---- another implementation of signatures

def signature(method, path, query, headers, names, payload, secret, stamp, region, service):
    canonical = '\n'.join([method, path, '&'.join('%s=%s' % (urllib.parse.quote(k, safe='-_.~'), urllib.parse.quote(v, safe='-_.~')) for k, v in sorted(query))] +
                          ['%s:%s' % (n, ' '.join(headers[n].split())) for n in names] + ['', ';'.join(names), payload])
    scope = '/'.join([stamp[:8], region, service, 'aws4_request'])
    text = '\n'.join(['AWS4-HMAC-SHA256', stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    k = ('AWS4' + secret).encode()
    for part in (stamp[:8], region, service, 'aws4_request'):
        k = hmac.new(k, part.encode(), hashlib.sha256).digest()
    return scope, hmac.new(k, text.encode(), hashlib.sha256).hexdigest()


def request(server, method, path, body=b'', query=(), expect=200):
    stamp = datetime.datetime.utcnow().strftime('%Y%m%dT%H%M%SZ')
    payload = hashlib.sha256(body).hexdigest()
    headers = {'host': '127.0.0.1:%d' % server.port, 'x-amz-date': stamp, 'x-amz-content-sha256': payload}
    scope, sig = signature(method, path, list(query), headers, sorted(headers), payload, server.SECRET, stamp, 'us-east-1', 's3')
    headers['Authorization'] = 'AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s' % (server.KEY, scope, ';'.join(sorted(
        h for h in headers)), sig)
    c = http.client.HTTPConnection('127.0.0.1', server.port, timeout=10)
    c.request(method, path + ('?' + urllib.parse.urlencode(query) if query else ''), body, headers)
    r = c.getresponse()
    data = r.read()
    equal(r.status, expect, '%s %s' % (method, path))
    return r, data


class Quiet(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def reply(self, status, data=b'', kind='text/xml'):
        self.send_response(status)
        self.send_header('Content-Length', str(len(data)))
        self.send_header('Content-Type', kind)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)

    def body(self):
        return self.rfile.read(int(self.headers.get('Content-Length', 0)))

    def handle_one_request(self):
        try:
            BaseHTTPRequestHandler.handle_one_request(self)
        except OSError:
            self.close_connection = True


class StandIn:
    """S3, STS, the container's endpoint and the instance's in one. Accepts `keys` (access key -> (secret, token)) and gives them out."""

    def __init__(self, region='us-east-1'):
        self.keys = {'AKSTATIC': ('static/secret', ''), 'ASTEMP': ('temp+secret', 'the/token==')}
        self.data, self.log, self.used, self.wrong, self.expires, self.expired = {}, [], [], [], 3600, 0
        stand_in = self

        class Handler(Quiet):
            def check(self, service, payload):
                """The access key if the signature is right."""
                auth = self.headers.get('Authorization', '')
                try:
                    fields = dict(p.strip().split('=', 1) for p in auth.split(' ', 1)[1].split(','))
                    access, scope = fields['Credential'].split('/', 1)
                    names = fields['SignedHeaders'].split(';')
                    secret, token = stand_in.keys[access]
                    h = {k.lower(): v for k, v in self.headers.items()}
                    path, _, query = self.path.partition('?')
                    want = signature(self.command, path, urllib.parse.parse_qsl(query, True), h, names, payload, secret, h['x-amz-date'], region, service)
                    ok = (scope, fields['Signature']) == want and h.get('x-amz-security-token', '') == token and 'host' in names
                    ok = ok and (service != 's3' or h.get('x-amz-content-sha256') == payload)
                    ok = ok and all(n in names for n in h if n.startswith('x-amz-'))
                    if ok:
                        stand_in.used.append(access)
                        return access
                    stand_in.wrong.append((self.command, self.path, dict(h)))
                except (KeyError, IndexError, ValueError) as e:
                    stand_in.wrong.append((self.command, self.path, repr(e)))
                return None

            def temporary(self, wrap):
                until = (datetime.datetime.utcnow() + datetime.timedelta(seconds=stand_in.expires)).strftime('%Y-%m-%dT%H:%M:%SZ')
                if wrap:
                    return ('<%s><Credentials><AccessKeyId>ASTEMP</AccessKeyId><SecretAccessKey>temp+secret</SecretAccessKey><SessionToken>the/token==</SessionToken>'
                            '<Expiration>%s</Expiration></Credentials></%s>' % (wrap, until, wrap)).encode()
                return json.dumps({'AccessKeyId': 'ASTEMP', 'SecretAccessKey': 'temp+secret', 'Token': 'the/token==', 'Expiration': until}).encode()

            def any(self):
                body = self.body()
                stand_in.log.append((self.command, self.path))
                payload = hashlib.sha256(body).hexdigest()
                if self.path == '/latest/api/token':
                    return self.reply(200 if self.command == 'PUT' and self.headers.get('X-aws-ec2-metadata-token-ttl-seconds') else 400, b'imds-token')
                if self.path.startswith('/latest/meta-data/iam/security-credentials/'):
                    if self.headers.get('X-aws-ec2-metadata-token') != 'imds-token':
                        return self.reply(401)
                    return self.reply(200, self.temporary('') if self.path.endswith('/builder') else b'builder\n', 'application/json')
                if self.path == '/container':
                    return self.reply(200 if self.headers.get('Authorization') == 'container-token' else 401, self.temporary(''), 'application/json')
                if self.path == '/' and self.command == 'POST':
                    q = dict(urllib.parse.parse_qsl(body.decode()))
                    if q.get('Action') == 'AssumeRoleWithWebIdentity':
                        ok = q['WebIdentityToken'] == 'jwt.a.b' and q['RoleArn'] == 'arn:aws:iam::1:role/web'
                    else:
                        ok = q.get('Action') == 'AssumeRole' and q['RoleArn'] == 'arn:aws:iam::1:role/x' and self.check('sts', payload) == 'AKSTATIC'
                    if not ok:
                        return self.reply(403, b'<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>')
                    return self.reply(200, self.temporary('R'))
                if not self.path.startswith('/pub/') and not self.check('s3', payload):
                    return self.reply(403, b'<Error><Code>SignatureDoesNotMatch</Code></Error>')
                if stand_in.expired > 0:
                    stand_in.expired -= 1
                    return self.reply(400, b'<Error><Code>ExpiredToken</Code></Error>')
                if self.command == 'PUT':
                    if self.headers.get('If-None-Match') == '*' and self.path in stand_in.data:
                        return self.reply(412)
                    stand_in.data[self.path] = (body, {k.lower(): v for k, v in self.headers.items()})
                    return self.reply(200)
                if self.path in stand_in.data:
                    return self.reply(200, stand_in.data[self.path][0])
                return self.reply(404, b'<Error><Code>NoSuchKey</Code></Error>')
            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = any
        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = 'http://127.0.0.1:%d' % self.port
        threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


# A process of its own for each environment.
CLIENT = '''
import json, sys
sys.path.insert(0, %r)
from api import Cache
layers, state, flags, rounds = json.loads(sys.argv[1])
with Cache(layers, state, flags) as c:
    for i in range(rounds):
        c.put('k%%d' %% i, b'hello')
        c.flush()
    got = c.get('k0')
    print(json.dumps({'got': got and got.decode(), 'errors': c.stats(0).errors, 'log': [t for _, t in c.lines], 'config': c.json('config')}))
''' % os.path.dirname(os.path.abspath(__file__))


def client(folder, layer, env=None, flags=2, rounds=1, preload=None):
    e = {'PATH': os.environ['PATH'], 'HOME': folder, 'CCHAIN_BUILD': api.BUILD, 'AWS_EC2_METADATA_DISABLED': 'true'}
    e.update(env or {})
    if preload:
        e['LD_PRELOAD'] = preload
    n = len(os.listdir(folder))
    r = subprocess.run([sys.executable, '-c', CLIENT, json.dumps([[dict(layer, type='s3', name='far')], '%s/state%d' % (folder, n), flags, rounds])], env=e,
                       capture_output=True, text=True, timeout=60)
    equal(r.returncode, 0, r.stderr)
    return json.loads(r.stdout)


def s3(server, **more):
    return dict({'bucket': 'builds', 'endpoint': getattr(server, 'url', None) or 'http://127.0.0.1:%d' % server.port}, **more)


def keys(server):
    return {'access_key_id': server.KEY, 'secret_access_key': server.SECRET}


# ---- the real server

def test_rgw_stores_and_hits(folder):
    r = rgw(folder)
    with Cache([dict(s3(r, **keys(r)), type='s3')], folder + '/a') as c:
        check(c.put('k', b'hello' * 1000))
        equal(c.flush(), 0)
        equal(c.stats(0).errors, 0, str(c.lines))
        equal(c.stats(0).stores, 1)
    with Cache([dict(s3(r, **keys(r)), type='s3')], folder + '/b') as c:
        equal(c.get('k'), b'hello' * 1000)
        equal(c.get('nothing'), None)
        equal(c.stats(0).errors, 0, str(c.lines))
    _, listing = request(r, 'GET', '/' + r.bucket, query=[('list-type', '2'), ('prefix', 'cache/compile/t/')])
    check(b'/entry</Key>' in listing, listing)


def test_rgw_an_entry_that_stands_wins(folder):
    r = rgw(folder)
    layer = dict(s3(r, **keys(r)), type='s3')
    with Cache([layer], folder + '/a') as c, Cache([layer], folder + '/b') as d:
        check(c.put('w', b'first'))
        c.flush()
        # The other one has asked before and does not know.
        check(d.put('w2', b'x'))
        d.flush()
    with Cache([dict(layer, read=False)], folder + '/c') as c:
        check(c.put('w', b'second'))
        c.flush()
        equal(c.stats(0).errors, 0)
        equal(c.stats(0).stores, 0)
    with Cache([layer], folder + '/d') as c:
        equal(c.get('w'), b'first')


def test_rgw_damaged_is_put_anew(folder):
    r = rgw(folder)
    layer = dict(s3(r, **keys(r)), type='s3')
    with Cache([layer], folder + '/a') as c:
        c.put('damaged', b'hello' * 1000)
        c.flush()
    _, listing = request(r, 'GET', '/' + r.bucket, query=[('list-type', '2'), ('prefix', 'cache/compile/t/')])
    for key in re.findall(r'<Key>([^<]*/entry)</Key>', listing.decode()):
        _, whole = request(r, 'GET', '/%s/%s' % (r.bucket, key))
        request(r, 'PUT', '/%s/%s' % (r.bucket, key), body=whole.replace(b'hello', b'#ello'))
    for removes in (False, True):
        with Cache([dict(layer, delete=removes)], folder + '/b%d' % removes) as c:
            equal(c.get('damaged'), None if not removes else b'hello' * 1000)
            equal(c.stats(0).errors, int(not removes))
            c.put('damaged', b'hello' * 1000)
            c.flush()


def test_rgw_wrong_keys(folder):
    r = rgw(folder)
    for wrong in ({'access_key_id': r.KEY, 'secret_access_key': 'wr0ng'}, {'access_key_id': 'NOBODY', 'secret_access_key': 'x'}):
        out = client(folder, s3(r, **wrong))
        equal(out['got'], None)
        check(out['errors'])
        check(any('403' in t for t in out['log']), out['log'])
        check('wr0ng' not in str(out))
    out = client(folder, s3(r, bucket='nowhere', **keys(r)))
    check(any('no such bucket' in t for t in out['log']), out['log'])


def test_rgw_skewed_clock(folder):
    r = rgw(folder)
    if not shutil.which('gcc'):
        raise Skip('gcc is not installed')
    with open(folder + '/skew.c', 'w') as f:
        # With a malloc of the process's own the plug-in's libraries do not come first for it: so it takes this `time`.
        f.write('#define _GNU_SOURCE\n#include <stddef.h>\n#include <time.h>\nextern void *__libc_malloc(size_t);\nvoid *malloc(size_t n) { return __libc_malloc(n); }\n'
                'time_t time(time_t *t) { struct timespec s; clock_gettime(CLOCK_REALTIME, &s); time_t n = s.tv_sec - 7200; if (t) *t = n; return n; }\n')
    subprocess.run(['gcc', '-shared', '-fPIC', '-o', folder + '/skew.so', folder + '/skew.c'], check=True)
    out = client(folder, s3(r, **keys(r)), preload=folder + '/skew.so')
    equal(out['got'], None)
    check(any('the clock of this machine is wrong' in t for t in out['log']), out['log'])


def test_expired_token(folder):
    s = StandIn()
    try:
        env = {'AWS_CONTAINER_CREDENTIALS_FULL_URI': s.url + '/container', 'AWS_CONTAINER_AUTHORIZATION_TOKEN': 'container-token'}
        s.expired = 1
        out = client(folder, s3(s), env, rounds=3)
        check(any('ExpiredToken' in t for t in out['log']), out['log'])
        equal(len([1 for _, p in s.log if p == '/container']), 2, 'keys are asked for again when the server says that they have ended')
        equal(s.wrong, [])
        s.expired = 1000
        out = client(folder, s3(s), {'AWS_ACCESS_KEY_ID': 'ASTEMP', 'AWS_SECRET_ACCESS_KEY': 'temp+secret', 'AWS_SESSION_TOKEN': 'the/token=='})
        equal(out['got'], None)
        check('the/token' not in str(out))
    finally:
        s.stop()


def test_rgw_tls(folder):
    r = rgw(folder)
    ca = os.path.dirname(folder) + '/ca'
    url = 'https://localhost:%d' % r.tls
    equal(client(folder, s3(r, endpoint=url, ca_file=ca + '/ca.pem', **keys(r)))['got'], 'hello')
    out = client(folder, s3(r, endpoint=url, ca_file=ca + '/other-ca.pem', **keys(r)))
    equal(out['got'], None)


def test_rgw_public_bucket(folder):
    r = rgw(folder)
    request(r, 'PUT', '/public')
    policy = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Principal': '*', 'Action': ['s3:GetObject', 's3:ListBucket'],
                                                                  'Resource': ['arn:aws:s3:::public', 'arn:aws:s3:::public/*']}]}).encode()
    request(r, 'PUT', '/public', policy, [('policy', '')], expect=204)
    with Cache([dict(s3(r, bucket='public', **keys(r)), type='s3')], folder + '/a') as c:
        c.put('k', b'hello')
    with Cache([dict(s3(r, bucket='public', credentials='none', write=False), type='s3')], folder + '/b') as c:
        equal(c.get('k'), b'hello')
        equal(c.get('nothing'), None)
        equal(c.stats(0).errors, 0, str(c.lines))


def test_rgw_jobs_of_ci(folder):
    """README's three recipes, by the command: CCHAIN_LAYERS and the usual variables alone; the keys are the protection, not the variable."""
    from test_command import Machine, sources
    r = rgw(folder)
    sources(folder)
    request(r, 'PUT', '/ci-builds')
    r.run('radosgw-admin', '-c', r.folder + '/ceph.conf', '-n', 'client.rgw', 'user', 'create', '--uid=reader', '--display-name=reader', '--access-key=READER', '--secret=READERSECRET')
    policy = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Principal': {'AWS': ['arn:aws:iam:::user/reader']}, 'Action': ['s3:GetObject', 's3:ListBucket'],
                                                                  'Resource': ['arn:aws:s3:::ci-builds', 'arn:aws:s3:::ci-builds/*']}]}).encode()
    request(r, 'PUT', '/ci-builds', policy, [('policy', '')], expect=204)
    far = 's3://ci-builds/cache?endpoint=http://127.0.0.1:%d' % r.port

    def job(name, access, secret, **more):
        return Machine(folder, name, '%s/%s/.c %s' % (folder, name, far), AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret, **more)

    def objects():
        _, listing = request(r, 'GET', '/ci-builds', query=[('list-type', '2')])
        return listing.count(b'<Key>'), listing
    stranger = job('stranger', 'READER', 'READERSECRET', CCHAIN_READ_ONLY='remote')
    stranger.compile('f0')
    equal(stranger.stats()['troubles'], [])
    # Somebody who leaves the variable out: the server refuses, the build goes on, nothing has changed.
    bold = job('bold', 'READER', 'READERSECRET')
    bold.compile('f0')
    check(any('403' in t['text'] for t in bold.stats()['troubles']), bold.stats()['troubles'])
    equal(objects()[0], 0)
    trusted = job('trusted', r.KEY, r.SECRET)
    made = trusted.compile('f0')
    equal(trusted.stats()['troubles'], [])
    count, before = objects()
    equal(count, 2)
    check(b'<Key>cache/compile/local/' in before and b'<Key>cache/inputs/local/' in before, before)
    for machine in (job('stranger2', 'READER', 'READERSECRET', CCHAIN_READ_ONLY='remote'), job('colleague', r.KEY, r.SECRET)):
        equal(machine.compile('f0'), made)
        equal((machine.stats()['hits'], machine.stats()['troubles']), (1, []))
    release = job('release', r.KEY, r.SECRET, CCHAIN_DISABLE='1')
    equal(release.compile('f0'), made)
    again = job('again', r.KEY, r.SECRET, CCHAIN_RECACHE='1')
    equal(again.compile('f0'), made)
    equal(again.stats()['hits'], 0)
    equal(objects()[0], 2)


def test_rgw_two_writers_of_one_record(folder):
    """A put of a state that has changed is refused, and merged again; Ceph 16 refuses the right state as well, for its quotes: then it is put without a
    condition. A relay in between lets another one be faster."""
    from test_command import Machine, choices
    r = rgw(folder)
    choose = choices(folder)
    request(r, 'PUT', '/two')
    env = {'AWS_ACCESS_KEY_ID': r.KEY, 'AWS_SECRET_ACCESS_KEY': r.SECRET}

    def machine(name, port=r.port):
        return Machine(folder, name, 's3://two/cache?endpoint=http://127.0.0.1:%d' % port, **env)
    choose(3)
    machine('a').compile('f0')
    puts = []

    class Relay(Quiet):
        def any(self):
            body = self.body()
            if self.command == 'PUT' and '/record' in self.path:
                puts.append(self.headers.get('If-Match'))
                if len(puts) == 1:
                    choose(4)
                    machine('b').compile('f0')
                    choose(5)
            c = http.client.HTTPConnection('127.0.0.1', r.port, timeout=10)
            c.request(self.command, self.path, body, dict(self.headers))
            a = c.getresponse()
            data = a.read()
            self.send_response(a.status)
            for k, v in a.getheaders():
                if k.lower() in ('etag', 'content-length', 'content-type'):
                    self.send_header(k, v)
            self.end_headers()
            self.wfile.write(data)
            puts[-1:] = [(puts[-1], a.status)] if self.command == 'PUT' and '/record' in self.path else puts[-1:]
        do_GET = do_PUT = any
    relay = ThreadingHTTPServer(('127.0.0.1', 0), Relay)
    relay.daemon_threads = True
    threading.Thread(target=relay.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()
    try:
        choose(5)
        # Signed for the relay's port, so its keys are of no use to the server: what is public needs none.
        policy = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Principal': '*', 'Action': ['s3:*'], 'Resource': ['arn:aws:s3:::two', 'arn:aws:s3:::two/*']}]})
        request(r, 'PUT', '/two', policy.encode(), [('policy', '')], expect=204)
        Machine(folder, 'c', 's3://two/cache?endpoint=http://127.0.0.1:%d&credentials=none&timeout_ms=20000&connect_timeout_ms=20000' % relay.server_address[1]).compile('f0')
        equal([s for _, s in puts], [412, 200] if len(puts) == 2 else [412, 412, 200], str(puts))
        check(puts[0][0].startswith('"') and puts[0][0] != puts[1][0], puts)
        for n in (3, 4, 5):
            choose(n)
            d = machine('d%d' % n)
            d.compile('f0')
            equal(d.stats()['hits'], 1, 'the set with N %d is lost' % n)
    finally:
        relay.shutdown()
        relay.server_close()


def test_rgw_many_at_once(folder):
    r = rgw(folder)
    names = ['many%d' % i for i in range(60)]
    layer = dict(s3(r, **keys(r)), type='s3')
    with Cache([layer], folder + '/a') as c:
        for n in names:
            c.put(n, n.encode() * 200)
        equal(c.flush(), 0)
        equal(c.stats(0).stores, len(names))
    with Cache([layer], folder + '/b') as c:
        equal(c.get_many(names), [n.encode() * 200 for n in names])


# ---- where the keys come from

def source(name, env=None, files=None, layer=None, access='ASTEMP', flags=2):
    def test(folder):
        s = StandIn()
        try:
            for path, text in (files or {}).items():
                os.makedirs(os.path.dirname(folder + '/' + path), exist_ok=True)
                with open(folder + '/' + path, 'w') as f:
                    f.write(text.replace('@', s.url))
            e = {k: v.replace('@', s.url).replace('~', folder) for k, v in (env or {}).items()}
            out = client(folder, s3(s, **(layer or {})), e, flags)
            equal(s.wrong, [], 'signatures')
            equal(out['got'], 'hello', str(out['log']))
            equal(set(s.used) - ({'AKSTATIC'} if access == 'ASTEMP' else set()), {access})
            for secret in ('static/secret', 'temp+secret', 'the/token=='):
                check(secret not in str(out), 'a secret is shown')
        finally:
            s.stop()
    test.__name__ = 'test_keys_from_' + name
    return test


STATIC = 'aws_access_key_id = AKSTATIC\naws_secret_access_key = static/secret\n'
SOURCES = [
    source('options', layer={'access_key_id': 'AKSTATIC', 'secret_access_key': 'static/secret'}, access='AKSTATIC', flags=3),
    source('environment', {'AWS_ACCESS_KEY_ID': 'AKSTATIC', 'AWS_SECRET_ACCESS_KEY': 'static/secret'}, access='AKSTATIC'),
    source('session_token', {'AWS_ACCESS_KEY_ID': 'ASTEMP', 'AWS_SECRET_ACCESS_KEY': 'temp+secret', 'AWS_SESSION_TOKEN': 'the/token=='}),
    source('credentials_file', files={'.aws/credentials': '# x\n[default]\n' + STATIC}, access='AKSTATIC', flags=0),
    source('profile', {'AWS_PROFILE': 'team'}, {'.aws/credentials': '[default]\naws_access_key_id=no\naws_secret_access_key=no\n[team]\n' + STATIC,
                                                '.aws/config': '[profile team]\ns3 =\n  addressing_style = path\nregion = us-east-1\n'}, access='AKSTATIC', flags=0),
    source('role', {'AWS_ENDPOINT_URL_STS': '@'}, {'.aws/credentials': '[base]\n' + STATIC, '.aws/config': '[profile x]\nrole_arn = arn:aws:iam::1:role/x\n'
                                                   'source_profile = base\nregion = us-east-1\n'}, {'profile': 'x'}, flags=0),
    source('role_of_environment', {'AWS_ENDPOINT_URL_STS': '@', 'AWS_PROFILE': 'x', 'AWS_CONFIG_FILE': '~/conf', 'AWS_ACCESS_KEY_ID': 'AKSTATIC',
                                   'AWS_SECRET_ACCESS_KEY': 'static/secret'},
           {'conf': '[profile x]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Environment\n'}, {'profile': 'x'}, flags=0),
    source('web_identity', {'AWS_ENDPOINT_URL_STS': '@', 'AWS_ROLE_ARN': 'arn:aws:iam::1:role/web', 'AWS_WEB_IDENTITY_TOKEN_FILE': '~/jwt'}, {'jwt': 'jwt.a.b\n'}),
    source('container', {'AWS_CONTAINER_CREDENTIALS_FULL_URI': '@/container', 'AWS_CONTAINER_AUTHORIZATION_TOKEN': 'container-token'}),
    source('container_token_file', {'AWS_CONTAINER_CREDENTIALS_FULL_URI': '@/container', 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE': '~/t'}, {'t': 'container-token'}),
    source('instance', {'AWS_EC2_METADATA_DISABLED': 'false', 'AWS_EC2_METADATA_SERVICE_ENDPOINT': '@'}),
]


def refused(name, text, env=None, files=None, layer=None):
    def test(folder):
        s = StandIn()
        try:
            for path, content in (files or {}).items():
                os.makedirs(os.path.dirname(folder + '/' + path), exist_ok=True)
                with open(folder + '/' + path, 'w') as f:
                    f.write(content)
            out = client(folder, s3(s, **(layer or {})), env, 0)
            equal(out['got'], None)
            check(any(text in t for t in out['log']), out['log'])
            equal([p for m, p in s.log if 'builds' in p], [], 'nothing is asked without keys')
        finally:
            s.stop()
    test.__name__ = 'test_refused_' + name
    return test


SOURCES += [
    refused('sso', 'aws configure export-credentials', {'AWS_PROFILE': 's'}, {'.aws/config': '[profile s]\nsso_session = x\nsso_account_id = 1\n'}),
    refused('credential_process', 'no program is started', None, {'.aws/config': '[default]\ncredential_process = /bin/echo x\n'}),
    refused('no_keys', 'no credentials'),
    refused('profile_that_is_not', 'is not in ~/.aws', {'AWS_PROFILE': 'missing'}),
    refused('circle', 'circle', {'AWS_PROFILE': 'a'}, {'.aws/config': '[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a\n'}),
    refused('container_of_others', 'neither https', {'AWS_CONTAINER_CREDENTIALS_FULL_URI': 'http://example.invalid/x'}),
]


def test_keys_that_end_are_asked_for_again(folder):
    s = StandIn()
    s.expires = 200  # within the time in which new ones are fetched
    try:
        out = client(folder, s3(s), {'AWS_CONTAINER_CREDENTIALS_FULL_URI': s.url + '/container', 'AWS_CONTAINER_AUTHORIZATION_TOKEN': 'container-token'}, rounds=2)
        equal(out['got'], 'hello')
        check(len([1 for _, p in s.log if p == '/container']) > 1)
        s.expires, s.log = 3600, []
        client(folder, s3(s), {'AWS_CONTAINER_CREDENTIALS_FULL_URI': s.url + '/container', 'AWS_CONTAINER_AUTHORIZATION_TOKEN': 'container-token'}, rounds=2)
        equal(len([1 for _, p in s.log if p == '/container']), 1)
    finally:
        s.stop()


def test_no_environment_is_read_where_the_host_forbids_it(folder):
    s = StandIn()
    try:
        out = client(folder, s3(s), {'AWS_ACCESS_KEY_ID': 'AKSTATIC', 'AWS_SECRET_ACCESS_KEY': 'static/secret'}, 3)
        equal(out['got'], None)
        equal(s.log, [])
    finally:
        s.stop()


def test_request_shapes(folder):
    s = StandIn('eu-central-1')
    try:
        mine = {'access_key_id': 'AKSTATIC', 'secret_access_key': 'static/secret', 'region': 'eu-central-1'}
        with Cache([dict(s3(s, prefix='/a b=c:d+e/', sse='aws:kms', sse_kms_key_id='k1', **mine), type='s3')], folder + '/a') as c:
            c.put('k', b'hello')
            c.flush()
            equal(s.wrong, [])
        (path, (_, headers)), = s.data.items()
        check(path.startswith('/builds/a%20b%3Dc%3Ad%2Be/compile/t/'), path)
        equal((headers['x-amz-server-side-encryption'], headers['x-amz-server-side-encryption-aws-kms-key-id'], headers['if-none-match']), ('aws:kms', 'k1', '*'))
        # A style of its own for the host: resolved by the resolver of this machine or not at all.
        with Cache([dict(s3(s, endpoint='http://localhost:%d' % s.port, path_style=False, **mine), type='s3')], folder + '/b') as c:
            c.put('k', b'hello')
            c.flush()
        hosts = [h.get('host') for _, (_, h) in s.data.items()] + [w[2].get('host') for w in s.wrong]
        check(all(h in ('builds.localhost:%d' % s.port, '127.0.0.1:%d' % s.port) for h in hosts), hosts)
        # A public bucket: no signature.
        with Cache([dict(s3(s, bucket='pub', credentials='none'), type='s3')], folder + '/c') as c:
            c.put('k', b'hello')
            c.flush()
            equal(c.get('k'), b'hello')
    finally:
        s.stop()


def stop():
    if isinstance(_rgw, servers.Rgw):
        _rgw.stop()


if __name__ == '__main__':
    mine = [t for n, t in sorted(globals().items(), key=lambda i: getattr(i[1], '__code__', stop.__code__).co_firstlineno) if n.startswith('test_')]
    sys.exit(api.main(mine + SOURCES, stop))
