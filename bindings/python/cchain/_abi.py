"""What include/cchain.h says, for ctypes; and the library. tests/python/test_layout.py holds the three together.

SPDX-License-Identifier: Apache-2.0
"""
from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

SONAME = "libcchain.so.0"
VERSION_MAJOR = 0
VERSION_LEAST = (0, 1, 0)

CC_OK = 0
CC_E_INVALID = -1
CC_E_NOMEM = -2
CC_E_IO = -3
CC_E_CONFIG = -4
CC_E_TENANT = -5
CC_E_STATE = -6
CC_E_FORKED = -7
CC_E_CANCELLED = -8
CC_E_UNCACHEABLE = -9
CC_E_INTERNAL = -99

CC_LOG_ERROR = 0
CC_LOG_WARN = 1
CC_LOG_INFO = 2
CC_LOG_DEBUG = 3

CC_OPEN_NO_ENV = 1
CC_OPEN_NO_FILES = 2
CC_TIMEOUT_DEFAULT = -1

CC_INV_TERMINAL = 1
CC_INV_MERGED = 2

CC_HEALTH_CLOCK = 1

CC_OUTPUT_OPTIONAL = 1
CC_OUTPUT_EMPTY = 2

CC_TASK_NONE = 0
CC_TASK_PROBE = 1
CC_TASK_PREPROCESS = 2
CC_TASK_COMPILE = 3

CC_CAPTURE_STDOUT = 1
CC_CAPTURE_STDERR = 2

CC_RESULT_NO_DELIVERY = 1
CC_RESULT_KEEP = 2
CC_RESULT_LATER = 8

CC_EXPLAIN_DUMP = 1


class cc_cache(c_void_p):
    """The library's cache, closed when nobody holds it any more: a call under way holds it, so that a close meanwhile
    is never a crash. `keep` is what must live as long."""

    keep: object = None

    def __del__(self) -> None:
        if self.value and library is not None:
            library.cc_close(self)
            self.value = None


class cc_invocation(c_void_p):
    def __del__(self) -> None:
        if self.value and library is not None:
            library.cc_invocation_free(self)
            self.value = None


cc_log_fn = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_size_t)


class cc_open_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("config_text", c_char_p),
        ("config_path", c_char_p),
        ("log", cc_log_fn),
        ("log_user", c_void_p),
        ("log_level", c_int32),
        ("host_layer_count", c_uint32),
        ("host_layers", c_void_p),
        ("host", c_char_p),
    ]


class cc_invocation_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("cwd", c_char_p),
        ("env", POINTER(c_char_p)),
        ("columns", c_uint32),
        ("stdout_columns", c_uint32),
    ]


class cc_output(Structure):
    _fields_ = [
        ("role", c_char_p),
        ("path", c_char_p),
        ("data", c_void_p),
        ("size", c_uint64),
        ("flags", c_uint32),
        ("mode", c_uint32),
    ]


class cc_task(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("capture", c_uint32),
        ("reserved", c_uint32),
        ("argv", POINTER(c_char_p)),
        ("env", POINTER(c_char_p)),
        ("cwd", c_char_p),
    ]


class cc_task_result(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("exit_status", c_int32),
        ("stdout_data", c_void_p),
        ("stdout_size", c_uint64),
        ("stderr_data", c_void_p),
        ("stderr_size", c_uint64),
    ]


class cc_result(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("exit_status", c_int32),
        ("layer", c_uint32),
        ("stdout_data", c_void_p),
        ("stdout_size", c_uint64),
        ("stderr_data", c_void_p),
        ("stderr_size", c_uint64),
        ("outputs", POINTER(cc_output)),
        ("output_count", c_uint64),
        ("duration_ms", c_uint64),
        ("reason", c_char_p),
        ("owner", c_void_p),
    ]


class cc_request(Structure):
    _fields_ = [
        ("inv", c_void_p),
        ("tenant", c_char_p),
        ("result", POINTER(cc_result)),
        ("status", c_int32),
        ("reserved", c_uint32),
    ]


class cc_stats(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("layer_count", c_uint32),
        ("lookups", c_uint64),
        ("hits", c_uint64),
        ("misses", c_uint64),
        ("uncacheable", c_uint64),
        ("stores", c_uint64),
        ("errors", c_uint64),
        ("saved_ms", c_uint64),
    ]


class cc_layer_stats(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("name", c_char_p),
        ("type", c_char_p),
        ("hits", c_uint64),
        ("misses", c_uint64),
        ("stores", c_uint64),
        ("errors", c_uint64),
        ("bytes_read", c_uint64),
        ("bytes_written", c_uint64),
    ]


class cc_layer_health(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("first_us", c_uint64),
        ("next_us", c_uint64),
        ("clock_offset_s", c_int64),
    ]


class cc_trim_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("max_size", c_uint64),
        ("max_age_s", c_uint64),
        ("progress", c_void_p),
        ("progress_user", c_void_p),
    ]


_options = POINTER(cc_invocation_options)
_digest = POINTER(c_uint8)
_blob_lookup = (c_int, [c_void_p, c_char_p, _digest, POINTER(c_void_p), POINTER(c_uint64)])
_blob_store = (c_int, [c_void_p, c_char_p, c_char_p, c_uint64, _digest])

