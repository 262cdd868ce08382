#!/usr/bin/env python3
# Whatever happens to the store, what is delivered is right: ../../../shared/design/correctness.md, "The store and the chain".
#   tests/correctness/store.py [--core] [-v] [-k] [NAME...]      --core: what `make test` runs
# SPDX-License-Identifier: Apache-2.0
import ctypes, ctypes.util, glob, hashlib, os, random, resource, shutil, signal, stat, struct, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common_outputs as common
from common_outputs import Fail, Skip, check, difference, mount, snapshot, test, unmount

# ---- the formats of src/FORMAT.md ---------------------------------------------------------------------------------------


class H128(ctypes.Structure):
    _fields_ = [('lo', ctypes.c_uint64), ('hi', ctypes.c_uint64)]


def xxh():
    name = ctypes.util.find_library('xxhash')
    if not name:
        raise Skip('no libxxhash')
    lib = ctypes.CDLL(name)
    lib.XXH3_128bits.restype = H128
    lib.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    lib.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    lib.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    return lib


def varint(n):
    out = b''
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def string(s):
    return varint(len(s)) + s


def checksum(data):
    h = xxh().XXH3_128bits(data, len(data))
    return struct.pack('<QQ', h.lo, h.hi)


class Output:
    def __init__(self, role, data, mode=0, codec=0, raw=None, stored=None):
        self.role, self.data, self.mode, self.codec = role, data, mode, codec
        self.raw = len(data) if raw is None else raw
        self.stored = len(data) if stored is None else stored


def entry(key, outputs, magic=b'CCE1', merged=0, status=0, cls=b'', out=b'', err=b'', out_size=None, err_size=None, count=None, more=b'', header_size=None, spoil=False):
    h = key + varint(merged) + varint(status) + varint(5) + string(cls) + varint(len(out) if out_size is None else out_size) + varint(len(err) if err_size is None else err_size)
    h += varint(len(outputs) if count is None else count)
    for o in outputs:
        h += string(o.role) + varint(o.mode) + bytes([o.codec]) + varint(o.raw) + varint(o.stored)
    h += more
    body = magic + varint(len(h) if header_size is None else header_size) + h + out + err + b''.join(o.data for o in outputs)
    sum_ = checksum(body)
    return body + (sum_ if not spoil else b'\0' * 16) + b'{}'


def key_of(path):
    return bytes.fromhex(path.split('/')[-2])


def get(path):
    with open(path, 'rb') as f:
        return f.read()


def put(path, data):
    """In the place of what stands there, as a store would."""
    tmp = path + '.new'
    with open(tmp, 'wb') as f:
        f.write(data)
    os.rename(tmp, path)


# ---- what tests share -----------------------------------------------------------------------------------------------------

def simple(b, n=1, text='int f%d(int x) { return x * %d; }\n'):
    """n sources and what plain compiles make of them: [(argv, object)]"""
    made = []
    for i in range(n):
        b.write('s%d.c' % i, '#include "h.h"\n' + text % (i, i + 3))
    b.write('h.h', '#define H 1\n')
    for i in range(n):
        argv = [b.cc, '-c', 's%d.c' % i, '-o', 's%d.o' % i]
        r = b.run(argv)
        check(r.status == 0, 'the compiler fails: %r' % r.err)
        made.append((argv, b.read('s%d.o' % i)))
        os.unlink(b.path('s%d.o' % i))
    return made


def right(b, made, what, **more):
    argv, want = made
    name = argv[argv.index('-o') + 1]
    if os.path.lexists(b.path(name)):
        os.unlink(b.path(name))
    r = b.run(argv, cached=True, **more)
    check(r.status == 0 and not r.out and not r.err, '%s: status %s, %r %r' % (what, r.status, r.out[-200:], r.err[-300:]))
    check(b.read(name) == want, '%s: a wrong object (%s)' % (what, 'none' if b.read(name) is None else len(b.read(name))))


def stored(b, made):
    r, d = b.delta(lambda: right(b, made, 'first'))
    check(d['stores'] == 1, 'not stored: %s' % d)
    hit(b, made)


def hit(b, made, what='a hit'):
    r, d = b.delta(lambda: right(b, made, what))
    check(d['hits'] == 1, '%s: no hit: %s' % (what, d))


def quick(b, made):
    """Compiles of misses by a program that copies the right object: for hundreds of them."""
    good = os.path.join(b.dir, 'good-' + made[0][made[0].index('-o') + 1])
    with open(good, 'wb') as f:
        f.write(made[1])
    argv = list(made[0])
    argv[argv.index('-o') + 1] = os.path.join(b.dir, 'unused.o')
    check(b.run(argv + ['-MD', '-MF', good + '.d']).status == 0, 'the compiler fails')
    b.env['CCHAIN_PREFIX'] = '%s stub %s' % (common.TOOL, good)


def positions(size, dense, stride):
    return sorted(set(list(range(min(size, dense))) + list(range(0, size, stride)) + list(range(max(0, size - 24), size))))


