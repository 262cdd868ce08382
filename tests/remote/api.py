# SPDX-License-Identifier: Apache-2.0
"""The library through its C ABI, by ctypes, as far as the tests of the remote layers need it; and a runner of test functions."""
import ctypes as C
import json
import os
import shutil
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('CCHAIN_BUILD', os.path.join(ROOT, 'build')))
P, S, U32, U64, I32 = C.c_void_p, C.c_char_p, C.c_uint32, C.c_uint64, C.c_int32
LOG = C.CFUNCTYPE(None, P, I32, S, C.c_size_t)


class OpenOptions(C.Structure):
    _fields_ = [('struct_size', U32), ('flags', U32), ('config_text', S), ('config_path', S), ('log', LOG), ('log_user', P), ('log_level', I32),
                ('host_layer_count', U32), ('host_layers', P), ('host', S)]


class Output(C.Structure):
    _fields_ = [('role', S), ('path', S), ('data', P), ('size', U64), ('flags', U32), ('mode', U32)]


class Result(C.Structure):
    _fields_ = [('struct_size', U32), ('flags', U32), ('exit_status', I32), ('layer', U32), ('stdout_data', P), ('stdout_size', U64), ('stderr_data', P),
                ('stderr_size', U64), ('outputs', C.POINTER(Output)), ('output_count', U64), ('duration_ms', U64), ('reason', S), ('owner', P)]


class Request(C.Structure):
    _fields_ = [('inv', P), ('tenant', S), ('result', C.POINTER(Result)), ('status', I32), ('reserved', U32)]


class LayerStats(C.Structure):
    _fields_ = [('struct_size', U32), ('reserved', U32), ('name', S), ('type', S)] + [(n, U64) for n in
                                                                                     ('hits', 'misses', 'stores', 'errors', 'bytes_read', 'bytes_written')]


lib = C.CDLL(os.path.join(BUILD, 'libcchain.so.0'))
lib.cc_last_error.restype = S
for _f, _a in {'cc_open': [P, C.POINTER(P)], 'cc_close': [P], 'cc_flush': [P, I32], 'cc_cancel': [P], 'cc_resume': [P], 'cc_free': [P],
               'cc_invocation_from_key': [P, S, S, C.c_size_t, P, C.c_size_t, P, C.POINTER(P)], 'cc_invocation_free': [P],
               'cc_lookup': [P, P, S, P], 'cc_store': [P, P, P, S], 'cc_result_clear': [P], 'cc_lookup_many': [P, P, C.c_size_t],
               'cc_prefetch': [P, P, C.c_size_t, S], 'cc_stats_json': [P, C.POINTER(P)], 'cc_config_json': [P, C.POINTER(P)],
               'cc_layer_stats_get': [P, U32, P], 'cc_session_begin': [P], 'cc_session_end': [P],
               'cc_source_store': [P, S, S, U64, S], 'cc_source_lookup': [P, S, S, C.POINTER(P), C.POINTER(U64)]}.items():
    getattr(lib, _f).argtypes = _a
for _f in ('cc_close', 'cc_cancel', 'cc_resume', 'cc_free', 'cc_invocation_free', 'cc_result_clear'):
    getattr(lib, _f).restype = None

NO_ENV, NO_FILES, NO_DELIVERY, KEEP = 1, 2, 1, 2


class Failed(Exception):
    def __init__(self, status):
        Exception.__init__(self, '%d: %s' % (status, lib.cc_last_error().decode()))
        self.status = status


def checked(status):
    if status < 0:
        raise Failed(status)
    return status


