"""Warms the cache from a compilation database.

Each command is looked up; what is there is left alone, no file is touched. What is missing is compiled as the build would do it, the object to its place, and
stored. What can't be cached is counted by its reason and not run.

SPDX-License-Identifier: Apache-2.0
"""
from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, TextIO, Tuple, Union

from . import __version__, library_version
from ._cache import Cache
from .errors import Error


class DatabaseError(Exception):
    """The text says what is wrong with the compilation database."""


class _NotToBeRun(Exception):
    pass


class Entry(NamedTuple):
    directory: str
    file: str
    command: Union[str, Tuple[str, ...]]


class Outcome(NamedTuple):
    """kind: hit, stored, uncacheable, failed (the compile), refused (compiled, but not to be stored)."""

    entry: Entry
    kind: str
    text: str = ""


def read_database(path: str) -> List[Entry]:
    """The entries of a compile_commands.json, each command once; `path` may be the folder it is in."""
    if os.path.isdir(path):
        path = os.path.join(path, "compile_commands.json")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            tree = json.load(f)
    except (OSError, ValueError, RecursionError) as e:
        raise DatabaseError("%s: %s" % (path, e)) from None
    if not isinstance(tree, list):
        raise DatabaseError("%s: it is no list" % path)
    entries: Dict[Entry, None] = {}
    for number, item in enumerate(tree, 1):
        try:
            entries[_entry(item, os.path.dirname(os.path.abspath(path)))] = None
        except (TypeError, KeyError) as e:
            raise DatabaseError("%s: entry %d: %s" % (path, number, e)) from None
    return list(entries)


def _entry(item: Any, base: str) -> Entry:
    if not isinstance(item, dict):
        raise TypeError("it is no object")
    for name in ("directory", "file"):
        if not isinstance(item.get(name), str):
            raise TypeError('"%s" is missing' % name)
    words = item.get("arguments")
    if isinstance(words, list) and words and all(isinstance(w, str) for w in words):
        command: Union[str, Tuple[str, ...]] = tuple(words)
    elif words is None and isinstance(item.get("command"), str):
        command = item["command"]
    else:
        raise TypeError('it has neither "arguments" nor "command"')
    return Entry(os.path.join(base, item["directory"]), item["file"], command)


class Warmer:
    """Threads that may be stopped: the commands under way come to their end, no other is begun."""

    def __init__(self, cache: Cache, tenant: Optional[str] = None) -> None:
        self._cache = cache
        self._tenant = tenant
        self._writers: Dict[str, Entry] = {}
        self._lock = threading.Lock()
        self.stopped = False

    def __call__(self, entry: Entry) -> Optional[Outcome]:
        if self.stopped:
            return None
        try:
            return self._warm(entry)
        except (Error, OSError, ValueError) as e:
            return Outcome(entry, "failed", str(e))

    def _warm(self, entry: Entry) -> Outcome:
        # One copy of the environment for all that is done with the command.
        environment = dict(os.environb)
        inv = self._cache.invocation(entry.command, cwd=entry.directory, env=environment)
        if inv.uncacheable is not None:
            return Outcome(entry, "uncacheable", inv.uncacheable)

        paths = [os.path.join(entry.directory, output.path) for output in inv.outputs]
        # Before the look-up: a folder that comes into being during a compile is a change that may have been seen by it.
        for path in paths:
            os.makedirs(os.path.dirname(path), exist_ok=True)

        def before() -> None:
            if inv.uncacheable is not None:
                raise _NotToBeRun(inv.uncacheable)
            with self._lock:
                if any(self._writers.setdefault(path, entry) is not entry for path in paths):
                    raise _NotToBeRun("another command of the database writes the same file")

        try:
            # A hit delivers nothing: a build that is up to date stays so.
            result = self._cache._run(inv, None, environment, self._tenant, False, before)
        except _NotToBeRun as e:
            return Outcome(entry, "uncacheable", str(e))
        if result.hit:
            return Outcome(entry, "hit")
        if result.exit_status != 0:
            return Outcome(entry, "failed", _first_lines(result.stderr or result.stdout) or "exit status %d" % result.exit_status)
        return Outcome(entry, "stored") if result.stored else Outcome(entry, "refused", result.reason)


def _first_lines(text: bytes, count: int = 5) -> str:
    return "\n".join(text.decode(errors="replace").splitlines()[:count])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


