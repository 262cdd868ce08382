"""Cache, Invocation, Result: cchain.h for Python.

Who frees what: a `Cache` is closed by close(), by `with`, or when it is no longer referenced; an `Invocation` goes with its last reference. All that is
handed out (results, streams, the bytes of outputs) is Python's own: nothing of it belongs to the library.

SPDX-License-Identifier: Apache-2.0
"""
from __future__ import annotations

import ctypes
import json
import os
import subprocess
import threading
import time
from ctypes import byref, c_char_p, c_uint8, c_uint64, c_void_p, sizeof
from types import MappingProxyType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from . import _abi
from .errors import ClosedError, Error, ForkedError, UncacheableError, last_error

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Command = Union[str, Sequence[Path]]
Environment = Mapping[Any, Any]
Buffer = Union[bytes, bytearray, memoryview]

_lib = _abi.library
_lookup = _lib.cc_lookup
_clear = _lib.cc_result_clear
_MAX_TASKS = 32
_pid = os.getpid()
_RESULT_SIZE = sizeof(_abi.cc_result)


def _forked() -> None:
    global _pid
    _pid = os.getpid()


os.register_at_fork(after_in_child=_forked)


class Output(NamedTuple):
    """One output of a command."""

    role: str  #: "object", "depfile", …; of an action 1 to 32 of a-z 0-9 - _
    path: str  #: relative to the invocation's directory, or absolute
    data: Optional[bytes] = None  #: the bytes; None where they are in the file
    mode: int = 0  #: permission bits beyond the default: 0o111 for a program
    optional: bool = False  #: may be missing


class Task(NamedTuple):
    """What is to be run next for an invocation: see Invocation.task()."""

    kind: str  #: "probe", "preprocess" or "compile"
    argv: List[bytes]  #: empty for an action: only its host knows what to run
    env: Dict[bytes, bytes]  #: to be set on top of the command's environment
    cwd: bytes


class Stats(NamedTuple):
    """Of this open cache."""

    lookups: int
    hits: int
    misses: int
    uncacheable: int
    stores: int
    errors: int
    saved_ms: int  #: how long the commands ran that were hit
    layers: List["LayerStats"]


class LayerStats(NamedTuple):
    name: str
    type: str
    hits: int
    misses: int
    stores: int
    errors: int
    bytes_read: int
    bytes_written: int


class LayerHealth(NamedTuple):
    #: Microseconds for a first question, with all that comes before it (names, connecting, signing in), and for the next one.
    first_us: int
    next_us: int
    #: Seconds by which the layer's clock is ahead of ours, None if it does not say.
    clock_offset_s: Optional[int]


class Result:
    """The answer of a look-up, or what run() has to say. True if it was a hit."""

    #: How the command ended: 128 + its number for a signal.
    exit_status: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    #: How long the command ran.
    duration_ms: int = 0
    #: Index of the layer that answered; None if it was no hit.
    layer: Optional[int] = None
    #: By role, with bytes, where a look-up was asked to keep them.
    outputs: Mapping[str, Output] = MappingProxyType({})
    #: run() has stored it.
    stored: bool = False

    def __init__(self, hit: bool, reason: str) -> None:
        self.hit = hit
        #: Why it was no hit or, after run(), why it was not stored; "" if there is nothing to say.
        self.reason = reason

    def __bool__(self) -> bool:
        return self.hit

    def __repr__(self) -> str:
        said = "hit" if self.hit else "stored" if self.stored else "miss"
        return "<cchain.Result %s, exit_status %d%s>" % (said, self.exit_status, ", " + self.reason if self.reason else "")