# name: (what it returns, its arguments)
FUNCTIONS = {
    "cc_version": (c_uint32, []),
    "cc_version_string": (c_char_p, []),
    "cc_last_error": (c_char_p, []),
    "cc_free": (None, [c_void_p]),
    "cc_open": (c_int, [POINTER(cc_open_options), POINTER(cc_cache)]),
    "cc_close": (None, [c_void_p]),
    "cc_flush": (c_int, [c_void_p, c_int32]),
    "cc_cancel": (None, [c_void_p]),
    "cc_resume": (None, [c_void_p]),
    "cc_invocation_parse_nul": (c_int, [c_void_p, c_char_p, c_size_t, _options, POINTER(cc_invocation)]),
    "cc_invocation_parse_line": (c_int, [c_void_p, c_char_p, _options, POINTER(cc_invocation)]),
    "cc_invocation_from_key": (
        c_int,
        [c_void_p, c_char_p, c_char_p, c_size_t, POINTER(cc_output), c_size_t, _options, POINTER(cc_invocation)],
    ),
    "cc_invocation_free": (None, [c_void_p]),
    "cc_invocation_uncacheable": (c_char_p, [c_void_p]),
    "cc_invocation_outputs": (c_size_t, [c_void_p, POINTER(POINTER(cc_output))]),
    "cc_invocation_part": (c_size_t, [c_void_p, c_size_t, POINTER(POINTER(c_char_p))]),
    "cc_invocation_task": (c_int, [c_void_p, c_void_p, POINTER(cc_task)]),
    "cc_invocation_task_done": (c_int, [c_void_p, c_void_p, POINTER(cc_task_result)]),
    "cc_result_clear": (None, [POINTER(cc_result)]),
    "cc_lookup": (c_int, [c_void_p, c_void_p, c_char_p, POINTER(cc_result)]),
    "cc_store": (c_int, [c_void_p, c_void_p, POINTER(cc_result), c_char_p]),
    "cc_lookup_many": (c_int, [c_void_p, POINTER(cc_request), c_size_t]),
    "cc_prefetch": (c_int, [c_void_p, POINTER(c_void_p), c_size_t, c_char_p]),
    "cc_session_begin": (c_int, [c_void_p]),
    "cc_session_changed": (c_int, [c_void_p, c_char_p]),
    "cc_session_end": (c_int, [c_void_p]),
    "cc_session_outdated": (c_int, [c_void_p, POINTER(POINTER(c_char_p))]),
    "cc_source_lookup": _blob_lookup,
    "cc_source_store": _blob_store,
    "cc_manifest_lookup": _blob_lookup,
    "cc_manifest_store": _blob_store,
    "cc_stats_get": (c_int, [c_void_p, POINTER(cc_stats)]),
    "cc_layer_stats_get": (c_int, [c_void_p, c_uint32, POINTER(cc_layer_stats)]),
    "cc_layer_check": (c_int, [c_void_p, c_uint32, POINTER(cc_layer_health)]),
    "cc_stats_json": (c_int, [c_void_p, POINTER(c_void_p)]),
    "cc_stats_reset": (c_int, [c_void_p]),
    "cc_stats_file_json": (c_int, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "cc_explain": (c_int, [c_void_p, c_char_p, c_char_p, c_uint32, POINTER(c_void_p)]),
    "cc_explain_diff": (c_int, [c_char_p, c_char_p, POINTER(c_void_p)]),
    "cc_config_json": (c_int, [c_void_p, POINTER(c_void_p)]),
    "cc_trim": (c_int, [c_void_p, POINTER(cc_trim_options), POINTER(c_uint64), POINTER(c_uint64)]),
    "cc_clear": (c_int, [c_void_p, c_char_p]),
}


def where() -> str:
    """Where the library is: what CCHAIN_LIB says, else beside the package or in the lib folder that it is installed in, else by its soname."""
    named = os.environ.get("CCHAIN_LIB")
    if named:
        return named
    package = os.path.dirname(os.path.abspath(__file__))
    for folder in (package, os.path.dirname(package), os.path.dirname(os.path.dirname(os.path.dirname(package)))):
        path = os.path.join(folder, SONAME)
        if os.path.exists(path):
            return path
    return SONAME


def load(path: str) -> ctypes.CDLL:
    """The library at `path`, its version checked and its functions declared. ImportError says what was found."""
    try:
        found = ctypes.CDLL(path)
    except OSError as e:
        text = "cchain: the library can't be loaded: %s"
        if path == SONAME:
            text += "; nor is it beside the package, and CCHAIN_LIB names none"
        raise ImportError(text % e, name="cchain", path=path) from None
    try:
        version_number = found.cc_version
    except AttributeError:
        raise ImportError("cchain: %s is no cchain library: it has no cc_version" % path, name="cchain", path=path) from None
    version_number.restype = c_uint32
    number = version_number()
    version = (number // 1000000, number // 1000 % 1000, number % 1000)
    if version[0] != VERSION_MAJOR or version < VERSION_LEAST:
        text = "cchain: found version %d.%d.%d of the library in %s; this package needs version %d, from %d.%d.%d on"
        raise ImportError(text % (*version, path, VERSION_MAJOR, *VERSION_LEAST), name="cchain", path=path)
    for name, (returns, arguments) in FUNCTIONS.items():
        try:
            function = getattr(found, name)
        except AttributeError:
            text = "cchain: version %d.%d.%d of the library in %s has no %s, which this package needs"
            raise ImportError(text % (*version, path, name), name="cchain", path=path) from None
        function.restype, function.argtypes = returns, arguments
    return found


library = load(where())