class Progress:
    """A bar on a terminal, else a line for each command that was not a hit."""

    def __init__(self, total: int, out: TextIO, quiet: bool) -> None:
        self._total, self._out, self._quiet = total, out, quiet
        self._bar = out.isatty() and os.environ.get("TERM") != "dumb" and not quiet
        self._done = 0
        self._counts: Counter[str] = Counter()
        self._shown = 0.0

    def add(self, outcome: Outcome) -> None:
        self._done += 1
        self._counts[outcome.kind] += 1
        if outcome.kind == "failed":
            self.line("failed: %s\n%s" % (outcome.entry.file, outcome.text))
        elif not self._bar and not self._quiet and outcome.kind != "hit":
            more = ": " + outcome.text if outcome.text else ""
            self.line("[%d/%d] %s %s%s" % (self._done, self._total, outcome.kind, outcome.entry.file, more))
        if self._bar and (time.monotonic() - self._shown > 0.05 or self._done == self._total):
            self._show()

    def line(self, text: str) -> None:
        if self._bar:
            self._out.write("\r\x1b[K")
        self._out.write(_printable(text) + "\n")
        if self._bar:
            self._show()
        self._out.flush()

    def end(self) -> None:
        if self._bar:
            self._out.write("\r\x1b[K")
            self._out.flush()

    def _show(self) -> None:
        self._shown = time.monotonic()
        try:
            columns = os.get_terminal_size(self._out.fileno()).columns or 80
        except (OSError, ValueError):
            columns = 80
        said = " %d/%d" % (self._done, self._total)
        said += "".join(", %d %s" % (self._counts[k], k) for k in ("hit", "stored", "uncacheable", "refused", "failed") if self._counts[k])
        room = columns - len(said) - 3
        if room >= 10:
            full = room * self._done // self._total
            said = "[" + "#" * full + "." * (room - full) + "]" + said
        self._out.write("\r" + said[: columns - 1] + "\x1b[K")
        self._out.flush()


def warm(entries: Sequence[Entry], cache: Cache, jobs: int, progress: Progress, tenant: Optional[str] = None) -> List[Outcome]:
    """Warms in `jobs` threads: most of the time they wait for compilers, and the GIL is released in each call of the library."""
    warmer = Warmer(cache, tenant)
    outcomes: List[Outcome] = []
    again: List[Entry] = []
    with ThreadPoolExecutor(jobs) as pool:
        running: Set["Future[Optional[Outcome]]"] = {pool.submit(warmer, entry) for entry in entries}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for outcome in filter(None, (future.result() for future in done)):
                    if outcome.kind == "refused":
                        again.append(outcome.entry)
                        continue
                    outcomes.append(outcome)
                    progress.add(outcome)
            # A neighbour may have changed a folder that a compile looked at: once more, one at a time.
            for entry in again:
                last = warmer(entry)
                if last is not None:
                    outcomes.append(last)
                    progress.add(last)
        except BaseException:
            warmer.stopped = True
            raise
        finally:
            progress.end()
    return outcomes


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    counts = Counter(outcome.kind for outcome in outcomes)
    text = "%d commands in %.1f s: %d hits, %d compiled and stored" % (len(outcomes), seconds, counts["hit"], counts["stored"])
    for kind, words in (("refused", "compiled but not stored"), ("uncacheable", "that can't be cached"), ("failed", "failed")):
        if counts[kind]:
            text += ", %d %s" % (counts[kind], words)
    reasons = Counter(outcome.text for outcome in outcomes if outcome.kind in ("refused", "uncacheable"))
    for reason, count in reasons.most_common(10):
        text += "\n%6d  %s" % (count, _printable(reason))
    if len(reasons) > 10:
        text += "\n        and %d other reasons" % (len(reasons) - 10)
    return text


def main(argv: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m cchain",
        description="Compiles what the cache lacks of a compilation database, so that the next build hits. What is cached already is not touched.",
        epilog="Exit status: 0 all that can be cached is; 1 a command failed or was not stored; 2 wrong usage or no database; 130 interrupted.",
    )
    parser.add_argument("database", nargs="?", default="compile_commands.json", help="compile_commands.json, or the folder it is in")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="commands at a time (default: one for each processor)")
    parser.add_argument("-t", "--tenant", help="whose entries")
    parser.add_argument("-q", "--quiet", action="store_true", help="failures and the summary only")
    parser.add_argument("-V", "--version", action="version", version="cchain %s, library %s" % (__version__, library_version))
    options = parser.parse_args(argv)
    if options.jobs < 1:
        parser.error("--jobs: at least 1")
    start = time.monotonic()
    try:
        entries = read_database(options.database)
        with Cache(tenant=options.tenant, host="python -m cchain") as cache:
            outcomes = warm(entries, cache, options.jobs, Progress(len(entries), sys.stdout, options.quiet))
            cache.flush()
    except (DatabaseError, Error) as e:
        print("python -m cchain: %s" % e, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("python -m cchain: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    print(summary(outcomes, time.monotonic() - start))
    return 1 if any(outcome.kind in ("failed", "refused") for outcome in outcomes) else 0