class Invocation:
    """A command that was parsed, or an action with a key of its host's. Made by Cache.invocation() and Cache.action().

    Threads that use one at the same time wait for each other."""

    __slots__ = ("_cache", "_handle", "_lock", "_pid", "__weakref__")

    def __init__(self, cache: "Cache", handle: _abi.cc_invocation) -> None:
        self._cache = cache
        self._handle = handle
        self._lock = threading.Lock()
        self._pid = _pid

    def _own(self) -> threading.Lock:
        """Its lock, which another thread may have held when this process was forked: then nobody gives it back."""
        if self._pid != _pid:
            raise ForkedError("the invocation was made before the fork that made this process")
        return self._lock

    @property
    def cache(self) -> "Cache":
        return self._cache

    @property
    def uncacheable(self) -> Optional[str]:
        """Why the command can't be cached; None if it can, as far as is known by now."""
        with self._own():
            text = _lib.cc_invocation_uncacheable(self._handle)
        return None if text is None else _text(text)

    @property
    def outputs(self) -> Tuple[Output, ...]:
        """What the command will leave."""
        array = ctypes.POINTER(_abi.cc_output)()
        with self._own():
            count = _lib.cc_invocation_outputs(self._handle, byref(array))
            return tuple(_output(array[i]) for i in range(count))

    @property
    def parts(self) -> Tuple[Tuple[bytes, ...], ...]:
        """Of a command with several sources: the words of one for each, to be run instead, one after the other; else nothing."""
        words = ctypes.POINTER(ctypes.c_char_p)()
        parts = []
        with self._own():
            for i in range(_lib.cc_invocation_part(self._handle, 0, None)):
                _lib.cc_invocation_part(self._handle, i, byref(words))
                parts.append(tuple(_words(words)))
        return tuple(parts)

    def task(self) -> Optional[Task]:
        """What is to run next, decided by the last look-up; None if there is nothing, or it is to be looked up again."""
        task = _abi.cc_task(sizeof(_abi.cc_task))
        with self._own():
            _check(self._cache, _lib.cc_invocation_task(self._cache._handle, self._handle, byref(task)))
            if task.kind == _abi.CC_TASK_NONE:
                return None
            kind = {_abi.CC_TASK_PROBE: "probe", _abi.CC_TASK_PREPROCESS: "preprocess"}.get(task.kind, "compile")
            env = {name: value for name, _, value in (word.partition(b"=") for word in _words(task.env))}
            return Task(kind, list(_words(task.argv)), env, task.cwd or b"")

    def task_done(self, exit_status: int, stdout: Buffer = b"", stderr: Buffer = b"") -> None:
        """Hands back what a probe or a preprocessor has said; then look up again."""
        done = _abi.cc_task_result(sizeof(_abi.cc_task_result), exit_status)
        out, err = bytes(stdout), bytes(stderr)
        done.stdout_data, done.stdout_size = _address(out), len(out)
        done.stderr_data, done.stderr_size = _address(err), len(err)
        with self._own():
            _check(self._cache, _lib.cc_invocation_task_done(self._cache._handle, self._handle, byref(done)))


class Session:
    """A build: between its begin and its end a file is looked at once. See Cache.session()."""

    def __init__(self, cache: "Cache") -> None:
        self._cache = cache
        #: After its end: the first outputs of the hits whose inputs have changed since they were looked at.
        self.outdated: Tuple[str, ...] = ()

    def changed(self, path: Optional[Path] = None) -> None:
        """That `path`, or anything at all, may have changed."""
        self._cache._call(_lib.cc_session_changed, None if path is None else _path(path))

    def __enter__(self) -> "Session":
        self._cache._call(_lib.cc_session_begin)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._cache.closed and self._cache._call(_lib.cc_session_end):
            array = ctypes.POINTER(c_char_p)()
            count = self._cache._call(_lib.cc_session_outdated, byref(array))
            self.outdated = tuple(os.fsdecode(path or b"") for path in array[:count])


