#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random C and C++ projects (world.py) with random edits; each compile through cchain is compared byte for byte with a plain one.

  differential.py [--seconds N | --steps N | --soak] [--seed S] [--lanes N] [--keep] [--first]      20 s; --soak: 100,000 steps; --first: ends at the first difference

A step is one compile through one of the doors (the command, or the library in this process, there also within build sessions) with a plain one beside it: exit
status, both streams, every file that came or changed, its kind and mode, and that it is newer than its inputs. A difference is none if two plain compiles differ in
the same file. The seed is printed, and a failure names its world and step: `--seed S` makes the same worlds again (what is young or old when depends on the machine).
From 20,000 steps on it fails too if a row never happened, less than 40 % were hits, or more than 10 % could not be cached.
"""
import collections
import multiprocessing
import os
import queue
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import ROWS, World  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
B = os.path.abspath(os.environ.get('B') or ROOT + '/build')
STEPS_OF_A_WORLD = 250


def snapshot(top):
    found, folders = {}, [top]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for e in entries:
                if e.is_dir(follow_symlinks=False):
                    folders.append(e.path)
                else:
                    found[e.path] = e.stat(follow_symlinks=False)
    return found


class Outcome:
    """What a compile left. Taking it removes what is new, and what changed among outputs that were there before."""

    def __init__(self, status, out, err, before, top):
        self.status, self.out, self.err, self.files, self.times = status, out, err, {}, {}
        for p, st in snapshot(top).items():
            was = before.get(p)
            if was is not None and (was.st_ino, was.st_mtime_ns, was.st_size, was.st_mode) == (st.st_ino, st.st_mtime_ns, st.st_size, st.st_mode):
                continue
            if stat.S_ISLNK(st.st_mode):
                self.files[p] = ('link', os.readlink(p))
            else:
                with open(p, 'rb') as f:
                    self.files[p] = (stat.S_IMODE(st.st_mode), f.read())
                self.times[p] = st.st_mtime_ns
            os.unlink(p)

    def difference(self, other):
        for name in ('status', 'out', 'err'):
            a, b = getattr(self, name), getattr(other, name)
            if a != b:
                return '%s: %r, plainly %r' % (name, b, a)
        return None

    def differing(self, other):
        return {p for p in self.files.keys() | other.files.keys() if self.files.get(p) != other.files.get(p)}


class Runner:
    """A world and what it is compiled with."""

    def __init__(self, root, cchain, seed):
        self.counts, self.rows = collections.Counter(), collections.Counter()
        self.root, self.cchain, self.seed, self.log = root, cchain, seed, root + '/log'
        self.caches, self.session, self.session_mode = {}, None, None
        self.world = World(root, seed, self.count)
        self.random = self.world.random

    def count(self, row):
        assert row in ROWS, row
        self.rows[row] += 1

    def close(self):
        self.end_session()
        for cache in self.caches.values():
            cache.close()

    def environment(self, c):
        env = {'PATH': self.root + '/bin:' + os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': self.root + '/home', 'TMPDIR': self.root + '/tmp', 'LC_ALL': 'C'}
        env.update(c.env)
        return env

    def with_cache(self, c):
        return dict(self.environment(c), CCHAIN_DIR=self.root + '/cache', CCHAIN_MODE=c.mode, CCHAIN_TENANT=c.tenant, CCHAIN_LOG=self.log)

    # ---- the two sides

    def start(self, c, words, env):
        return subprocess.Popen(words, cwd=c.cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=False)

    def plainly(self, c):
        self.world.prepare(c)
        before = snapshot(self.world.src)
        p = self.start(c, c.argv(), self.environment(c))
        out, err = p.communicate(timeout=120)
        return Outcome(p.returncode, out, err, before, self.world.src)

    def by_command(self, c):
        self.world.prepare(c)
        before = snapshot(self.world.src)
        at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        p = self.start(c, [self.cchain] + c.argv(), self.with_cache(c))
        out, err = p.communicate(timeout=120)
        outcome = Outcome(p.returncode, out, err, before, self.world.src)
        return outcome, self.said(at)

    def said(self, at):
        if not os.path.exists(self.log):
            return 'uncacheable', ''
        with open(self.log) as f:
            f.seek(at)
            text = f.read()
        return next((v for v in ('hit', 'not stored', 'uncacheable') if ' %s ' % v in text), 'miss'), text

    def cache(self, mode):
        if mode not in self.caches:
            import cchain
            layers = [{'type': 'disk', 'path': self.root + '/cache'}]
            self.caches[mode] = cchain.Cache({'mode': mode, 'layers': layers}, environment=False, files=False)
        return self.caches[mode]

    def by_library(self, c):
        self.world.prepare(c)
        before = snapshot(self.world.src)
        env = self.environment(c)
        # A program is looked for on the PATH of who starts it.
        words = [shutil.which(c.compiler, path=env['PATH']) or c.compiler] + c.argv()[1:] if c.compiler == 'script-cc' else c.argv()
        cache = self.cache(c.mode)
        result = cache.run(words, cwd=c.cwd, env=env, tenant=c.tenant)
        outcome = Outcome(result.exit_status, result.stdout, result.stderr, before, self.world.src)
        if result.hit or result.stored or result.exit_status:
            return outcome, ('hit' if result.hit else 'miss', '')
        again = cache.invocation(words, cwd=c.cwd, env=env)
        cache.lookup(again, c.tenant, deliver=False)
        return outcome, ('uncacheable' if again.uncacheable else 'not stored', again.uncacheable or result.reason)

    # ---- a step

    def compare(self, c, door, started, plain, outcome, verdict, text):
        what, differing = plain.difference(outcome), plain.differing(outcome)
        if what or differing:
            again = self.plainly(c)  # where two plain ones differ there is nothing to compare
            what = None if plain.difference(again) else what
            differing -= plain.differing(again)
        if not what:
            if differing:
                p = sorted(differing)[0]
                a, b = plain.files.get(p), outcome.files.get(p)
                what = 'file %s: %s' % (p, 'is not there' if b is None else 'is there' if a is None else 'mode %s, plainly %s' % (b[0], a[0]) if a[0] != b[0] else 'contents')
        if not what and any(t < started - 20 * 10**6 for p, t in outcome.times.items() if p in plain.times and t < plain.times[p]):
            what = 'an output is older than the compile'
        if what:
            raise AssertionError('%s by the %s: world %d, step %d (%s, %s)\n#   %s\n#   after: %s\n#   in %s: %s %s\n#   it said: %s' % (
                'WRONG HIT' if verdict == 'hit' else verdict, door, self.seed, self.world.steps, c.mode, c.tenant, what, '; '.join(self.world.said[-12:]), c.cwd,
                ' '.join('%s=%s' % v for v in c.env.items()), ' '.join(c.argv()), text.strip()))

    def done(self, c, plain, verdict, text):
        self.world.steps += 1
        self.counts[verdict] += 1
        if verdict in ('uncacheable', 'not stored'):
            why = text.strip().splitlines()[-1] if text.strip() else ''
            self.counts['why: ' + why.rpartition(verdict)[2].replace(self.root, '')[:70]] += 1
        for row in c.rows:
            self.count(row)
        if plain.status:
            self.count('failure')
        elif plain.err:
            self.count('warnings')

    def compile(self, c):
        plain, started = self.plainly(c), time.time_ns()
        if self.session and c.mode != self.session_mode:
            self.end_session()
        door = 'library' if self.session or self.random.random() < 0.4 else 'command'
        try:
            outcome, (verdict, text) = self.by_library(c) if door == 'library' else self.by_command(c)
        except Exception as e:
            raise AssertionError('the %s: world %d, step %d (%s, %s): %s: %s\n#   after: %s\n#   in %s: %s %s' % (
                door, self.seed, self.world.steps, c.mode, c.tenant, type(e).__name__, e, '; '.join(self.world.said[-12:]), c.cwd,
                ' '.join('%s=%s' % v for v in c.env.items()), ' '.join(c.argv())))
        if self.session:
            self.count('session')
        self.compare(c, door, started, plain, outcome, verdict, text)
        self.done(c, plain, verdict, text)

    def edited_in_place(self, c):
        """A delivered object is changed where it lies; the next hit must be whole."""
        self.world.prepare(c)
        before = snapshot(self.world.src)
        p = self.start(c, [self.cchain] + c.argv(), self.with_cache(c))
        p.communicate(timeout=120)
        for path in [q for q in snapshot(self.world.src) if q.endswith('.o')]:
            if os.access(path, os.W_OK) and os.path.isfile(path) and not os.path.islink(path):
                with open(path, 'r+b') as f:
                    f.seek(max(0, os.path.getsize(path) // 2))
                    f.write(b'edited in place')
        Outcome(0, b'', b'', before, self.world.src)
        self.count('edited-later')

    def side_by_side(self, commands):
        plain = [self.plainly(c) for c in commands]
        for c in commands:
            self.world.prepare(c)
        before, started = snapshot(self.world.src), time.time_ns()
        running = [self.start(c, [self.cchain] + c.argv(), self.with_cache(c)) for c in commands]
        streams = [p.communicate(timeout=120) for p in running]
        together = Outcome(0, b'', b'', before, self.world.src)
        for c, a, p, (out, err) in zip(commands, plain, running, streams):
            mine = Outcome.__new__(Outcome)
            mine.status, mine.out, mine.err = p.returncode, out, err
            mine.files = {f: together.files[f] for f in a.files if f in together.files}
            mine.times = {f: together.times[f] for f in mine.files if f in together.times}
            self.compare(c, 'command side by side', started, a, mine, 'miss', '')
            self.done(c, a, 'side by side', '')
            self.count('parallel')

    def race(self, c):
        """What the compiler sees is up to chance; what is stored must not be wrong afterwards. Nothing is compared here."""
        change, undo = self.world.meddle()
        self.world.prepare(c)
        before = snapshot(self.world.src)
        delay, pause = self.random.random() * 0.03, self.random.random() * 0.02
        p = self.start(c, [self.cchain] + c.argv(), self.with_cache(c))
        try:
            time.sleep(delay)
            change()
            time.sleep(pause)
            undo()
        except OSError:
            pass
        p.communicate(timeout=120)
        after = snapshot(self.world.src)
        mine = {q: after[q] for q in after if q in before or q.endswith(('.h', '.away'))}
        Outcome(0, b'', b'', {**before, **mine}, self.world.src)

    def precompile(self, c):
        """Makes what the compiler takes for the command's first -include, or takes it away."""
        out = c.forced + ('.pch' if 'clang' in c.compiler else '.gch')
        if os.path.lexists(out):
            os.unlink(out) if not os.path.isdir(out) else os.rmdir(out)
            if self.random.random() < 0.3:
                return
        words = [w for group in c.free for w in group] + [w for w in c.words if w[:2] in ('-O', '-g', '-W', '-f', '-s') and not w.startswith('-W')]
        if 'clang' in c.compiler and self.random.random() < 0.3:
            words += ['-Xclang', '-fno-pch-timestamp']
        argv = [c.compiler, *words, '-x', 'c++-header' if c.compiler.endswith('++') else 'c-header', '-c', c.forced, '-o', out]
        if self.random.random() < 0.9:
            argv.insert(0, self.cchain)
        p = self.start(c, argv, self.with_cache(c))
        p.communicate(timeout=120)

    def end_session(self):
        if self.session:
            self.session.__exit__(None, None, None)
            self.session = None

    def steps(self):
        """Some edits, then the compiles of before and a new one."""
        w, r = self.world, self.random
        if not self.session and r.random() < 0.1:
            self.session_mode = r.choice(('direct', 'direct', 'preprocess', 'direct+preprocess'))
            self.session = self.cache(self.session_mode).session()
            self.session.__enter__()
        for _ in range(r.choice((0, 1, 1, 1, 2))):
            w.edit()
            if self.session:
                self.session.changed()
        if len(w.commands) < 3 or r.random() < 0.2:
            w.commands.append(w.command() if not w.commands or r.random() < 0.6 else w.variation(r.choice(w.commands)))
            w.commands = w.commands[-6:]
        for c in r.sample(w.commands, min(3, len(w.commands))):
            if c.forced and r.random() < 0.5:
                self.precompile(c)
            x = r.random()
            if x < 0.03:
                self.race(c)
            elif x < 0.06 and c.form is None:
                self.edited_in_place(c)
            if self.session:
                self.session.changed()  # what was compiled plainly meanwhile, nobody told
            for _ in range(r.choice((1, 1, 2))):
                self.compile(c)
        if r.random() < 0.1 and not self.session:
            some = [c for c in w.commands if c.object and not c.form and not {'dependency-file', 'more-outputs', 'option-files'} & set(c.rows)]
            if len({c.object for c in some}) == len(some) > 1:
                self.side_by_side(some)
        if self.session and r.random() < 0.2:
            self.end_session()


