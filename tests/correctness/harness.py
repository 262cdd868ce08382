# SPDX-License-Identifier: Apache-2.0
"""What the correctness tests share: a box with a cache of its own, a compile in it done plainly and through `cchain`,
and a runner. Python 3 standard library only.

A test is a generator function of one Box. Where it yields, it goes on when everything it wrote is older than 2 s, for only then
do processes remember digests; meanwhile other tests run. A test that proves nothing here says so by skip().
"""
import collections
import copy
import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RIPE = 2.1
TIMEOUT = 60
MODES = ('direct', 'preprocess', 'direct+preprocess')


class Skip(Exception):
    pass


class Wrong(Exception):
    pass


def skip(why):
    raise Skip(why)


def check(truth, why):
    if not truth:
        raise Wrong(why)


def have(program):
    return shutil.which(program) is not None


class Result:
    """What a command left: exit status, both streams, and every file that it made or changed."""

    def __init__(self, status, out, err, files):
        self.status, self.out, self.err, self.files = status, out, err, files

    def difference(self, other):
        if self.status != other.status:
            return 'exit status %d, plainly %d: %s' % (self.status, other.status, self.err[-300:])
        for name in ('out', 'err'):
            a, b = getattr(self, name), getattr(other, name)
            if a != b:
                return 'std%s is %r, plainly %r' % (name, a[:400], b[:400])
        if set(self.files) != set(other.files):
            return 'it leaves %s, plainly %s' % (sorted(self.files), sorted(other.files))
        for name in self.files:
            a, b = self.files[name], other.files[name]
            if a != b:
                if len(a) < 400 and len(b) < 400:
                    return '%s is %r, plainly %r' % (name, a, b)
                at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                return '%s differs from the plain one at byte %d of %d (%d): %r, plainly %r' % (
                    name, at, len(a), len(b), a[at:at + 24], b[at:at + 24])
        return None


class Verdict:
    """What the statistics say of one command."""

    def __init__(self, before, after):
        self.delta = {k: after.get(k, 0) - before.get(k, 0) for k in ('lookups', 'hits', 'misses', 'uncacheable', 'stores')}

        def new(key):
            a, b = before.get(key) or {}, after.get(key) or {}
            return [k for k in b if b[k] > a.get(k, 0)]
        self.reasons, self.miss_reasons = new('uncacheable_reasons'), new('miss_reasons')
        self.hit = self.delta['hits'] > 0
        self.uncacheable = self.delta['uncacheable'] > 0
        self.miss = not self.hit and not self.uncacheable and self.delta['misses'] > 0
        self.stored = self.delta['stores'] > 0

    def __str__(self):
        what = 'hit' if self.hit else 'uncacheable' if self.uncacheable else 'miss' if self.miss else 'nothing counted'
        more = self.reasons + self.miss_reasons
        return what + (', stored' if self.stored else '') + (' (%s)' % '; '.join(more) if more else '')