class Cache:
    """An open cache. Any thread may use it at any time.

    config: what stands in the configuration file, as text or as a dict; taken instead of the file.
    config_path: the file, else $CCHAIN_CONFIG or the user's.
    environment, files: False to let neither variables nor files influence it.
    tenant: whose entries, where a call names none.
    log: called with (level, text) for each line of the log up to log_level, from any thread; it must not use the cache.
    host: who asks, for statistics.

    A forked child (multiprocessing) may go on with its parent's cache: it is opened anew there. Invocations stay with their process.
    """

    def __init__(
        self,
        config: Union[str, Mapping[str, Any], None] = None,
        *,
        config_path: Optional[Path] = None,
        environment: bool = True,
        files: bool = True,
        tenant: Optional[str] = None,
        log: Optional[Callable[[int, str], None]] = None,
        log_level: int = _abi.CC_LOG_WARN,
        host: str = "python",
    ) -> None:
        self._handle: Optional[_abi.cc_cache] = None
        options = self._options = _abi.cc_open_options(sizeof(_abi.cc_open_options))
        options.flags = (0 if environment else _abi.CC_OPEN_NO_ENV) | (0 if files else _abi.CC_OPEN_NO_FILES)
        if config is not None:
            options.config_text = _plain(config if isinstance(config, str) else json.dumps(config))
        if config_path is not None:
            options.config_path = _path(config_path)
        if log is not None:
            options.log, options.log_level = _log_function(log), log_level
        options.host = _plain(host)
        self._tenant = None if tenant is None else _plain(tenant)
        self._open()

    def _open(self) -> None:
        handle = _abi.cc_cache()
        status = _lib.cc_open(byref(self._options), byref(handle))
        if status < 0:
            raise last_error(status)
        handle.keep = self._options
        self._handle = handle

    def _call(self, function: Any, *arguments: Any) -> int:
        """A call of the library that may be made again in a forked child."""
        status = function(self._handle, *arguments)
        if status == _abi.CC_E_FORKED and self._handle is not None:
            self._open()
            status = function(self._handle, *arguments)
        return _check(self, status)

    @property
    def closed(self) -> bool:
        return self._handle is None

    def close(self) -> None:
        """Waits for what is queued and closes. Calls under way in other threads come to their end first. May be called twice."""
        self._handle = None

    def __enter__(self) -> "Cache":
        if self._handle is None:
            raise ClosedError("the cache has been closed")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def flush(self, timeout: Optional[float] = None) -> int:
        """Waits until all that was stored has reached its layers, `timeout` seconds at most or as long as is configured. Returns
        how many stores are still under way. Statistics are written too."""
        return self._call(_lib.cc_flush, _abi.CC_TIMEOUT_DEFAULT if timeout is None else min(int(timeout * 1000), 2**31 - 1))

    def cancel(self) -> None:
        """Each look-up, prefetch and flush, now and until resume(), ends at once with CancelledError."""
        _lib.cc_cancel(self._handle)

    def resume(self) -> None:
        _lib.cc_resume(self._handle)

    # -- invocations

    def invocation(
        self,
        command: Command,
        *,
        cwd: Optional[Path] = None,
        env: Optional[Environment] = None,
        merged: bool = False,
        terminal_columns: Optional[int] = None,
    ) -> Invocation:
        """Parses a compile command: its words, or one str as it would be given to /bin/sh -c.

        cwd and env are the directory and all the environment it runs in; else this process's as they are now.
        merged: the caller takes and gives stdout and stderr as one, in `stdout`. terminal_columns: as CC_INV_TERMINAL in cchain.h.
        Fails for no command: see Invocation.uncacheable."""
        options, keep = _invocation_options(cwd, env, merged, terminal_columns)
        handle = _abi.cc_invocation()
        if isinstance(command, str):
            self._call(_lib.cc_invocation_parse_line, _plain(command), byref(options), byref(handle))
        else:
            words = [_path(word) for word in command]
            text = b"\0".join(words) + b"\0" if words else b""
            self._call(_lib.cc_invocation_parse_nul, text, len(text), byref(options), byref(handle))
        return Invocation(self, handle)

    def action(
        self,
        label: str,
        key: Union[str, Buffer],
        outputs: Union[Mapping[str, Path], Iterable[Output]],
        *,
        cwd: Optional[Path] = None,
    ) -> Invocation:
        """An action that the caller understands itself: code generation, a link, a lint. `key` must determine its outputs: see `Key`.
        outputs: {role: path}, or a list of Output. Looked up and stored like a compile."""
        if isinstance(outputs, Mapping):
            outputs = [Output(role, os.fsdecode(path)) for role, path in outputs.items()]
        array, count, keep = _outputs(outputs, with_data=False)
        options, keep_too = _invocation_options(cwd, None, False, None)
        key = key.encode() if isinstance(key, str) else bytes(key)
        handle = _abi.cc_invocation()
        self._call(_lib.cc_invocation_from_key, _plain(label), key, len(key), array, count, byref(options), byref(handle))
        return Invocation(self, handle)

    # -- look-up and store

    def lookup(self, inv: Invocation, tenant: Optional[str] = None, *, deliver: bool = True, keep: bool = False) -> Result:
        """Asks each layer. On a hit every output stands at its path (unless not to be delivered), and its bytes are in Result.outputs if they are
        to be kept."""
        c = _abi.cc_result(_RESULT_SIZE, (0 if deliver else _abi.CC_RESULT_NO_DELIVERY) | (_abi.CC_RESULT_KEEP if keep else 0))
        with inv._own():
            status = _lookup(self._handle, inv._handle, self._tenant if tenant is None else _plain(tenant), c)
        if status < 0:
            _check(self, status)
        return _take(c, status)

    def lookup_many(self, invs: Sequence[Invocation], tenant: Optional[str] = None, *, deliver: bool = True, keep: bool = False) -> List[Result]:
        """Looks up each of them, in parallel where a layer gains by it; no two may be the same."""
        if len({id(inv) for inv in invs}) != len(invs):
            raise ValueError("an invocation is there twice")
        if not invs:
            return []
        flags = (0 if deliver else _abi.CC_RESULT_NO_DELIVERY) | (_abi.CC_RESULT_KEEP if keep else 0)
        name = self._tenant if tenant is None else _plain(tenant)
        results = [_abi.cc_result(_RESULT_SIZE, flags) for _ in invs]
        requests = (_abi.cc_request * len(invs))()
        for request, inv, c in zip(requests, invs, results):
            request.inv, request.tenant, request.result = inv._handle, name, ctypes.pointer(c)
        with _Locked(invs):
            self._call(_lib.cc_lookup_many, requests, len(invs))
        # All are taken before one raises, so that none keeps memory of the library's.
        taken = [_take(c, request.status) for c, request in zip(results, requests)]
        for request in requests:
            if request.status < 0:
                raise last_error(request.status)
        return taken

    def prefetch(self, invs: Sequence[Invocation], tenant: Optional[str] = None) -> None:
        """That these will be looked up soon."""
        array = (c_void_p * len(invs))(*[inv._handle.value for inv in invs])
        with _Locked(invs):
            self._call(_lib.cc_prefetch, array, len(invs), self._tenant if tenant is None else _plain(tenant))

    def store(
        self,
        inv: Invocation,
        *,
        exit_status: int = 0,
        stdout: Buffer = b"",
        stderr: Buffer = b"",
        outputs: Union[Mapping[str, Buffer], Iterable[Output]] = (),
        duration_ms: int = 0,
        tenant: Optional[str] = None,
        later: bool = False,
    ) -> None:
        """Stores what the command has left, after a look-up that missed. Bytes that are not given by role are taken from the files.
        UncacheableError: it was refused, and the build goes on. With `later` only what must be known now is looked at, the rest is done behind the
        caller's back until flush() or close()."""
        if isinstance(outputs, Mapping):
            outputs = [Output(role, "", bytes(data)) for role, data in outputs.items()]
        c = _abi.cc_result(_RESULT_SIZE, _abi.CC_RESULT_LATER if later else 0)
        out, err = bytes(stdout), bytes(stderr)
        c.exit_status, c.duration_ms = exit_status, duration_ms
        c.stdout_data, c.stdout_size = _address(out), len(out)
        c.stderr_data, c.stderr_size = _address(err), len(err)
        array, c.output_count, keep = _outputs(outputs, with_data=True)
        if array is not None:
            c.outputs = array
        with inv._own():
            status = _lib.cc_store(self._handle, inv._handle, byref(c), self._tenant if tenant is None else _plain(tenant))
        _check(self, status)

    def run(
        self,
        command: Command,
        *,
        cwd: Optional[Path] = None,
        env: Optional[Environment] = None,
        tenant: Optional[str] = None,
        action: Optional[Invocation] = None,
        deliver: bool = True,
    ) -> Result:
        """Looks the command up; on a miss runs it and stores what it has left. What can't be cached is run all the same. A command with several
        sources is one for each where it can be: the result is a hit if all are. With an `action` the
        command is what makes its outputs, and runs in its directory. Without `deliver` a hit writes no file.

        Both streams are captured and returned. A command that can't be started raises OSError, as subprocess does."""
        # One copy for parsing and for running: a thread may change os.environ in between.
        environment = {os.fsencode(k): os.fsencode(v) for k, v in (os.environb if env is None else env).items()}
        inv = self.invocation(command, cwd=cwd, env=environment) if action is None else action
        if action is None and inv.uncacheable is not None and inv.parts:
            whole = Result(True, "")
            for part in inv.parts:
                one = self.run(part, cwd=cwd, env=environment, tenant=tenant, deliver=deliver)
                whole.hit, whole.stored = whole.hit and one.hit, whole.stored or one.stored
                whole.exit_status, whole.duration_ms = max(whole.exit_status, one.exit_status), whole.duration_ms + one.duration_ms
                whole.stdout, whole.stderr = whole.stdout + one.stdout, whole.stderr + one.stderr
                whole.reason = whole.reason or one.reason
            return whole
        words: Any = None if action is None else [b"/bin/sh", b"-c", _plain(command)] if isinstance(command, str) else command
        return self._run(inv, words, environment, tenant, deliver)

    def _run(
        self,
        inv: Invocation,
        words: Optional[Sequence[Path]],
        environment: Dict[bytes, bytes],
        tenant: Optional[str],
        deliver: bool,
        before: Callable[[], None] = lambda: None,
    ) -> Result:
        """`environment` is what the invocation was made with; `words` are those of an action; `before` is called before they are run."""
        for _ in range(_MAX_TASKS):
            result = self.lookup(inv, tenant, deliver=deliver)
            if result.hit:
                return result
            task = inv.task()
            while task is not None and task.kind != "compile":
                inv.task_done(*_run(task.argv, task, environment, subprocess.DEVNULL)[:3])
                task = inv.task()
            if task is not None:
                break
        else:
            raise Error("a compiler is asked about for ever")
        before()
        result.exit_status, result.stdout, result.stderr, result.duration_ms = _run(words or task.argv, task, environment, None)
        if result.exit_status == 0 and inv.uncacheable is None:
            try:
                self.store(inv, stdout=result.stdout, stderr=result.stderr, duration_ms=result.duration_ms, tenant=tenant)
                result.stored, result.reason = True, ""
            except UncacheableError as e:
                result.reason = str(e)
        return result

    def session(self) -> Session:
        """`with cache.session() as session:` around a build. See cc_session_begin in cchain.h for what it asks of its host."""
        return Session(self)

    # -- content-addressed blobs

    def source_lookup(self, digest: bytes, tenant: Optional[str] = None) -> Optional[bytes]:
        """The bytes of that SHA-256 in the namespace `source`, or None."""
        return self._blob_lookup(_lib.cc_source_lookup, digest, tenant)

    def source_store(self, data: Buffer, tenant: Optional[str] = None) -> bytes:
        """Stores bytes and returns their SHA-256."""
        return self._blob_store(_lib.cc_source_store, data, tenant)

    def manifest_lookup(self, digest: bytes, tenant: Optional[str] = None) -> Optional[bytes]:
        return self._blob_lookup(_lib.cc_manifest_lookup, digest, tenant)

    def manifest_store(self, data: Buffer, tenant: Optional[str] = None) -> bytes:
        return self._blob_store(_lib.cc_manifest_store, data, tenant)

    def _blob_lookup(self, function: Any, digest: bytes, tenant: Optional[str]) -> Optional[bytes]:
        if len(digest) != 32:
            raise ValueError("a digest has 32 bytes")
        data, size = c_void_p(), c_uint64()
        name = self._tenant if tenant is None else _plain(tenant)
        if not self._call(function, name, (c_uint8 * 32)(*digest), byref(data), byref(size)):
            return None
        try:
            return _bytes(data.value, size.value)
        finally:
            _lib.cc_free(data)

    def _blob_store(self, function: Any, data: Buffer, tenant: Optional[str]) -> bytes:
        data, digest = bytes(data), (c_uint8 * 32)()
        self._call(function, self._tenant if tenant is None else _plain(tenant), data, len(data), digest)
        return bytes(digest)

    # -- statistics and upkeep

    def stats(self) -> Stats:
        """Of this open cache since it was opened."""
        c = _abi.cc_stats(sizeof(_abi.cc_stats))
        self._call(_lib.cc_stats_get, byref(c))
        layers = []
        for i in range(c.layer_count):
            s = _abi.cc_layer_stats(sizeof(_abi.cc_layer_stats))
            self._call(_lib.cc_layer_stats_get, i, byref(s))
            layers.append(
                LayerStats(_text(s.name), _text(s.type), s.hits, s.misses, s.stores, s.errors, s.bytes_read, s.bytes_written)
            )
        return Stats(c.lookups, c.hits, c.misses, c.uncacheable, c.stores, c.errors, c.saved_ms, layers)

    def check_layer(self, layer: int) -> LayerHealth:
        """Asks a layer (by its index in stats().layers) for what none holds; FileError says why it can't be used. Nothing is stored or counted."""
        h = _abi.cc_layer_health(sizeof(_abi.cc_layer_health))
        self._call(_lib.cc_layer_check, layer, byref(h))
        return LayerHealth(h.first_us, h.next_us, h.clock_offset_s if h.flags & _abi.CC_HEALTH_CLOCK else None)

    def all_stats(self, path: Optional[Path] = None) -> Dict[str, Any]:
        """Of all processes, as `cchain stats --json` shows them; or those in a file that CCHAIN_STATS_LOG named."""
        if path is None:
            return self._json(_lib.cc_stats_json)
        return self._json(_lib.cc_stats_file_json, _path(path))

    def reset_stats(self) -> None:
        self._call(_lib.cc_stats_reset)

    def config(self) -> Dict[str, Any]:
        """Each value of the configuration and where it came from, and what is wrong with it."""
        return self._json(_lib.cc_config_json)

    def explain(self, path: Path, tenant: Optional[str] = None) -> Dict[str, Any]:
        """Why the last look-up of an output, or of the last output of a source, missed: cc_explain's members."""
        return self._json(_lib.cc_explain, _path(path), None if tenant is None else _plain(tenant), 0)

    def explain_dump(self, path: Path, tenant: Optional[str] = None) -> Dict[str, Any]:
        """Labelled fields and digests, for explain_diff with those of another machine."""
        return self._json(_lib.cc_explain, _path(path), None if tenant is None else _plain(tenant), _abi.CC_EXPLAIN_DUMP)

    def explain_diff(self, before: Dict[str, Any], after: Dict[str, Any]) -> Dict[str, Any]:
        """What differs in two dumps: why two machines do not share."""
        text = c_void_p()
        _check(self, _lib.cc_explain_diff(json.dumps(before).encode(), json.dumps(after).encode(), byref(text)))
        try:
            return json.loads(ctypes.string_at(text.value or 0))  # type: ignore[no-any-return]
        finally:
            _lib.cc_free(text)

    def trim(self, max_size: Optional[int] = None, max_age_s: int = 0) -> Tuple[int, int]:
        """Removes the entries that were not used for longest from each local layer. Returns how many, and their bytes."""
        options = _abi.cc_trim_options(sizeof(_abi.cc_trim_options), 0, 2**64 - 1 if max_size is None else max_size, max_age_s)
        entries, size = c_uint64(), c_uint64()
        self._call(_lib.cc_trim, byref(options), byref(entries), byref(size))
        return entries.value, size.value

    def clear(self, tenant: Optional[str] = None) -> None:
        """Removes every entry of every local layer, or those of one tenant."""
        self._call(_lib.cc_clear, None if tenant is None else _plain(tenant))

    def _json(self, function: Any, *arguments: Any) -> Dict[str, Any]:
        text = c_void_p()
        self._call(function, *arguments, byref(text))
        try:
            return json.loads(ctypes.string_at(text.value or 0))  # type: ignore[no-any-return]
        finally:
            _lib.cc_free(text)