class Cache:
    def __init__(self, layers, state=None, flags=NO_ENV | NO_FILES, **more):
        self.lines = []

        def log(_user, level, text, size):
            self.lines.append((level, text[:size].decode('utf-8', 'replace')))
        self.log = LOG(log)
        o = OpenOptions(C.sizeof(OpenOptions), flags)
        if layers is not None:
            config = dict(more, layers=layers)
            if state:
                config['state_dir'] = state
            o.config_text = json.dumps(config).encode()
        o.log, o.log_level = self.log, 3
        self.p = P()
        checked(lib.cc_open(C.byref(o), C.byref(self.p)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.p:
            lib.cc_close(self.p)
        self.p = P()

    def key(self, key):
        key = key if isinstance(key, bytes) else key.encode()
        out = (Output * 1)(Output(b'file', b'unused'))
        inv = P()
        checked(lib.cc_invocation_from_key(self.p, b'test', key, len(key), out, 1, None, C.byref(inv)))
        return inv

    def get(self, key, tenant=b't'):
        """The bytes, or None."""
        inv = self.key(key)
        r = Result(C.sizeof(Result), NO_DELIVERY | KEEP)
        try:
            if checked(lib.cc_lookup(self.p, inv, tenant, C.byref(r))) == 0:
                return None
            self.layer = r.layer
            return C.string_at(r.outputs[0].data, r.outputs[0].size)
        finally:
            lib.cc_result_clear(C.byref(r))
            lib.cc_invocation_free(inv)

    def put(self, key, data, tenant=b't', miss=True):
        inv = self.key(key)
        r = Result(C.sizeof(Result), NO_DELIVERY)
        try:
            hit = checked(lib.cc_lookup(self.p, inv, tenant, C.byref(r)))
            if hit:
                return False
            lib.cc_result_clear(C.byref(r))
            buf = C.create_string_buffer(data, len(data))
            out = (Output * 1)(Output(b'file', b'unused', C.cast(buf, P), len(data), 0 if data else 2))
            w = Result(C.sizeof(Result), 0)
            w.outputs, w.output_count = out, 1
            checked(lib.cc_store(self.p, inv, C.byref(w), tenant))
            return True
        finally:
            lib.cc_invocation_free(inv)

    def get_many(self, keys, tenant=b't'):
        invs = [self.key(k) for k in keys]
        results = [Result(C.sizeof(Result), NO_DELIVERY | KEEP) for _ in keys]
        reqs = (Request * len(keys))(*[Request(i, tenant, C.pointer(r)) for i, r in zip(invs, results)])
        checked(lib.cc_lookup_many(self.p, reqs, len(keys)))
        out = [C.string_at(r.outputs[0].data, r.outputs[0].size) if q.status > 0 else None for q, r in zip(reqs, results)]
        for i, r in zip(invs, results):
            lib.cc_result_clear(C.byref(r))
            lib.cc_invocation_free(i)
        return out

    def prefetch(self, keys, tenant=b't'):
        invs = (P * len(keys))(*[self.key(k) for k in keys])
        checked(lib.cc_prefetch(self.p, invs, len(keys), tenant))
        for i in invs:
            lib.cc_invocation_free(i)

    def flush(self, ms=-1):
        return checked(lib.cc_flush(self.p, ms))

    def json(self, what):
        text = P()
        checked(getattr(lib, 'cc_%s_json' % what)(self.p, C.byref(text)))
        out = C.string_at(text).decode()
        lib.cc_free(text)
        return json.loads(out)

    def stats(self, layer):
        s = LayerStats(C.sizeof(LayerStats))
        checked(lib.cc_layer_stats_get(self.p, layer, C.byref(s)))
        return s


# ---- tests

class Skip(Exception):
    pass


def check(truth, why=''):
    if not truth:
        raise AssertionError(why)


def equal(a, b, why=''):
    if a != b:
        raise AssertionError('%s%.300r is not %.300r' % (why and why + ': ', a, b))


class took:
    """with took() as t: …; t.ms"""

    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *_):
        self.ms = (time.monotonic() - self.start) * 1000


def main(tests, cleanup=lambda: None):
    """Runs the functions, each with a folder of its own; only those whose names hold one of the words given."""
    words = sys.argv[1:]
    passed = failed = skipped = 0
    base = tempfile.mkdtemp(prefix='cc-far-')
    try:
        for t in tests:
            name = t.__name__[5:] if t.__name__.startswith('test_') else t.__name__
            if words and not any(w in name for w in words):
                continue
            folder = os.path.join(base, name)
            os.makedirs(folder)
            start = time.monotonic()
            try:
                t(folder)
                passed += 1
                print('ok %s (%.1f s)' % (name, time.monotonic() - start), flush=True)
            except Skip as e:
                skipped += 1
                print('ok %s # skip %s' % (name, e), flush=True)
            except Exception:
                failed += 1
                print('not ok %s\n%s' % (name, traceback.format_exc()), flush=True)
    finally:
        cleanup()
        shutil.rmtree(base, ignore_errors=True)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed else 0