class Box:
    """A folder `src` to compile in, a cache beside it, an environment. cc and cxx are the compilers' names."""

    def __init__(self, suite, root, cc, mode):
        self.suite, self.root, self.cc, self.mode = suite, root, cc, mode
        self.gcc, self.clang = cc == 'gcc', cc == 'clang'
        self.cxx = 'g++' if self.gcc else 'clang++'
        self.direct = mode == 'direct'
        self.src = root + '/src'
        for d in ('src', 'tmp', 'home'):
            os.makedirs(root + '/' + d)
        self.env = {'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': root + '/home', 'TMPDIR': root + '/tmp', 'LC_ALL': 'C',
                    'CCHAIN_DIR': root + '/cache'}
        if mode != 'direct':
            self.env['CCHAIN_MODE'] = mode
        self.cwd = self.src
        self.last_plain = self.last_stats = None

    # ---- files

    def path(self, name):
        return os.path.join(self.src, name)

    def write(self, name, text='', times=None):
        """A new file under `name` (the old one is replaced, as editors do), its mtime an hour ago unless `times` says."""
        p = self.path(name)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        with open(p + '.new~', 'wb') as f:
            f.write(text.encode() if isinstance(text, str) else text)
        t = times or (time.time_ns() - 3600 * 10**9,) * 2
        os.utime(p + '.new~', ns=t)
        os.rename(p + '.new~', p)
        return p

    def rewrite(self, name, text):
        """Other bytes in the same file, with the old mtime."""
        p = self.path(name)
        st = os.stat(p)
        with open(p, 'r+b') as f:
            f.write(text.encode())
            f.truncate()
        os.utime(p, ns=(st.st_atime_ns, st.st_mtime_ns))

    def remove(self, name):
        os.unlink(self.path(name))

    def link(self, name, target):
        """A symbolic link, atomically exchanged if it is there."""
        p = self.path(name)
        os.symlink(target, p + '.new~')
        os.rename(p + '.new~', p)
        return p

    def program(self, name, text, *flags):
        """A compiled program of the test's own."""
        p = self.path(name)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        run = subprocess.run([self.suite.host_cc, '-O1', '-w', '-x', 'c', '-', '-o', p, *flags], input=text.encode(), capture_output=True, timeout=TIMEOUT)
        check(run.returncode == 0, 'a helper could not be compiled: %s' % run.stderr.decode(errors='replace'))
        return p

    # ---- commands

    def _tree(self):
        seen = {}
        for base, dirs, names in os.walk(self.src):
            for n in names + [d for d in dirs if os.path.islink(os.path.join(base, d))]:
                p = os.path.join(base, n)
                st = os.lstat(p)
                seen[os.path.relpath(p, self.src)] = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        return seen

    def environment(self, env=None):
        full = dict(self.env, PWD=self.cwd)
        for k, v in (env or {}).items():
            if v is None:
                full.pop(k, None)
            else:
                full[k] = v
        return full

    def run(self, argv, env=None, stdin=None, keep=False):
        before = self._tree()
        p = subprocess.Popen(argv, cwd=self.cwd, env=self.environment(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
        try:
            out, err = p.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)  # our own child, a session of its own
            p.communicate()
            raise Wrong('it hangs: ' + ' '.join(argv))
        return Result(p.returncode, out, err, self._collect(before, keep))

    def run_on_terminal(self, argv, env=None, keep=False):
        import pty
        before = self._tree()
        master, slave = pty.openpty()
        try:
            p = subprocess.Popen(argv, cwd=self.cwd, env=self.environment(env), stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
            os.close(slave)
            slave = -1
            out, end = b'', time.time() + TIMEOUT
            while time.time() < end:
                if not select.select([master], [], [], 1)[0]:
                    continue
                try:
                    data = os.read(master, 65536)
                except OSError:
                    break
                if not data:
                    break
                out += data
            status = p.wait(timeout=TIMEOUT)
        finally:
            os.close(master)
            if slave >= 0:
                os.close(slave)
        return Result(status, out, b'', self._collect(before, keep))

    def _collect(self, before, keep=False):
        files = {}
        for name, what in self._tree().items():
            if before.get(name) == what:
                continue
            p = self.path(name)
            if not os.path.islink(p) and os.path.isfile(p):
                with open(p, 'rb') as f:
                    files[name] = f.read()
                if not keep:
                    os.unlink(p)
        return files

    def _state(self):
        """All that a plain compile could see of what a test can change."""
        seen = []
        for base, dirs, names in os.walk(self.root):
            if base == self.root:
                dirs[:] = [d for d in dirs if d not in ('cache', 'tmp') and not d.startswith('state')]
            for n in names + dirs:
                st = os.lstat(os.path.join(base, n))
                directory = stat.S_ISDIR(st.st_mode)
                seen.append((base, n, st.st_ino, st.st_mode, directory or (st.st_size, st.st_mtime_ns, st.st_ctime_ns)))
        return seen

    def plainly(self, argv, env, terminal):
        """A plain compile; the last one again if nothing has changed since."""
        key = (argv, env, terminal, self.cwd, self.env, self._state())
        if self.last_plain and self.last_plain[0] == key:
            return self.last_plain[1]
        result = (self.run_on_terminal if terminal else self.run)(argv, env=env)
        # What it left has been taken away; that a FIFO was read shows nowhere.
        if not any(stat.S_ISFIFO(x[3]) for x in key[5]):
            self.last_plain = (copy.deepcopy(key[:5]) + (key[5],), result)
        return result

    def stats(self):
        p = subprocess.run([self.suite.cchain, 'stats', '--json'], env=self.environment(), cwd=self.root, capture_output=True, timeout=TIMEOUT)
        check(p.returncode == 0, 'cchain stats --json fails: %r' % p.stderr)
        return json.loads(p.stdout)

    def plain(self, *argv, env=None):
        return self.run(list(argv), env=env)

    def cached(self, *argv, env=None, extra_env=None, terminal=False):
        """Result and Verdict of `cchain argv`. Statistics are those of the cache that `env` names."""
        stats_env = {k: v for k, v in (env or {}).items() if k in ('CCHAIN_DIR', 'CCHAIN_STATE_DIR', 'CCHAIN_CONFIG')}
        hold, self.env = self.env, dict(self.env, **stats_env)
        try:
            # Nobody but us counts in this cache.
            before = self.last_stats[1] if self.last_stats and self.last_stats[0] == stats_env else self.stats()
            run = self.run_on_terminal if terminal else self.run
            result = run([self.suite.cchain, *argv], env=dict(env or {}, **(extra_env or {})))
            after = self.stats()
            self.last_stats = (stats_env, after)
            for total, parts in (('lookups', [after['hits'], after['misses'], after['uncacheable']]), ('misses', after['miss_reasons'].values()),
                                 ('uncacheable', after['uncacheable_reasons'].values())):
                check(after[total] == sum(parts), 'the statistics do not add up: %s of %s' % (total, after))
            check(all(l['hits'] + l['misses'] <= after['lookups'] for l in after['layers']), 'a layer was asked too often: %s' % after)
            return result, Verdict(before, after)
        finally:
            self.env = hold

    def same(self, *argv, env=None, extra_env=None, what='', terminal=False):
        """Through the cache as plainly, now: the verdict."""
        plain = self.plainly(list(argv), env, terminal)
        result, verdict = self.cached(*argv, env=env, extra_env=extra_env, terminal=terminal)
        difference = result.difference(plain)
        if difference:
            raise Wrong('%s%s%s: %s' % ('WRONG HIT: ' if verdict.hit else '', what + ': ' if what else '', verdict, difference))
        return verdict

    def stored(self, *argv, **kw):
        v = self.same(*argv, **kw)
        check(v.miss and v.stored, 'should have been a miss that is stored, but: %s' % v)
        return v

    def hit(self, *argv, **kw):
        v = self.same(*argv, **kw)
        check(v.hit, 'should have been a hit, but: %s' % v)
        return v

    def fresh(self, *argv, **kw):
        """After a change: equal to the plain compile of now, and no hit."""
        reason = kw.pop('reason', None)
        v = self.same(*argv, **kw)
        check(not v.hit, 'a hit after the change')
        if reason:
            check(any(re.search(reason, r) for r in v.miss_reasons + v.reasons), 'the reason should name /%s/: %s' % (reason, v))
        return v

    def refused(self, *argv, reason, compare=True, **kw):
        """Twice uncacheable, for that reason, and as plainly."""
        for _ in range(2):
            if compare:
                v = self.same(*argv, **kw)
            else:
                r, v = self.cached(*argv, **kw)
                check(r.status == 0, 'it fails: %r' % r.err)
            check(not v.hit, 'a hit of what should be refused')
            check(v.uncacheable and not v.stored, 'should have been refused, but: %s' % v)
            check(any(re.search(reason, r) for r in v.reasons), 'the reason should name /%s/: %s' % (reason, v))
        return v

    def proven(self, *argv, **kw):
        """Stored, and hit twice (the second time by what is remembered): what comes now is no accident."""
        self.stored(*argv, **kw)
        self.hit(*argv, **kw)
        self.hit(*argv, **kw)


Case = collections.namedtuple('Case', 'name function compilers modes core')


class Suite:
    def __init__(self, doc):
        self.doc, self.cases = doc, []
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.cchain = self.host_cc = self.root = None
        self.on_start = []

    def test(self, compilers=('gcc', 'clang'), modes=('direct',), name=None, core=True):
        """core: among those that stand for a row where there is not time for all; a compiler: with that one only."""
        def add(f):
            self.cases.append(Case(name or f.__name__, f, compilers, modes, core))
            return f
        return add

    def say(self, kind, line):
        with self.lock:
            self.counts[kind] += 1
            print(line, flush=True)

    def _label(self, case, cc, mode):
        return '%s (%s%s)' % (case.name, cc, '' if mode == 'direct' else ', ' + mode)

    def _step(self, job):
        """One leg of a test. False when it has ended."""
        started = time.time()
        try:
            next(job['run'])
            job['ripe'], job['spent'] = time.time() + RIPE, job['spent'] + time.time() - started
            return True
        except StopIteration:
            spent = job['spent'] + time.time() - started
            self.say('passed', 'ok %s%s' % (job['label'], '   [%.1f s]' % spent if self.verbose else ''))
        except Skip as e:
            self.say('skipped', 'skip %s: %s' % (job['label'], e))
        except Wrong as e:
            self.say('failed', 'not ok %s: %s' % (job['label'], e))
        except Exception as e:
            self.say('failed', 'not ok %s: %s' % (job['label'], ' | '.join(traceback.format_exception_only(type(e), e)).strip()))
            if os.environ.get('TRACE'):
                traceback.print_exc()
        if not self.keep:
            shutil.rmtree(job['root'], ignore_errors=True)
        return False

    def _work(self):
        while True:
            with self.lock:
                if not self.jobs:
                    if not self.busy:
                        return
                    job = None
                else:
                    now = time.time()
                    at = next((i for i, j in enumerate(self.jobs) if j['ripe'] <= now), None)
                    job = self.jobs[at] if at is not None else None
                    if job:
                        del self.jobs[at]
                        self.busy += 1
            if not job:
                time.sleep(0.02)
                continue
            more = self._step(job)
            with self.lock:
                self.busy -= 1
                if more:
                    self.jobs.append(job)

    def main(self, argv):
        wanted, self.keep, self.verbose = [a for a in argv[1:] if not a.startswith('-')], '--keep' in argv, '-v' in argv
        # --core: each test in one mode; --core=gcc: with that compiler
        core = next((a for a in argv if a.startswith('--core')), '')
        only = core.partition('=')[2]
        if '--list' in argv:
            print('\n'.join(c.name for c in self.cases))
            return 0
        built = os.environ.get('CCHAIN', ROOT + '/build/cchain')
        unknown = [w for w in wanted if not any(c.name == w for c in self.cases)]
        if unknown or not os.path.exists(built):
            print('not ok %s: no such %s' % (unknown[0] if unknown else built, 'test' if unknown else 'file'))
            print('0 passed, 1 failed, 0 skipped')
            return 1
        self.root = tempfile.mkdtemp(prefix='cchain-test-')
        try:
            # A copy, for a build may run meanwhile.
            os.makedirs(self.root + '/bin')
            self.cchain = shutil.copy(built, self.root + '/bin/cchain')
            if os.path.exists(built + '-dynamic'):
                shutil.copy(built + '-dynamic', self.root + '/bin/cchain-dynamic')
            compilers = [c for c in ('gcc', 'clang') if have(c)]
            if not compilers:
                print('0 passed, 0 failed, 0 skipped')
                return 0
            self.host_cc = compilers[0]
            for f in self.on_start:
                f(self)
            self.jobs, self.busy = collections.deque(), 0
            for case in self.cases:
                if case.name not in wanted if wanted else core and not case.core:
                    continue
                for cc in case.compilers:
                    if only not in ('', cc):
                        continue
                    if core and not wanted and case.core not in (True, cc):
                        continue
                    for mode in case.modes[:1] if core else case.modes:
                        label = self._label(case, cc, mode)
                        if cc not in compilers or not have(cc.replace('gcc', 'g++').replace('clang', 'clang++')):
                            self.say('skipped', 'skip %s: it is not here' % label)
                            continue
                        root = '%s/%s-%s-%s' % (self.root, case.name, cc, mode.replace('+', '-'))
                        self.jobs.append({'label': label, 'root': root, 'ripe': 0, 'spent': 0, 'run': self._start(case, root, cc, mode)})
            threads = [threading.Thread(target=self._work) for _ in range(2)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        finally:
            if self.keep:
                print('# kept: ' + self.root)
            else:
                shutil.rmtree(self.root, ignore_errors=True)
        print('%d passed, %d failed, %d skipped' % tuple(self.counts[k] for k in ('passed', 'failed', 'skipped')))
        return 1 if self.counts['failed'] else 0

    def _start(self, case, root, cc, mode):
        box = Box(self, root, cc, mode)
        run = case.function(box)
        if run is not None:
            yield from run