class _Locked:
    """Several invocations, always taken in the same order."""

    def __init__(self, invs: Sequence[Invocation]) -> None:
        self._locks = [inv._own() for inv in sorted({id(inv): inv for inv in invs}.values(), key=id)]

    def __enter__(self) -> None:
        for lock in self._locks:
            lock.acquire()

    def __exit__(self, *_: object) -> None:
        for lock in self._locks:
            lock.release()


def _check(cache: Cache, status: int) -> int:
    if status >= 0:
        return status
    if status == _abi.CC_E_INVALID and cache._handle is None:
        raise ClosedError("the cache has been closed")
    raise last_error(status)


def _take(c: Any, status: int) -> Result:
    """What a look-up has filled, as Python's own; the library's is freed."""
    reason = c.reason
    result = Result(status > 0, _text(reason) if reason else "")
    if status > 0:
        # What is as the class has it is left alone: after the system calls of a look-up no line of this is in the processor's caches.
        result.layer, result.duration_ms = c.layer, c.duration_ms
        if c.exit_status:
            result.exit_status = c.exit_status
        if c.stdout_size:
            result.stdout = _bytes(c.stdout_data, c.stdout_size)
        if c.stderr_size:
            result.stderr = _bytes(c.stderr_data, c.stderr_size)
        if c.output_count:
            kept = [_output(o)._replace(data=_bytes(o.data, o.size)) for o in c.outputs[: c.output_count]]
            result.outputs = {output.role: output for output in kept}
    if c.owner:
        _clear(c)
    return result