def spoil_each(b, kind):
    made = simple(b, 2)
    stored(b, made[0])
    stored(b, made[1])
    quick(b, made[0])
    b.write('x', '')

    def mine():
        # The blobs of the first source: found by what they hold, since names are hashes.
        paths = b.blobs(kind)
        return paths
    paths = mine()
    check(len(paths) == 2, '%d blobs' % len(paths))
    # Which one belongs to s0: take each away in turn.
    first = None
    for p in paths:
        os.rename(p, p + '.away')
        r, d = b.delta(lambda: b.run(made[0][0], cached=True, env={'CCHAIN_READ_ONLY': 'all'}))
        os.rename(p + '.away', p)
        if d['hits'] == 0:
            first = p
    check(first, 'no blob is needed for a hit?')
    other = [p for p in paths if p != first][0]
    whole, other_bytes = get(first), get(other)
    # The tail of an entry is for people: no part of the checksum.
    size = len(whole)
    if kind == 'entry':
        size = whole.rindex(b'{"time"')
    changes = []
    for at in positions(size, 160, 7):
        changes.append(('flip %d' % at, whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:]))
    for at in positions(size, 80, 23):
        changes.append(('cut at %d' % at, whole[:at]))
    for n in (1, 8, 64, 512):
        changes.append(('%d zero bytes in the middle' % n, whole[:size // 2] + b'\0' * n + whole[size // 2 + n:]))
        changes.append(('%d bytes more in the middle' % n, whole[:size // 2] + b'X' * n + whole[size // 2:]))
        changes.append(('%d bytes fewer in the middle' % n, whole[:size // 2] + whole[size // 2 + n:]))
    changes.append(('all zero', b'\0' * len(whole)))
    changes.append(('twice', whole + whole))
    changes.append(('reversed', whole[::-1]))
    for name, data in changes:
        if data == whole:
            continue
        put(first, data)
        before = b.stats()
        right(b, made[0], name)
        after = b.stats() if b.random.random() < 0.1 else None
        if after:
            check(after['hits'] == before['hits'], '%s: a hit' % name) if kind == 'entry' and name != 'twice' else None
        now = get(first) if os.path.exists(first) else None
        # Another version (the magic's last byte) stays; what is behind the checksum of an entry is not looked at.
        foreign = name.startswith('flip 3') and len(data) > 3 and data[:3] == whole[:3] and data[3] != whole[3]
        if kind == 'entry' and name == 'twice':
            continue
        if foreign:
            check(now == data, name + ': an entry of another version was touched')
        else:
            check(now is not None and now != data and now[:size] == whole[:size] if kind == 'record' else now is not None and now != data, '%s: the bad one was not replaced' % name)
        put(first, whole)
    # Appended and exchanged.
    for name, data in (('appended', whole + b'more'), ('that of another key', other_bytes)):
        put(first, data)
        right(b, made[0], name)
        check(get(other) == other_bytes, name + ': the other one was touched')
        put(first, whole)
    del b.env['CCHAIN_PREFIX']
    hit(b, made[0], 'after all')
    hit(b, made[1], 'after all, the other')


# ---- bits --------------------------------------------------------------------------------------------------------------

@test()
def t_entry_spoilt(b):
    spoil_each(b, 'entry')


@test()
def t_record_spoilt(b):
    spoil_each(b, 'record')


@test()
def t_entry_spoilt_with_streams(b):
    """Warnings, a dependency file, two outputs: every position, no wrong text either."""
    b.write('w.c', 'int f(int x) { int u; return x; }\n')
    argv = [b.cc, '-Wall', '-MD', '-c', 'w.c', '-o', 'w.o']
    plain = b.once(argv, False)
    b.store_now(argv)
    b.hit_now(argv)
    path = b.blobs()[0]
    whole = get(path)
    size = whole.rindex(b'{"time"')
    for at in positions(size, 0, max(1, size // 60)):
        put(path, whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])
        b.same(plain, b.once(argv, True), 'flip %d' % at)
        put(path, whole)
    b.same(plain, b.hit_now(argv), 'after all')


@test()
def t_compressed_entry_spoilt(b):
    b.env['CCHAIN_COMPRESSION'] = 'on'
    b.write('z.c', 'const char z[20000] = {1};\nconst char y[] = "%s";\n' % ('abcdefgh' * 500))
    argv = [b.cc, '-c', 'z.c', '-o', 'z.o']
    made = (argv, b.once(argv, False).files['z.o'][3])
    stored(b, made)
    path = b.blobs()[0]
    whole = get(path)
    check(len(whole) < len(made[1]), 'not compressed')
    quick(b, made)
    for at in positions(len(whole), 120, 3):
        put(path, whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:])
        right(b, made, 'flip %d' % at)
        put(path, whole)
    del b.env['CCHAIN_PREFIX']
    hit(b, made)


@test()
def t_odd_things_for_blobs(b):
    """A folder, a link, a FIFO, a device, an unreadable file where an entry or a record belongs."""
    victim = os.path.join(b.dir, 'victim')
    for kind in ('entry', 'record'):
        for odd in ('dir', 'full dir', 'link', 'dangling', 'fifo', 'device', 'no mode', 'hex is a file', 'hex is a link', 'hh is a file'):
            for space in ('compile', 'inputs'):
                shutil.rmtree(os.path.join(b.cache, space), ignore_errors=True)
            made = simple(b)[0]
            stored(b, made)
            path = b.blobs(kind)[0]
            whole = get(path)
            with open(victim, 'wb') as f:
                f.write(b'precious')
            hexdir = os.path.dirname(path)
            hh = os.path.dirname(hexdir)
            if odd.startswith('h'):
                at = hexdir if odd.startswith('hex') else hh
                shutil.rmtree(at)
                if odd.endswith('file'):
                    open(at, 'w').close()
                else:
                    os.mkdir(victim + '.d')
                    os.symlink(victim + '.d', at)
            else:
                os.unlink(path)
                if 'dir' in odd:
                    os.mkdir(path)
                    if 'full' in odd:
                        open(path + '/x', 'w').close()
                elif odd == 'link':
                    os.symlink(victim, path)
                elif odd == 'dangling':
                    os.symlink(victim + '.none', path)
                elif odd == 'fifo':
                    os.mkfifo(path)
                elif odd == 'device':
                    try:
                        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
                    except OSError as e:
                        continue
                else:
                    put(path, whole)
                    os.chmod(path, 0)
            for turn in range(2):
                right(b, made, '%s for an %s' % (odd, kind), timeout=10)
            check(get(victim) == b'precious' and not os.path.exists(victim + '.none'), odd + ': written through a link')
            for command in (['trim'], ['trim', '--max-size', '0'], ['clear', '--yes']):
                r = b.run([common.CCHAIN] + command, timeout=10)
                check(r.status >= 0, '%s: %s dies' % (odd, command))
            check(get(victim) == b'precious', odd + ': removed through a link')
            right(b, made, odd + ', after clear', timeout=10)
            shutil.rmtree(victim + '.d', ignore_errors=True)


# ---- forged entries ----------------------------------------------------------------------------------------------------

@test()
def t_forged_entries(b):
    """With a right checksum and the right key: nothing outside the declared outputs is written, no crash, no great memory."""
    xxh()
    made = simple(b)[0]
    argv, want = made
    stored(b, made)
    path = b.blobs()[0]
    whole = get(path)
    key = key_of(path)
    good = entry(key, [Output(b'object', want)])
    put(path, good)
    hit(b, made, 'an entry made by this test')  # else the encoder is wrong and all below proves nothing
    put(path, entry(key, [Output(b'object', b'forged')]))
    os.path.exists(b.path('s0.o')) and os.unlink(b.path('s0.o'))
    b.run(argv, cached=True)
    check(b.read('s0.o') == b'forged', 'a forged entry of the own root is not taken: the test proves nothing')
    os.unlink(b.path('s0.o'))
    quick(b, made)
    max_ = (1 << 64) - 1
    other = bytes(32)
    zeros = b'\0' * 100
    cases = {
        'unknown role': entry(key, [Output(b'evil', b'x')]),
        'unknown role too': entry(key, [Output(b'object', want), Output(b'evil', b'x')]),
        'a path for a role': entry(key, [Output(b'object', want), Output(b'../../../' + b.path('planted').encode(), b'x')]),
        'absolute role': entry(key, [Output(b.path('planted').encode(), b'x')]),
        'depfile that is not declared': entry(key, [Output(b'object', want), Output(b'depfile', b'x')]),
        'object twice': entry(key, [Output(b'object', b'one'), Output(b'object', b'two')]),
        'no output': entry(key, []),
        'empty role': entry(key, [Output(b'', b'x')]),
        'role with NUL': entry(key, [Output(b'object\0', want)]),
        'long role': entry(key, [Output(b'o' * 100000, want)]),
        '64 outputs': entry(key, [Output(b'o%d' % i, b'x') for i in range(64)]),
        '65 outputs': entry(key, [Output(b'object', want)] + [Output(b'o%d' % i, b'x') for i in range(64)]),
        'claims 2^64-1 outputs': entry(key, [Output(b'object', want)], count=max_),
        'claims 2^32 outputs': entry(key, [Output(b'object', want)], count=1 << 32),
        'raw 2^64-1': entry(key, [Output(b'object', want, codec=1, raw=max_)]),
        'raw and stored 2^64-1': entry(key, [Output(b'object', want, raw=max_, stored=max_)]),
        'stored 2^63': entry(key, [Output(b'object', want, raw=1 << 63, stored=1 << 63)]),
        'sums that wrap': entry(key, [Output(b'object', want), Output(b'x', b'', codec=1, raw=max_ - 10, stored=0), Output(b'y', b'', codec=1, raw=max_ - 10, stored=0)]),
        'stored sums that wrap': entry(key, [Output(b'object', want), Output(b'x', b'', raw=max_ - len(want) + 1, stored=max_ - len(want) + 1)]),
        'stdout 2^64-1': entry(key, [Output(b'object', want)], out_size=max_),
        'stderr that wraps': entry(key, [Output(b'object', want)], out=b'xxxxxxxx', err_size=max_ - 7),
        'stderr of another class': entry(key, [Output(b'object', want)], err=b'planted', cls=b'none'),
        'stderr without a class': entry(key, [Output(b'object', want)], err=b'planted'),
        'status 256': entry(key, [Output(b'object', want)], status=256),
        'status 2^64-1': entry(key, [Output(b'object', want)], status=max_),
        'mode 2^20': entry(key, [Output(b'object', want, mode=1 << 20)]),
        'codec 2': entry(key, [Output(b'object', want, codec=2)]),
        'codec 255': entry(key, [Output(b'object', want, codec=255)]),
        'raw is not stored': entry(key, [Output(b'object', want, raw=len(want) + 1)]),
        'no zstd': entry(key, [Output(b'object', want, codec=1, raw=1000)]),
        'header 2^63': entry(key, [Output(b'object', want)], header_size=1 << 63),
        'header longer': entry(key, [Output(b'object', want)], header_size=1 << 20),
        'rest in the header': entry(key, [Output(b'object', want)], more=b'xyz'),
        'another key': entry(other, [Output(b'object', b'forged')]),
        'version 2': entry(key, [Output(b'object', b'forged')], magic=b'CCE2'),
        'wrong checksum': entry(key, [Output(b'object', b'forged')], spoil=True),
        'varint without end': b'CCE1' + b'\xff' * 30,
        'sparse and huge': None,
    }
    zstd = ctypes.util.find_library('zstd')
    if zstd:
        lib = ctypes.CDLL(zstd)
        lib.ZSTD_compress.restype = ctypes.c_size_t
        lib.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]

        def pack(data):
            out = ctypes.create_string_buffer(len(data) + 1000)
            n = lib.ZSTD_compress(out, len(out), data, len(data), 1)
            return out.raw[:n]
        bomb = pack(b'\0' * (1 << 26))
        cases['bomb: frame longer than claimed'] = entry(key, [Output(b'object', bomb, codec=1, raw=1000)])
        cases['bomb: frame shorter than claimed'] = entry(key, [Output(b'object', pack(want), codec=1, raw=len(want) + 1)])
        cases['bomb: claims 10 GB'] = entry(key, [Output(b'object', bomb, codec=1, raw=10 << 30)])
        cases['bomb: 64 times'] = entry(key, [Output(b'o%d' % i, bomb, codec=1, raw=1 << 26) for i in range(16)])
        cases['bomb: two frames'] = entry(key, [Output(b'object', pack(want) + pack(want), codec=1, raw=len(want))])
        cases['bomb: bytes behind the frame'] = entry(key, [Output(b'object', pack(want) + b'xx', codec=1, raw=len(want))])
    before = snapshot(b.w)
    for name, data in cases.items():
        if data is None:
            put(path, whole)
            os.truncate(path, 1 << 40)
        else:
            put(path, data)
        limits = {resource.RLIMIT_AS: 1 << 30} if name.startswith(('bomb', 'sparse', 'raw', 'claims')) else None
        right(b, made, name, limits=limits, timeout=30)
        now = snapshot(b.w)
        del now['s0.o']
        d = difference(before, now)
        check(not d, '%s: %s' % (name, d))
        put(path, whole)
    # Bits beyond those of an executable are not taken over.
    for mode in (0o7777, 0o6000, 0o2000, 0o1000, 0o222, 0o111):
        put(path, entry(key, [Output(b'object', want, mode=mode)]))
        right(b, made, 'mode %o' % mode)
        got = stat.S_IMODE(os.stat(b.path('s0.o')).st_mode)
        check(got in (0o644, 0o755), 'mode %o of an entry: the object has %o' % (mode, got))
    put(path, whole)
    del b.env['CCHAIN_PREFIX']
    hit(b, made, 'after all')


@test(compilers=('gcc',))
def t_forged_dependency_role(b):
    """With -MD declared, an entry that lacks one of the two, or has a third."""
    xxh()
    b.write('a.c', 'int f(void) { return 1; }\n')
    argv = [b.cc, '-MD', '-c', 'a.c', '-o', 'a.o']
    plain = b.once(argv, False)
    b.store_now(argv)
    path = b.blobs()[0]
    whole, key = get(path), key_of(path)
    o, d = plain.files['a.o'][3], plain.files['a.d'][3]
    for name, outputs in (('no depfile', [Output(b'object', o)]), ('no object', [Output(b'depfile', d)]), ('a third', [Output(b'object', o), Output(b'depfile', d), Output(b'dwo', b'x')]),
                          ('depfile twice', [Output(b'object', o), Output(b'depfile', d), Output(b'depfile', d)]), ('none', [])):
        put(path, entry(key, outputs))
        b.same(plain, b.once(argv, True), name)
    put(path, whole)
    b.same(plain, b.hit_now(argv), 'after all')


@test(compilers=('gcc',))
def t_forged_records(b):
    """Records with a right checksum that say anything: a miss, never a wrong object, no great memory."""
    xxh()
    made = simple(b)[0]
    stored(b, made)
    path = b.blobs('record')[0]
    whole, key = get(path), key_of(path)
    quick(b, made)
    n = len(whole)
    body = whole[4 + 32:-16]
    max_ = (1 << 64) - 1

    def record(rest, magic=b'CCR1', k=key):
        data = magic + k + rest
        return data + checksum(data)
    check(record(body) == whole, 'the encoder is wrong')
    place = lambda dirs, files, names, ranges, flags=0, version=1, counts=None: bytes([version]) + varint(flags) + b''.join(varint(c) for c in (counts or (len(dirs), len(files), len(names), len(ranges)))) + \
        b''.join(string(d) for d in dirs) + b''.join(varint(w) + string(f) for w, f in files) + b''.join(string(x) for x in names) + b''.join(varint(a) + varint(b_) + varint(c) for a, b_, c in ranges)
    one = lambda p: record(varint(1) + varint(0) + string(p))
    fifo = os.path.join(b.dir, 'fifo')
    os.mkfifo(fifo)
    cases = {
        'no set': record(varint(0)), '17 sets': record(varint(17) + (varint(0) + string(b'')) * 17), '2^64-1 sets': record(varint(max_)), 'rest': record(body + b'x'),
        'another key': record(body, k=bytes(32)), 'version 2': record(body, magic=b'CCR2'), 'empty set': one(b''), 'no places': one(place([], [], [], [])),
        'version of places': one(place([], [], [], [], version=2)), 'claims 2^60 dirs': one(place([], [], [], [], counts=(1 << 60, 0, 0, 0))), 'claims that wrap': one(place([], [], [], [], counts=(max_, 1, 1, 1))),
        'claims files': one(place([b'/'], [], [], [], counts=(1, 1 << 40, 0, 0))), 'a FIFO is an input': one(place([b.dir.encode()], [(0, b'fifo')], [], [])), 'a device is an input': one(place([b'/dev'], [(0, b'zero')], [], [])),
        'the source only': one(place([b''], [(0, b's0.c')], [], [])), 'range far': one(place([b''], [], [b'x'], [(0, 0, 1 << 40)])), 'name far': one(place([b''], [], [b'x'], [(1 << 40, 0, 0)])),
        'relative paths': one(place([b'../../../../../..'], [(0, b'etc/passwd')], [], [])), 'a NUL': one(place([b'/tmp\0x'], [(0, b'a\0b')], [], [])), 'long names': one(place([b'/' + b'x' * 100000], [(0, b'y' * 100000)], [], [])),
        'all kinds': one(place([b'/', b''], [(0, b'etc'), (1, b'tmp'), (2, b'tmp'), (3, b'tmp')], [b'q'], [(0, 0, 1)], flags=1)), 'unknown flags': one(place([], [], [], [], flags=0xffff)),
    }
    for name, data in cases.items():
        put(path, data)
        right(b, made, name, limits={resource.RLIMIT_AS: 1 << 30}, timeout=20)
        right(b, made, name + ', again', timeout=20)
        put(path, whole)
    del b.env['CCHAIN_PREFIX']
    hit(b, made, 'after all')


# ---- kills, concurrency -----------------------------------------------------------------------------------------------------

def start(b, argv, **env):
    return subprocess.Popen([common.CCHAIN] + argv, cwd=b.w, env=b.full_env(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def end(p):
    """Kills it and then what it has started; returns what was printed."""
    p.kill()
    p.wait()
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return p.communicate()[0]


@test()
def t_killed_at_any_moment(b):
    """50 rounds of 8 processes, killed; then everything is consistent."""
    made = simple(b, 6)
    right(b, made[0], 'warm')
    for round_ in range(50):
        if round_ % 5 == 0:
            b.run([common.CCHAIN, 'clear', '--yes'])
        ps, killed = [], []
        for i in range(8):
            argv = list(made[b.random.randrange(6)][0])
            argv[-1] = 'k%d.o' % i
            ps.append(start(b, argv))
        wait = b.random.random() * 0.12
        t = time.time()
        while ps and time.time() - t < wait:
            time.sleep(0.002)
            if b.random.random() < 0.15:
                p = ps.pop(b.random.randrange(len(ps)))
                p.kill()
                killed.append(p)
        for p in ps:
            p.kill()
        for p in killed + ps:
            out = end(p)
            check(not out, 'prints %r' % out)
        for i in range(8):
            data = b.read('k%d.o' % i)
            if data is not None:
                os.unlink(b.path('k%d.o' % i))
    for m in made:
        for turn in range(2):
            right(b, m, 'after all')
        hit(b, m, 'after all')
    r = b.run([common.CCHAIN, 'trim'])
    check(r.status == 0, 'trim: %r' % r.err)
    for m in made:
        hit(b, m, 'after trim')
    # Each entry whole: every one is what the format says.
    for p in b.blobs() + b.blobs('record'):
        data = get(p)
        check(data[:3] == b'CCE' or data[:3] == b'CCR', '%s: %r' % (p, data[:8]))
    counted = b.stats()['layers'][0]
    check(counted['entries'] == len(b.blobs()) + len(b.blobs('record')), 'the index counts %s, there are %d and %d' % (counted['entries'], len(b.blobs()), len(b.blobs('record'))))
    # What killed processes left is swept by later runs once it is old.
    for at, dirs, files in os.walk(b.cache):
        for f in files:
            if not f.startswith(('entry', 'record', 'index')) and '/private' not in at:
                os.utime(os.path.join(at, f), (time.time() - 90000,) * 2)
    b.run([common.CCHAIN, 'trim'])
    for m in made:
        right(b, m, 'after the sweep')
    left = [os.path.join(at, f) for at, dirs, files in os.walk(b.cache) for f in files if f not in ('entry', 'record', 'index') and '/private' not in at]
    check(not left, 'strays are left: %s' % left[:5])


def many(b, made, workers, each, other, seed=1, during=None):
    """workers threads, each `each` compiles of any of `made`, into files of their own, while other() goes on."""
    stop, bad = threading.Event(), []

    def disturb():
        while not stop.is_set():
            try:
                other()
            except Exception as e:
                bad.append('the other: %s' % e)
                return

    def work(n):
        rnd = random.Random(seed * 1000 + n)
        for i in range(each):
            argv, want = made[rnd.randrange(len(made))]
            argv = list(argv)
            argv[-1] = 'w%d.o' % n
            r = b.run(argv, cached=True)
            if r.status or r.out or r.err:
                bad.append('%s: status %s %r' % (argv, r.status, r.err[-200:]))
            elif b.read(argv[-1]) != want:
                bad.append('%s: a wrong object' % argv)
            if bad:
                return
    d = threading.Thread(target=disturb)
    d.start()
    ws = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
    for w in ws:
        w.start()
    for w in ws:
        w.join()
    stop.set()
    d.join()
    check(not bad, '; '.join(bad[:3]))


@test()
def t_concurrent_with_eviction(b):
    """16 processes, the same and different keys, while another evicts."""
    made = simple(b, 5)
    right(b, made[0], 'warm')
    sizes = ['0', '20K', '40K', '1M']

    def other():
        r = b.run([common.CCHAIN, 'trim', '--max-size', b.random.choice(sizes)])
        check(r.status == 0, 'trim: %r' % r.err)
        if b.random.random() < 0.3:
            r = b.run([common.CCHAIN, 'clear', '--yes'])
            check(r.status == 0, 'clear: %r' % r.err)
        time.sleep(0.01)
    s0 = b.stats()
    many(b, made, 16, 8, other)
    s1 = b.stats()
    check(s1['hits'] > s0['hits'] and s1['stores'] > s0['stores'], 'no hits or no stores: %s' % s1)
    for m in made:
        right(b, m, 'after all')
        hit(b, m, 'after all')
    counted = b.stats()['layers'][0]
    there = len(b.blobs()) + len(b.blobs('record'))
    check(counted['entries'] == there, 'the index counts %s, there are %d' % (counted['entries'], there))


@test()
def t_concurrent_with_a_small_limit(b):
    made = simple(b, 8)
    b.env['CCHAIN_MAX_SIZE'] = '50000'
    right(b, made[0], 'warm')
    many(b, made, 16, 6, lambda: time.sleep(0.05))
    used = sum((os.stat(p).st_size + 4095) // 4096 * 4096 + 4096 for p in b.blobs() + b.blobs('record'))
    check(used <= 50000 * 1.05, '%d bytes of 50000' % used)


# ---- trouble with the folder -----------------------------------------------------------------------------------------------

def plain_with_warning(b):
    b.write('w.c', '#include <stdio.h>\nint f(int x) { int u; return x; }\n')
    b.write('v.c', 'int f(int x) { int v; return x; }\n')
    commands = [[b.cc, '-Wall', '-MD', '-c', 'w.c', '-o', 'w.o'], [b.cc, '-Wall', '-c', 'v.c', '-o', 'v.o']]
    return commands, [b.once(c, False) for c in commands]


def as_plain(b, commands, plain, what, rounds=2, **more):
    for turn in range(rounds):
        for c, p in zip(commands, plain):
            b.same(p, b.once(c, True, **more), '%s, round %d' % (what, turn + 1))


@test()
def t_disk_full(b):
    m = os.path.join(b.dir, 'mnt')
    os.mkdir(m)
    commands, plain = plain_with_warning(b)
    for options, fill in (('size=64k', False), ('size=300k', True), ('size=20m,nr_inodes=12', False), ('size=4k', False), ('size=40m', True)):
        mount('-t', 'tmpfs', '-o', options, 'tmpfs', m)
        try:
            root = os.path.join(m, 'c')
            if fill:
                env = {'CCHAIN_DIR': root}
                as_plain(b, commands[:1], plain[:1], options + ', before it is full', env=env)
                ballast = os.open(os.path.join(m, 'ballast'), os.O_WRONLY | os.O_CREAT)
                try:
                    while True:
                        os.write(ballast, b'x' * 4096)
                except OSError:
                    pass
                os.close(ballast)
            env = {'CCHAIN_DIR': root}
            as_plain(b, commands, plain, options, env=env)
            r = b.run([common.CCHAIN, 'stats', '--json'], env=env)
            check(r.status == 0, '%s: stats: status %s %r' % (options, r.status, r.err))
            # With the statistics elsewhere the trouble is told.
            env['CCHAIN_STATE_DIR'] = os.path.join(b.dir, 'state' + options.replace(',', '').replace('=', ''))
            as_plain(b, commands, plain, options + ', state elsewhere', env=env)
            s = b.stats(env)
            check(s['hits'] == 4 or s['troubles'], '%s: nothing in troubles: %s' % (options, s))
            if fill:
                os.unlink(os.path.join(m, 'ballast'))
                as_plain(b, commands, plain, options + ', room again', env={'CCHAIN_DIR': root})
        finally:
            unmount(m)


@test()
def t_disk_full_where_the_outputs_are(b):
    m = os.path.join(b.dir, 'mnt')
    os.mkdir(m)
    b.write('big.c', 'const char big[100000] = {1};\n')
    argv = [b.cc, '-c', b.path('big.c'), '-o', 'a.o', '-MD', '-MF', 'a.d', '-MT', 't']
    b.store_now(argv)
    b.hit_now(argv)
    for size in ('size=8k', 'size=64k', 'size=100k'):
        mount('-t', 'tmpfs', '-o', size, 'tmpfs', m)
        try:
            def run(cached):
                for f in os.listdir(m):
                    os.unlink(os.path.join(m, f))
                r = b.run(argv, cached=cached, cwd=m)
                r.files = snapshot(m)
                return r
            plain = run(False)
            check(plain.status != 0, 'the test proves nothing')
            got = run(True)
            # clang dies with a stack dump, whose addresses differ.
            check(got.status == plain.status and b.norm(got.err)[:60] == b.norm(plain.err)[:60], '%s: status %s, not %s; %r, not %r' % (size, got.status, plain.status, got.err, plain.err))
            d = difference(plain.files, got.files, loose='a.o')
            check(not d, '%s: %s' % (size, d))
        finally:
            unmount(m)
    b.hit_now(argv)


@test()
def t_read_only_mount(b):
    commands, plain = plain_with_warning(b)
    as_plain(b, commands[:1], plain[:1], 'before')
    mount('--bind', b.cache, b.cache)
    try:
        r = subprocess.run(['mount', '-o', 'remount,bind,ro', b.cache], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if r.returncode:
            raise Skip('mount: %s' % r.stdout.decode(errors='replace').strip())
        as_plain(b, commands, plain, 'read-only')
        state = {'CCHAIN_STATE_DIR': os.path.join(b.dir, 'state')}
        as_plain(b, commands, plain, 'read-only, state elsewhere', env=state)
        s = b.stats(state)
        check(s['hits'] == 2, 'what is there is not served: %s' % s)
        check(s['troubles'], 'nothing in troubles: %s' % s)
    finally:
        unmount(b.cache)
    as_plain(b, commands, plain, 'after')


@test()
def t_immutable_folders(b):
    commands, plain = plain_with_warning(b)
    as_plain(b, commands[:1], plain[:1], 'before')
    b.immutable = True
    for what in ([], ['compile'], ['inputs'], ['private'], ['private/memo'], ['index'], ['private/stats']):
        path = os.path.join(b.cache, *what)
        r = subprocess.run(['chattr', '+i', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if r.returncode:
            raise Skip('chattr: %s' % r.stdout.decode(errors='replace').strip())
        try:
            as_plain(b, commands, plain, 'immutable ' + path)
            b.write('v.c', 'int f(int x) { int v; return x; }\n// %s\n' % what)
            plain = [b.once(c, False) for c in commands]
            as_plain(b, commands, plain, 'immutable ' + path)
        finally:
            subprocess.run(['chattr', '-i', path])
    as_plain(b, commands, plain, 'after')


@test()
def t_read_only_for_another_user(b):
    """A root of another user's, readable: hits or misses, never a word, nothing written, and its private folder is not trusted."""
    if os.geteuid():
        raise Skip('not root')
    nobody = 65534
    commands, plain = plain_with_warning(b)
    as_plain(b, commands[:1], plain[:1], 'before')
    os.chown(b.w, nobody, nobody)
    os.chown(b.tmp, nobody, nobody)
    before = snapshot(b.cache)
    for mode in (0o700, 0o755, 0o777):
        os.chmod(os.path.join(b.cache, 'private'), mode)
        as_plain(b, commands, plain, 'as nobody, private %o' % mode, user=nobody, rounds=1)
    os.chmod(os.path.join(b.cache, 'private'), 0o700)
    d = difference(before, snapshot(b.cache))
    check('private' in d or not d, 'something was written: %s' % d)
    # As nobody, with a state of its own.
    state = os.path.join(b.dir, 'state')
    os.mkdir(state, 0o700)
    os.chown(state, nobody, nobody)
    as_plain(b, commands, plain, 'as nobody with state', user=nobody, env={'CCHAIN_STATE_DIR': state})


@test()
def t_vanishes(b):
    made = simple(b, 4)

    def other():
        time.sleep(b.random.random() * 0.05)
        away = os.path.join(b.dir, 'away%d' % b.random.randrange(1 << 60))
        try:
            os.rename(b.cache, away)
        except OSError:
            return
        shutil.rmtree(away, ignore_errors=True)
    many(b, made, 8, 12, other)
    for part in ('compile', 'inputs', 'private', 'index', 'compile/local', 'private/probes'):
        for m in made:
            right(b, m, 'before ' + part)
        p = os.path.join(b.cache, part)
        shutil.rmtree(p) if os.path.isdir(p) else os.unlink(p)
        for m in made:
            right(b, m, 'without ' + part)
            hit(b, m, 'without %s, again' % part)


@test()
def t_odd_roots(b):
    commands, plain = plain_with_warning(b)
    f = os.path.join(b.dir, 'file')
    with open(f, 'w') as g:
        g.write('precious')
    os.symlink('nowhere', os.path.join(b.dir, 'dangling'))
    os.symlink('loop', os.path.join(b.dir, 'loop'))
    os.mkfifo(os.path.join(b.dir, 'fifo'))
    os.mkdir(os.path.join(b.dir, 'real'))
    os.symlink('real', os.path.join(b.dir, 'link'))
    for root in (f, f + '/below', os.path.join(b.dir, 'dangling'), os.path.join(b.dir, 'loop'), os.path.join(b.dir, 'fifo'), '/dev/null', '/dev/null/x', '/proc/none/x', '/sys/none', 'relative', '', '~none/x',
                 '/' + 'x' * 300, os.path.join(b.dir, 'link'), os.path.join(b.dir, 'with blank'), os.path.join(b.dir, 'with\nnewline'), os.path.join(b.dir, 'ü')):
        as_plain(b, commands[1:], plain[1:], 'CCHAIN_DIR=%r' % root[:60], env={'CCHAIN_DIR': root})
        if root.endswith(('/link', '/with blank')):
            as_plain(b, commands[1:], plain[1:], 'CCHAIN_DIR=%r' % root[:60], env={'CCHAIN_DIR': root})
        r = b.run([common.CCHAIN, 'stats', '--json'], env={'CCHAIN_DIR': root})
        check(r.status == 0, 'stats of %r: status %s %r' % (root[:60], r.status, r.err))
    check(open(f).read() == 'precious' and os.path.islink(os.path.join(b.dir, 'loop')), 'a file was touched')
    for name in ('link', 'with blank'):
        s = b.stats({'CCHAIN_DIR': os.path.join(b.dir, name)})
        check(s['hits'] == 3, '%s: %s' % (name, s))
    s = b.stats({'CCHAIN_DIR': f})
    check(s['troubles'], 'a root that is a file: no trouble told: %s' % s)
    # The rest of the environment.
    for env in ({'CCHAIN_MAX_SIZE': '1'}, {'CCHAIN_MAX_SIZE': '0'}, {'CCHAIN_MAX_SIZE': 'x'}, {'CCHAIN_TENANT': '../x'}, {'CCHAIN_TENANT': ''}, {'CCHAIN_CONFIG': f}, {'CCHAIN_CONFIG': b.dir}, {'CCHAIN_LAYERS': 'nonsense'},
                {'CCHAIN_LAYERS': 'http://127.0.0.1:1/'}, {'CCHAIN_STATE_DIR': f}, {'CCHAIN_LOG': b.dir}, {'CCHAIN_LOG': '/dev/full'}, {'CCHAIN_STATS_LOG': '/dev/full'}, {'CCHAIN_MODE': 'x'}, {'HOME': None, 'CCHAIN_DIR': None},
                {'CCHAIN_DISABLE': '1'}, {'CCHAIN_READ_ONLY': 'all'}, {'CCHAIN_RECACHE': '1'}, {'CCHAIN_COMPRESSION': 'on'}, {'CCHAIN_MODE': 'preprocess'}, {'CCHAIN_MODE': 'direct+preprocess'}):
        as_plain(b, commands[:1], plain[:1], str(env), env=env)


# ---- private tables -----------------------------------------------------------------------------------------------------------

TABLES = ('digests', 'memo', 'scans', 'scans.data', 'names', 'names.data', 'probes/*', 'stats/*', 'tmp', 'probes', 'stats')


def aged(b, n=3):
    """Sources that are old enough for identities to be used between processes, with entries and a warm memo."""
    made = simple(b, n)
    time.sleep(2.1)
    for m in made:
        right(b, m, 'first')
        hit(b, m)
    return made


@test()
def t_private_tables_spoilt(b):
    made = aged(b)
    private = os.path.join(b.cache, 'private')
    saved = os.path.join(b.dir, 'saved')
    subprocess.run(['cp', '-a', '--sparse=always', private, saved], check=True)
    victim = os.path.join(b.dir, 'victim')

    def restore():
        subprocess.run(['rm', '-rf', private])
        subprocess.run(['cp', '-a', '--sparse=always', saved, private], check=True)

    def garbage(p):
        n = min(os.path.getsize(p), 1 << 22)
        with open(p, 'r+b') as f:
            f.write(random.Random(n).randbytes(n))

    def bits(p):
        # Where there is something: flipped here and there.
        with open(p, 'r+b') as f:
            data = f.read()
            at = [i for i in range(0, len(data), 512) if any(data[i:i + 512])]
            for i in at:
                for k in range(8):
                    j = i + b.random.randrange(512)
                    if j < len(data):
                        f.seek(j)
                        f.write(bytes([data[j] ^ (1 << b.random.randrange(8))]))

    def rotate(p):
        # Whole slots, each in the place of the next.
        with open(p, 'r+b') as f:
            data = f.read()
            at = [i for i in range(0, len(data) - 63, 64) if any(data[i:i + 64])]
            for i, j in zip(at, at[1:] + at[:1]):
                f.seek(i)
                f.write(data[j:j + 64])

    def odd(make):
        def change(p):
            shutil.rmtree(p) if os.path.isdir(p) else os.unlink(p)
            make(p)
        return change
    changes = {
        'empty': lambda p: os.truncate(p, 0), 'half': lambda p: os.truncate(p, os.path.getsize(p) // 2), 'odd length': lambda p: os.truncate(p, os.path.getsize(p) * 2 // 3 + 7), 'one byte': lambda p: os.truncate(p, 1),
        'garbage': garbage, 'bits': bits, 'slots exchanged': rotate, 'longer': lambda p: open(p, 'ab').write(b'\xff' * 100000), 'gone': odd(lambda p: None), 'a folder': odd(os.mkdir),
        'a link': odd(lambda p: os.symlink(victim, p)), 'a dangling link': odd(lambda p: os.symlink(victim + '.none', p)), 'a FIFO': odd(os.mkfifo), 'mode 0': lambda p: os.chmod(p, 0), 'mode 0666': lambda p: os.chmod(p, 0o666),
        'mode 0444': lambda p: os.chmod(p, 0o444),
    }
    for table in TABLES:
        paths = glob.glob(os.path.join(private, table))
        for name, change in changes.items():
            with open(victim, 'w') as f:
                f.write('precious')
            done = False
            for p in paths:
                if os.path.isdir(p) and name in ('empty', 'half', 'odd length', 'one byte', 'garbage', 'bits', 'slots exchanged', 'longer'):
                    continue
                try:
                    change(p)
                    done = True
                except FileNotFoundError:
                    pass
            if not done:
                continue
            what = '%s of %s' % (name, table)
            b.write('h.h', '#define H 1\n' if b.random.random() < 0.5 else '#define H 1 /* */\n') if name in ('bits', 'slots exchanged', 'garbage') else None
            right(b, made[0], what, timeout=20)
            right(b, made[0], what + ', again', timeout=20)
            r = b.run([common.CCHAIN, 'stats', '--json'], timeout=20)
            check(r.status == 0, '%s: stats: %s %r' % (what, r.status, r.err[-200:]))
            check(open(victim).read() == 'precious' and not os.path.exists(victim + '.none'), what + ': a link was written through')
            restore()
    # A change of the header is seen behind each of them.
    b.write('h.h', '#define H 2\nint more;\n')
    b.reset()
    changed = b.run(made[0][0])
    want = b.read('s0.o')
    check(want != made[0][1], 'the test proves nothing')
    for table in TABLES[:6]:
        for name in ('garbage', 'bits', 'slots exchanged', 'half'):
            for p in glob.glob(os.path.join(private, table)):
                changes[name](p)
            right(b, (made[0][0], want), '%s of %s and another header' % (name, table))
            restore()


@test()
def t_private_tables_cut_while_processes_run(b):
    made = aged(b, 4)
    private = os.path.join(b.cache, 'private')
    rnd = random.Random(3)

    def other():
        paths = [p for t in TABLES for p in glob.glob(os.path.join(private, t)) if os.path.isfile(p)]
        if not paths:
            return
        p = rnd.choice(paths)
        try:
            k = rnd.randrange(5)
            if k == 0:
                os.truncate(p, 0)
            elif k == 1:
                os.truncate(p, os.path.getsize(p) // 2)
            elif k == 2:
                os.unlink(p)
            elif k == 3:
                with open(p, 'r+b') as f:
                    f.seek(rnd.randrange(max(1, os.path.getsize(p))))
                    f.write(rnd.randbytes(3000))
            else:
                os.truncate(p, os.path.getsize(p) + 512)
        except FileNotFoundError:
            pass
        time.sleep(0.003)
    many(b, made, 6, 25 if b.cc == 'gcc' else 8, other)
    for m in made:
        right(b, m, 'after all')


def forge(private, table, magic, size, pick):
    """Exchanges the values of pairs of slots and makes the checks right: what a planted table could say."""
    path = os.path.join(private, table)
    data = bytearray(get(path))
    lib = xxh()
    slots = []
    for i in range(0, len(data) - 63, 64):
        if any(data[i:i + 64]):
            s = bytes(data[i:i + 56])
            if lib.XXH3_64bits_withSeed(s, 56, magic) != struct.unpack('<Q', data[i + 56:i + 64])[0]:
                raise Skip('the format of private/%s is another one by now' % table)
            slots.append(i)
    values = {i: bytes(data[i + 16:i + 56]) for i in slots}
    for i in slots:
        v = pick(i, values)
        if v is not None:
            data[i + 16:i + 56] = v
            data[i + 56:i + 64] = struct.pack('<Q', lib.XXH3_64bits_withSeed(bytes(data[i:i + 56]), 56, magic))
    with open(path, 'r+b') as f:
        f.write(data)
    return len(slots)


@test()
def t_planted_memo(b):
    """A memo that sends each source to the other's entry: believed where only we can have written it, nowhere else."""
    made = aged(b, 2)
    private = os.path.join(b.cache, 'private')
    for m in made:
        right(b, m, 'memo')
    keys = {os.path.basename(os.path.dirname(p)): p for p in b.blobs()}
    check(len(keys) == 2, '%d entries' % len(keys))
    a, z = [bytes.fromhex(k) for k in keys]

    def swap(i, values):
        v = values[i]
        return z + v[32:] if v[:32] == a else a + v[32:] if v[:32] == z else None
    forge(private, 'memo', 0x43434d31, 64, swap)
    b.reset()
    b.run(made[0][0], cached=True)
    if b.read('s0.o') == made[0][1]:
        raise Skip('the memo is not believed even where it is ours: nothing to test')
    # Ours, and believed: a root that only we can write. Now as others could have planted it.
    bad = []

    def planted(what):
        for m in made:
            try:
                right(b, m, what)
            except Fail as e:
                bad.append(str(e))
                return
    for what, mode, owner in (('private writable by the group', 0o770, 0), ('private writable by all', 0o777, 0), ('private of another user', 0o700, 65534), ('private of another user, open', 0o755, 65534)):
        os.chmod(private, mode)
        os.chown(private, owner, owner)
        try:
            planted(what)
        finally:
            os.chown(private, 0, 0)
            os.chmod(private, 0o700)
    memo = os.path.join(private, 'memo')
    for what, mode, owner in (('memo writable by the group', 0o660, 0), ('memo of another user', 0o600, 65534)):
        os.chmod(memo, mode)
        os.chown(memo, owner, owner)
        try:
            planted(what)
        finally:
            os.chown(memo, 0, 0)
            os.chmod(memo, 0o600)
    # private is a link to a folder of ours that holds the forged memo.
    os.rename(private, os.path.join(b.dir, 'elsewhere'))
    os.symlink(os.path.join(b.dir, 'elsewhere'), private)
    planted('private is a link')
    check(not bad, '; '.join(bad))


@test(compilers=('gcc',))
def t_planted_links(b):
    """Links inside the root to folders of the user: nothing there is written or removed."""
    if os.geteuid():
        raise Skip('not root')
    made = simple(b, 2)
    stored(b, made[0])
    victim = os.path.join(b.dir, 'victim')
    bad = []
    for part in ('private', 'private/probes', 'private/stats', 'private/digests', 'private/memo', 'private/stats/journal', 'private/stats/lock', 'index'):
        shutil.rmtree(victim, ignore_errors=True)
        os.makedirs(os.path.join(victim, 'sub'))
        for f in ('sub/entry', 'keep', 'journal', 'lock', 'memo', 'x.d', '.tmp.1.1'):
            with open(os.path.join(victim, f), 'w') as g:
                g.write('precious')
        os.utime(os.path.join(victim, '.tmp.1.1'), (0, 0))
        before = snapshot(victim)
        b.fresh()
        right(b, made[0], 'before')
        p = os.path.join(b.cache, part)
        directory = os.path.isdir(p)
        shutil.rmtree(p) if directory else os.path.exists(p) and os.unlink(p)
        os.symlink(victim if directory else os.path.join(victim, 'keep'), p)
        for m in made:
            right(b, m, part + ' is a link')
            right(b, m, part + ' is a link')
        for command in (['trim', '--max-size', '0'], ['clear', '--yes'], ['stats', '--reset'], ['stats']):
            r = b.run([common.CCHAIN] + command, timeout=20)
            check(r.status >= 0, '%s is a link: %s dies' % (part, command))
        d = difference(before, snapshot(victim))
        if d:
            bad.append('%s is a link: in the folder it leads to: %s' % (part, d))
        os.unlink(p) if os.path.islink(p) else None
    check(not bad, '; '.join(bad))


@test(compilers=('gcc',))
def t_planted_links_and_removal(b):
    """trim and clear go through no link: compile, a tenant, an hh, a key."""
    made = simple(b, 1)
    hex_ = hashlib.sha256(b'x').hexdigest()
    victim = os.path.join(b.dir, 'victim')
    for depth, at in enumerate(('compile', 'compile/local', 'compile/local/' + hex_[:2], 'compile/local/%s/%s' % (hex_[:2], hex_))):
        b.fresh()
        shutil.rmtree(victim, ignore_errors=True)
        right(b, made[0], 'before')
        below = ('local', hex_[:2], hex_)[depth:]
        os.makedirs(os.path.join(victim, *below))
        f = os.path.join(victim, *below, 'entry')
        with open(f, 'w') as g:
            g.write('precious')
        os.utime(f, (1, 1))
        p = os.path.join(b.cache, at)
        shutil.rmtree(p) if os.path.isdir(p) else None
        os.makedirs(os.path.dirname(p), exist_ok=True)
        os.symlink(victim, p)
        for command in (['trim'], ['trim', '--max-age', '1s'], ['trim', '--max-size', '0'], ['clear', '--yes', '--tenant', 'local'], ['clear', '--yes']):
            b.run([common.CCHAIN] + command, timeout=20)
            check(os.path.exists(f) and open(f).read() == 'precious', '%s is a link: %s removed what it leads to' % (at, command))
        b.run([common.CCHAIN, 'clear', '--yes'])
        if os.path.islink(p):
            os.unlink(p)
        right(b, made[0], 'after')


# ---- tenants, layers, size --------------------------------------------------------------------------------------------------

@test()
def t_tenants(b):
    made = simple(b)[0]
    one, two = {'CCHAIN_TENANT': 'one'}, {'CCHAIN_TENANT': 'two'}
    r, d = b.delta(lambda: right(b, made, 'one', env=one))
    check(d['stores'] == 1, str(d))
    r, d = b.delta(lambda: right(b, made, 'two', env=two))
    check(d['hits'] == 0 and d['stores'] == 1, 'another tenant: %s' % d)
    for env in (one, two):
        r, d = b.delta(lambda: right(b, made, str(env), env=env))
        check(d['hits'] == 1, str(d))
    # One tenant's blobs under the other's address are not taken.
    for space, blob in (('compile', 'entry'), ('inputs', 'record')):
        paths = {t: glob.glob(os.path.join(b.cache, space, t, '*', '*', blob)) for t in ('one', 'two')}
        check(all(len(p) == 1 for p in paths.values()) and os.path.basename(os.path.dirname(paths['one'][0])) != os.path.basename(os.path.dirname(paths['two'][0])), 'the keys are the same')
    # The tree of one under the name of a third: other keys, so nothing is found.
    for space in ('compile', 'inputs'):
        shutil.copytree(os.path.join(b.cache, space, 'one'), os.path.join(b.cache, space, 'three'))
    r, d = b.delta(lambda: right(b, made, 'three', env={'CCHAIN_TENANT': 'three'}))
    check(d['hits'] == 0, 'a third tenant found what was copied from the first: %s' % d)
    # The bytes of one at the address of the other.
    p1, p2 = (glob.glob(os.path.join(b.cache, 'compile', t, '*', '*', 'entry'))[0] for t in ('one', 'two'))
    whole = get(p2)
    put(p2, get(p1))
    r, d = b.delta(lambda: right(b, made, 'exchanged', env=two))
    check(d['hits'] == 0, 'the entry of another tenant was taken: %s' % d)
    # clear of one leaves the other.
    put(p2, whole)
    b.run([common.CCHAIN, 'clear', '--yes', '--tenant', 'one'])
    check(not os.path.exists(p1) and os.path.exists(p2), 'clear of one tenant')
    for env, want in ((one, 0), (two, 1)):
        r, d = b.delta(lambda: right(b, made, 'after clear', env=env))
        check(d['hits'] == want, '%s after clear: %s' % (env, d))


@test()
def t_two_layers(b):
    made = simple(b, 2)
    a, z = os.path.join(b.dir, 'a'), os.path.join(b.dir, 'b')
    b.env['CCHAIN_LAYERS'] = '%s?max_size=1M %s' % (a, z)
    b.env['CCHAIN_STATE_DIR'] = os.path.join(b.dir, 'state')
    stored(b, made[0])
    check(len(b.blobs(root=a)) == 1 and len(b.blobs(root=z)) == 1, 'not in both')

    def layer_hits():
        return [l['hits'] for l in b.stats()['layers']]
    # Gone in the first: from the second, and copied.
    for space in (['compile'], ['inputs'], ['compile', 'inputs'], ['compile', 'inputs', 'index']):
        for s in space:
            p = os.path.join(a, s)
            shutil.rmtree(p) if os.path.isdir(p) else os.unlink(p)
        h = layer_hits()
        hit(b, made[0], 'without %s in the first' % space)
        n = layer_hits()
        check(n[1] == h[1] + (1 if 'compile' in space else 0), 'without %s: not the second layer: %s, %s' % (space, h, n))
        check(len(b.blobs(root=a)) == 1, 'without %s: not copied to the first' % space)
        shutil.move(z, z + '.away')
        h = layer_hits()
        hit(b, made[0], 'from the first alone, after %s' % space)
        shutil.rmtree(z, ignore_errors=True)
        shutil.move(z + '.away', z)
    # Damaged in the first: from the second, and the first is mended.
    p = b.blobs(root=a)[0]
    whole = get(p)
    put(p, whole[:50] + b'X' + whole[51:])
    hit(b, made[0], 'damaged in the first')
    hit(b, made[0], 'mended')
    check(get(p)[:60] == whole[:60], 'the first layer was not mended')
    # Damaged in a second one that may only be read: a miss there, and it stays.
    p2 = b.blobs(root=z)[0]
    bad = whole[:50] + b'X' + whole[51:]
    put(p2, bad)
    os.unlink(p)
    right(b, made[0], 'damaged in the second', env={'CCHAIN_LAYERS': '%s %s?write=false' % (a, z)})
    check(get(p2) == bad, 'a layer that may only be read was changed')
    # A first layer that can't be used does not keep the second from answering.
    with open(os.path.join(b.dir, 'file'), 'w'):
        pass
    put(p2, whole)
    r, d = b.delta(lambda: right(b, made[0], 'the first layer is a file', env={'CCHAIN_LAYERS': '%s %s' % (os.path.join(b.dir, 'file'), z)}))
    check(d['hits'] == 1, 'the first layer is a file: %s' % d)
    # Not promoted where that is said.
    shutil.rmtree(a)
    right(b, made[0], 'promote=false', env={'CCHAIN_LAYERS': '%s?promote=false %s' % (a, z)})
    check(not b.blobs(root=a), 'copied into a layer with promote=false')


@test()
def t_two_layers_differ(b):
    """The records of two layers know different sets: both are asked."""
    made = simple(b)[0]
    a, z = os.path.join(b.dir, 'a'), os.path.join(b.dir, 'b')
    b.env['CCHAIN_STATE_DIR'] = os.path.join(b.dir, 'state')
    argv = made[0]
    b.write('h.h', '#include "g1.h"\n')
    b.write('g1.h', '#define G 1\n')
    b.write('g2.h', '#define G 2\nint g2;\n')
    want = []
    for n, root in ((1, a), (2, z)):
        b.write('h.h', '#include "g%d.h"\n' % n)
        b.reset()
        b.run(argv)
        want.append(b.read('s0.o'))
        right(b, (argv, want[-1]), 'into layer %d' % n, env={'CCHAIN_LAYERS': root})
    for n in (2, 1, 2, 1):
        b.write('h.h', '#include "g%d.h"\n' % n)
        env = {'CCHAIN_LAYERS': '%s %s' % (a, z)}
        r, d = b.delta(lambda: right(b, (argv, want[n - 1]), 'of layer %d' % n, env=env))
        check(d['hits'] == 1, 'what layer %d knows is not found: %s' % (n, d))


@test(compilers=('gcc',))
def t_size_limit(b):
    """300 objects into a small layer: never more than 1.05 of its limit."""
    limit = 4 << 20
    b.env['CCHAIN_MAX_SIZE'] = str(limit)
    b.write('s.c', 'const char big[] = "%s";\nint n = N;\n' % ('x' * 40000))
    good = os.path.join(b.dir, 'good.o')
    check(b.run([b.cc, '-DN=0', '-MD', '-MF', good + '.d', '-c', 's.c', '-o', good]).status == 0, 'the compiler fails')
    b.env['CCHAIN_PREFIX'] = '%s stub %s' % (common.TOOL, good)

    def used():
        # As du counts, without what is private and without the folders that are never more than some hundreds (hh and above).
        total = 0
        for at, dirs, files in os.walk(b.cache):
            if at.startswith(os.path.join(b.cache, 'private')):
                continue
            for f in files:
                try:
                    if f != 'index':
                        total += os.stat(os.path.join(at, f)).st_blocks * 512
                except FileNotFoundError:
                    pass
            if len(os.path.basename(at)) == 64:
                total += os.stat(at).st_blocks * 512 or 4096  # tmpfs says that a folder takes nothing
        return total
    most = 0
    for i in range(300):
        r = b.run([b.cc, '-DN=%d' % i, '-c', 's.c', '-o', 'o.o'], cached=True)
        check(r.status == 0, 'status %s' % r.status)
        if i % 5 == 0 or i > 280:
            most = max(most, used())
            check(most <= limit * 1.05, 'after %d objects %d bytes of %d' % (i + 1, most, limit))
    check(most > limit * 0.7, 'only %d bytes of %d are used' % (most, limit))
    du = int(subprocess.run(['du', '-sB1', '--exclude=private', b.cache], stdout=subprocess.PIPE).stdout.split()[0])
    layer = b.stats()['layers'][0]
    check(abs(layer['size'] - used()) <= 0.05 * limit, 'stats say %d, there are %d' % (layer['size'], used()))
    # The newest are there, the oldest not.
    for n, want in ((299, 1), (290, 1), (0, 0)):
        r, d = b.delta(lambda: b.run([b.cc, '-DN=%d' % n, '-c', 's.c', '-o', 'o.o'], cached=True))
        check(d['hits'] == want, 'object %d: %s' % (n, d))
    # In use all the time: stays, though it is the oldest.
    for i in range(60):
        r, d = b.delta(lambda: b.run([b.cc, '-DN=299', '-c', 's.c', '-o', 'o.o'], cached=True))
        check(d['hits'] == 1, 'what is used all the time was evicted after %d others' % (i * 3))
        for k in range(3):
            b.run([b.cc, '-DN=%d' % (1000 + 3 * i + k), '-c', 's.c', '-o', 'o.o'], cached=True)
    check(used() <= limit * 1.05, '%d bytes of %d' % (used(), limit))


@test(compilers=('gcc',))
def t_size_limit_as_du(b):
    """The same by du of the whole root, with concurrent stores; the folders that do not count toward the limit are at most 2 MB."""
    limit = 3 << 20
    b.env['CCHAIN_MAX_SIZE'] = str(limit)
    b.write('s.c', 'const char big[] = "%s";\nint n = N;\n' % ('x' * 40000))
    good = os.path.join(b.dir, 'good.o')
    b.run([b.cc, '-DN=0', '-MD', '-MF', good + '.d', '-c', 's.c', '-o', good])
    b.env['CCHAIN_PREFIX'] = '%s stub %s' % (common.TOOL, good)
    most = [0]

    def du():
        r = subprocess.run(['du', '-sB1', '--exclude=private', '--exclude=index', b.cache], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split()
        if r:
            hh = len(glob.glob(os.path.join(b.cache, '*', '*', '*')))
            most[0] = max(most[0], int(r[0]) - 4096 * (hh + 6))
        time.sleep(0.02)
    made = [([b.cc, '-DN=%d' % i, '-c', 's.c', '-o', 'x.o'], get(good)) for i in range(300)]
    many(b, made, 6, 50, du)
    check(most[0] <= limit * 1.05, '%d bytes of %d' % (most[0], limit))


# Which compiler made an entry is nothing to the store: one is enough where there is not time for both.
common.NOT_CORE = {'(clang)'}
if __name__ == '__main__':
    common.main()