def lane(root, cchain, numbers, end, results, keep):
    runners = []
    signs = 0
    try:
        while time.time() < end.value:
            # Several worlds in turn: what was written in one is older than 2 s when it is compiled again.
            if len(runners) < 6:
                with numbers.get_lock():
                    numbers.value += 1
                    n = numbers.value
                runners.append(Runner('%s/%d' % (root, n), cchain, n))
            runner = runners.pop(0)
            failed = None
            try:
                runner.steps()
            except AssertionError as e:
                failed = str(e)
            except subprocess.TimeoutExpired as e:
                failed = 'it hung: world %d, step %d: %s' % (runner.seed, runner.world.steps, e)
            results.put((dict(runner.counts), dict(runner.rows), failed))
            runner.counts.clear()
            runner.rows.clear()
            if not failed and runner.world.steps < STEPS_OF_A_WORLD:
                runners.append(runner)
            else:
                runner.close()
                signs += 1
                if not keep and not failed:
                    shutil.rmtree(runner.root, ignore_errors=True)
    except BaseException as e:
        results.put(({}, {}, 'the test itself: %s: %s' % (type(e).__name__, e)))
        raise
    finally:
        for runner in runners:
            runner.close()
        results.put(None)


def main():
    def option(name, default):
        return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default
    seed, soak, keep = option('--seed', int(time.time()) % 10**6), '--soak' in sys.argv, '--keep' in sys.argv
    wanted = option('--steps', 100000 if soak else 0)
    seconds = option('--seconds', 10**6 if wanted else 20)
    lanes = option('--lanes', os.cpu_count() or 2)
    cchain = os.environ.get('CCHAIN', B + '/cchain')
    if not os.path.exists(cchain) or not all(shutil.which(c) for c in ('gcc', 'g++', 'clang', 'clang++')):
        print('skip differential: cchain, gcc and clang are needed\n0 passed, 0 failed, 1 skipped')
        return 0
    print('seed %d' % seed, flush=True)
    root = tempfile.mkdtemp(prefix='cchain-differential-')
    os.mkdir(root + '/program')
    cchain = shutil.copy(cchain, root + '/program/cchain')  # a build may run meanwhile
    os.environ['CCHAIN_LIB'] = shutil.copy(os.environ.get('CCHAIN_LIB') or B + '/libcchain.so.0', root + '/program/libcchain.so.0')
    sys.path.insert(0, ROOT + '/bindings/python')
    counts, rows, failures, steps, began = collections.Counter(), collections.Counter(), 0, 0, time.time()
    numbers, end, results = multiprocessing.Value('q', seed * 1000), multiprocessing.Value('d', time.time() + seconds), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=lane, args=(root, cchain, numbers, end, results, keep)) for _ in range(lanes)]
    for p in processes:
        p.start()
    running, told = lanes, time.time()
    while running:
        try:
            got = results.get(timeout=150)
        except queue.Empty:
            if any(p.is_alive() for p in processes):
                print('not ok nothing came for 150 s', flush=True)
                failures += 1
                for p in processes:
                    p.kill()
            break
        if got is None:
            running -= 1
            continue
        counts.update(got[0])
        rows.update(got[1])
        steps = sum(n for v, n in counts.items() if not v.startswith('why: '))
        if got[2]:
            failures += 1
            print('not ok ' + got[2], flush=True)
        if failures >= (1 if '--first' in sys.argv else 10) or (wanted and steps >= wanted):
            end.value = 0
        if soak and time.time() - told > 60:
            told = time.time()
            print('# %d steps in %d s, %d hits, %d failures' % (steps, told - began, counts['hit'], failures), flush=True)
    for p in processes:
        p.join()
    print('# kept: ' + root) if keep or (failures and '--first' not in sys.argv) else shutil.rmtree(root, ignore_errors=True)
    for row, what in ROWS.items():
        print('# %6d %-15s %s' % (rows[row], row, what))
    for why, n in counts.most_common():
        if why.startswith('why: '):
            print('# %6d not cached: %s' % (n, why[5:]))
    verdicts = {v: n for v, n in counts.items() if not v.startswith('why: ')}
    print('# %d steps in %d s: %s' % (steps, time.time() - began, ', '.join('%d %s (%.1f %%)' % (n, v, 100 * n / max(1, steps)) for v, n in sorted(verdicts.items()))))
    if steps >= 20000:
        for row in ROWS:
            if not rows[row]:
                failures += 1
                print('not ok no step did this: ' + row)
        if counts['hit'] < 0.4 * steps or counts['uncacheable'] > 0.1 * steps:
            failures += 1
            print('not ok too few hits or too many that can not be cached')
    print('%d passed, %d failed' % (steps, failures))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