def _run(argv: Sequence[Path], task: Task, environment: Dict[bytes, bytes], stdin: Optional[int]) -> Tuple[int, bytes, bytes, int]:
    """Exit status as the library counts it, both streams, milliseconds."""
    start = time.monotonic()
    done = subprocess.run(argv, cwd=task.cwd, env={**environment, **task.env}, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return status, done.stdout, done.stderr, int((time.monotonic() - start) * 1000)


def _log_function(log: Callable[[int, str], None]) -> Any:
    def line(_user: object, level: int, text: Optional[int], size: int) -> None:
        log(level, _text(_bytes(text, size)))

    return _abi.cc_log_fn(line)


def _invocation_options(cwd: Optional[Path], env: Optional[Environment], merged: bool, columns: Optional[int]) -> Tuple[Any, Any]:
    """The options, and what must live as long as they do."""
    options = _abi.cc_invocation_options(sizeof(_abi.cc_invocation_options))
    if merged:
        options.flags |= _abi.CC_INV_MERGED
    if columns is not None:
        options.flags |= _abi.CC_INV_TERMINAL
        options.columns = columns
    if cwd is not None:
        options.cwd = _path(os.path.abspath(cwd))
    if env is None:
        return options, None
    words = []
    for name, value in env.items():
        if not name or b"=" in os.fsencode(name):
            raise ValueError("no name of a variable: %r" % (name,))
        words.append(_path(name) + b"=" + _path(value))
    array = (c_char_p * (len(words) + 1))(*words, None)
    options.env = array
    return options, array


def _outputs(outputs: Iterable[Output], with_data: bool) -> Tuple[Any, int, Any]:
    """An array of the library's, its length, and the bytes that must live as long."""
    outputs = list(outputs)
    if not outputs:
        return None, 0, None
    array = (_abi.cc_output * len(outputs))()
    keep = []
    for c, output in zip(array, outputs):
        c.role, c.path, c.mode = _plain(output.role), _path(output.path), output.mode
        if output.optional:
            c.flags |= _abi.CC_OUTPUT_OPTIONAL
        if with_data and output.data is not None:
            keep.append(bytes(output.data))
            if keep[-1]:
                c.data, c.size = _address(keep[-1]), len(keep[-1])
            else:
                c.flags |= _abi.CC_OUTPUT_EMPTY
    return array, len(outputs), keep


def _output(c: Any) -> Output:
    return Output(_text(c.role), os.fsdecode(c.path), None, c.mode, bool(c.flags & _abi.CC_OUTPUT_OPTIONAL))


def _words(array: Any) -> Iterator[bytes]:
    i = 0
    while array and array[i] is not None:
        yield array[i]
        i += 1


def _bytes(address: Optional[int], size: int) -> bytes:
    if not size:
        return b""
    if size < 2**31:  # string_at counts with a C int
        return ctypes.string_at(address or 0, size)
    return bytes((c_uint8 * size).from_address(address or 0))


def _address(data: bytes) -> Optional[int]:
    """Where the bytes are; the caller keeps them."""
    return ctypes.cast(c_char_p(data), c_void_p).value if data else None


def _text(text: bytes) -> str:
    return str(text, "utf-8", "replace")


def _plain(text: Union[str, bytes]) -> bytes:
    return _whole(text.encode(errors="surrogateescape") if isinstance(text, str) else text)


def _path(path: Path) -> bytes:
    return _whole(os.fsencode(path))


def _whole(text: bytes) -> bytes:
    if b"\0" in text:
        raise ValueError("a NUL in %r" % text)
    return text
