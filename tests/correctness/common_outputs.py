# What outputs.py and store.py share: a folder for each test, the compiler with and without cchain in front, comparison, and the
# printing of results.
# SPDX-License-Identifier: Apache-2.0
import ctypes, errno, fcntl, json, os, pty, queue, random, re, resource, shutil, signal, stat, struct, subprocess, sys, tempfile, termios, threading, time, traceback

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.environ.get('CCHAIN_BIN') or os.path.join(HERE, '..', '..', 'build', 'cchain')
TESTS = []
NOT_CORE = set()  # what --core leaves out: 'name' or 'name (compiler)'
ROOT = None      # the folder of this run
CCHAIN = None    # a copy of the command: others may be building
TOOL = None      # the program for CCHAIN_PREFIX
_mounts = []
_lock = threading.Lock()


class Fail(Exception):
    pass


class Skip(Exception):
    pass


def check(truth, why):
    if not truth:
        raise Fail(why)


def test(compilers=('gcc', 'clang')):
    def add(fn):
        TESTS.append((fn.__name__.removeprefix('t_'), fn, compilers))
        return fn
    return add


TOOL_SOURCE = r'''
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>
static void cut(const char *f, long n) {
  struct stat st;
  if (!f || stat(f, &st)) return;
  if (n < 0) n += st.st_size;
  if (n < 0) n = 0;
  if (n < st.st_size && truncate(f, n)) _exit(99);
}
static int copy(const char *from, const char *to) {
  static char b[1 << 20];
  int i = open(from, O_RDONLY);
  ssize_t n;
  unlink(to);
  int o = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (i < 0 || o < 0) return 1;
  while ((n = read(i, b, sizeof b)) > 0) if (write(o, b, n) != n) return 1;
  return 0;
}
/* tool MODE N compiler argument...: runs the compiler and then spoils what it left, exit status 0. */
int main(int argc, char **argv) {
  const char *mode = argv[1], *o = 0, *d = 0;
  long n = atol(argv[2]);
  for (int i = 3; i < argc; i++) {
    if (!strcmp(argv[i], "-o") && i + 1 < argc) o = argv[i + 1];
    if (!strcmp(argv[i], "-MF") && i + 1 < argc) d = argv[i + 1];
  }
  if (!strcmp(mode, "stub")) { /* what the compiler left before, without running it */
    char from[4096];
    snprintf(from, sizeof from, "%s.d", argv[2]);
    return copy(argv[2], o) || (d && copy(from, d));
  }
  if (!strcmp(mode, "none")) return 0;
  if (!strcmp(mode, "wait")) usleep(n * 1000);
  int status = 0;
  pid_t p = fork();
  if (p == 0) { execvp(argv[3], argv + 3); _exit(127); }
  waitpid(p, &status, 0);
  if (!WIFEXITED(status)) return 98;
  if (WEXITSTATUS(status)) return WEXITSTATUS(status);
  if (!strcmp(mode, "cut")) cut(o, n);
  if (!strcmp(mode, "rm")) unlink(o);
  if (!strcmp(mode, "cutdep")) cut(d, n);
  if (!strcmp(mode, "rmdep")) unlink(d);
  if (!strcmp(mode, "sig")) { signal(n, SIG_DFL); kill(getpid(), n); }
  if (!strcmp(mode, "exit")) return n;
  if (!strcmp(mode, "old")) { struct utimbuf t = {1000000000, 1000000000}; utime(o, &t); }
  return 0;
}
'''

BASE_ENV = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C'}


class Ran:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def snapshot(folder):
    """{name: (kind, mode, names of the same inode, bytes or target)}"""
    found, inodes = {}, {}
    for at, dirs, files in os.walk(folder):
        for name in dirs + files:
            path = os.path.join(at, name)
            rel = os.path.relpath(path, folder)
            st = os.lstat(path)
            mode = stat.S_IMODE(st.st_mode)
            if stat.S_ISLNK(st.st_mode):
                found[rel] = ['link', 0, '', os.readlink(path)]
            elif stat.S_ISREG(st.st_mode):
                try:
                    with open(path, 'rb') as f:
                        data = f.read()
                except PermissionError:
                    data = b'?'
                found[rel] = ['file', mode, '', data]
                inodes.setdefault(st.st_ino, []).append(rel)
            elif stat.S_ISDIR(st.st_mode):
                found[rel] = ['dir', mode, '', b'']
            else:
                found[rel] = ['special %o' % stat.S_IFMT(st.st_mode), mode, '', b'']
    for names in inodes.values():
        if len(names) > 1:
            for n in names:
                found[n][2] = ' '.join(sorted(names))
    return found


def difference(a, b, loose=None):
    """What differs between two snapshots, '' if nothing does. Of names that match `loose` the bytes may."""
    bad = []
    for n in sorted(set(a) | set(b)):
        x, y = a.get(n), b.get(n)
        if x is None or y is None:
            bad.append('%s is %s' % (n, 'missing' if y is None else 'there, a %s' % y[0]))
        elif x[:3] != y[:3]:
            bad.append('%s: %s, not %s' % (n, y[:3], x[:3]))
        elif x[3] != y[3] and not (loose and re.search(loose, n)):
            bad.append('%s has other bytes (%d, %d)%s' % (n, len(x[3]), len(y[3]), ': %r, not %r' % (y[3][:300], x[3][:300]) if n.endswith('.d') else ''))
    return '; '.join(bad)


class Box:
    """One test with one compiler: w is where it compiles, cache the root."""

    def __init__(self, name, cc):
        self.cc, self.cxx = cc, {'gcc': 'g++', 'clang': 'clang++'}.get(cc)
        self.dir = tempfile.mkdtemp(prefix=name[:20] + '-' + (cc or '') + '-', dir=ROOT)
        os.chmod(self.dir, 0o755)
        self.w = os.path.join(self.dir, 'w')
        self.cache = os.path.join(self.dir, 'cache')
        self.tmp = os.path.join(self.dir, 'tmp')
        self.home = os.path.join(self.dir, 'home')
        for d in (self.w, self.tmp, self.home):
            os.mkdir(d)
        self.env = dict(BASE_ENV, HOME=self.home, TMPDIR=self.tmp, CCHAIN_DIR=self.cache)
        self.pristine = {}
        self.random = random.Random(name)

    # ---- files
    def path(self, name):
        return os.path.join(self.w, name)

    def write(self, name, text, old=True):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb' if isinstance(text, bytes) else 'w') as f:
            f.write(text)
        if old:
            os.utime(path, (time.time() - 3600,) * 2)
        self.pristine[name] = 1
        return path

    def read(self, name):
        try:
            with open(self.path(name), 'rb') as f:
                return f.read()
        except FileNotFoundError:
            return None

    def reset(self):
        """Removes all that a compile left: what was not written by write()."""
        keep = set(self.pristine)
        for n in self.pristine:
            while '/' in n:
                n = n.rsplit('/', 1)[0]
                keep.add(n)
        for at, dirs, files in os.walk(self.w, topdown=False):
            for n in files + dirs:
                p = os.path.join(at, n)
                if os.path.relpath(p, self.w) in keep:
                    continue
                if os.path.isdir(p) and not os.path.islink(p):
                    shutil.rmtree(p)
                else:
                    os.unlink(p)

    def fresh(self):
        shutil.rmtree(self.cache, ignore_errors=True)

    # ---- running
    def full_env(self, env):
        e = dict(self.env)
        for k, v in (env or {}).items():
            if v is None:
                e.pop(k, None)
            else:
                e[k] = v
        return e

    def run(self, argv, env=None, cached=False, cwd=None, stdin=b'', user=None, umask=None, limits=None, timeout=60):
        if cached:
            argv = [CCHAIN] + list(argv)

        def before():
            if umask is not None:
                os.umask(umask)
            for what, n in (limits or {}).items():
                resource.setrlimit(what, (n, n))
            if user:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
        p = subprocess.Popen(argv, env=self.full_env(env), cwd=cwd or self.w, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=before if user or umask is not None or limits else None)
        try:
            out, err = p.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.communicate()
            raise Fail('hangs: %s' % ' '.join(argv))
        return Ran(p.returncode, out, err)

    def run_pty(self, argv, env=None, cached=False, columns=80, fds=(0, 1, 2)):
        """The descriptors in `fds` are a terminal; what the terminal showed is .err, of a pipe on 1 .out, of one on 2 .err2."""
        if cached:
            argv = [CCHAIN] + list(argv)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 25, columns, 0, 0))
        pipe = {}
        for n in (0, 1, 2):
            pipe[n] = slave if n in fds else (subprocess.DEVNULL if n == 0 else open(os.path.join(self.dir, 'stream%d' % n), 'w+b'))
        p = subprocess.Popen(argv, env=self.full_env(env), cwd=self.w, stdin=pipe[0], stdout=pipe[1], stderr=pipe[2], start_new_session=True)
        os.close(slave)
        shown = b''
        while True:
            try:
                b = os.read(master, 65536)
            except OSError as e:
                if e.errno == errno.EIO:
                    break
                raise
            if not b:
                break
            shown += b
        os.close(master)
        p.wait()
        other = b''
        for n in (1, 2):
            if n not in fds:
                pipe[n].seek(0)
                other += pipe[n].read()
                pipe[n].close()
        return Ran(p.returncode, other, shown)

    def stats(self, env=None):
        r = self.run([CCHAIN, 'stats', '--json'], env=env)
        try:
            return json.loads(r.out)
        except ValueError:
            raise Fail('cchain stats --json: status %s, %r %r' % (r.status, r.out[:200], r.err[:200]))

    def once(self, argv, cached, prep=None, columns=None, fds=(0, 1, 2), env=None, **more):
        self.reset()
        if prep:
            prep(self)
        start = time.time()
        if columns:
            r = self.run_pty(argv, cached=cached, env=env, columns=columns, fds=fds)
        else:
            r = self.run(argv, cached=cached, env=env, **more)
        r.files = snapshot(self.w)
        r.start = start
        return r

    def norm(self, text):
        t = self.tmp.encode()
        text = re.sub(re.escape(t) + rb'/[\w.+-]+', b'<TMP>', text)
        return text

    def same(self, plain, got, what, loose=None):
        check(plain.status == got.status, '%s: exit status %s, not %s; stderr %r' % (what, got.status, plain.status, got.err[-300:]))
        for name in ('out', 'err'):
            x, y = self.norm(getattr(plain, name)), self.norm(getattr(got, name))
            check(x == y, '%s: std%s is %r, not %r' % (what, name, y[-600:], x[-600:]))
        d = difference(plain.files, got.files, loose)
        check(not d, '%s: %s' % (what, d))

    def thrice(self, argv, expect='hit', reason=None, loose=None, prep=None, **more):
        """Plain, then twice through cchain; all must be the same. expect: hit, refused, fail, or either (hit or refused)."""
        line = ' '.join(argv)
        plain = self.once(argv, False, prep, **more)
        s0 = self.stats()
        miss = self.once(argv, True, prep, **more)
        s1 = self.stats()
        hit = self.once(argv, True, prep, **more)
        s2 = self.stats()
        self.same(plain, miss, line + ': first', loose)
        self.same(plain, hit, line + ': second', loose)
        hits, misses, refused = (s2[n] - s1[n] for n in ('hits', 'misses', 'uncacheable'))
        new = {k for k, v in s2['uncacheable_reasons'].items() if v > s0['uncacheable_reasons'].get(k, 0)}
        got = 'hit' if hits == 1 else 'refused' if refused == 1 and new else 'fail' if s2['stores'] == s0['stores'] and not hits else 'miss'
        check(got == expect or (expect == 'either' and got in ('hit', 'refused')),
              '%s: is a %s, not a %s; uncacheable %s, missed %s' % (line, got, expect, sorted(new), s2['miss_reasons']))
        if got == 'hit':
            # What an earlier command of the test stored may serve this one at once.
            check(s1['stores'] - s0['stores'] >= 1 or s1['hits'] - s0['hits'] == 1, line + ': a hit of what was not stored')
            d = difference(miss.files, hit.files)
            check(not d, '%s: the hit is not what was stored: %s' % (line, d))
            self.times(hit, line)
        if got == 'refused':
            check(s2['stores'] == s0['stores'], line + ': refused and stored')
            if reason:
                check(any(re.search(reason, k) for k in new), '%s: the reason is %s' % (line, sorted(new)))
        left = os.listdir(self.tmp)
        check(not left, '%s: leaves %s in TMPDIR' % (line, left))
        return got

    def times(self, ran, line):
        for n, f in ran.files.items():
            if f[0] == 'file' and n not in self.pristine and f[3] and not n.startswith('kept'):
                t = os.lstat(self.path(n)).st_mtime
                check(t > ran.start - 0.02, '%s: %s is %.3f s older than the command' % (line, n, ran.start - t))

    def delta(self, fn):
        s0 = self.stats()
        r = fn()
        s1 = self.stats()
        d = {n: s1[n] - s0[n] for n in ('hits', 'misses', 'uncacheable', 'stores', 'errors')}
        d['reasons'] = [k for k, v in s1['uncacheable_reasons'].items() if v > s0['uncacheable_reasons'].get(k, 0)]
        d['missed'] = [k for k, v in s1['miss_reasons'].items() if v > s0['miss_reasons'].get(k, 0)]
        return r, d

    def hit_now(self, argv, **more):
        """Through cchain; must be a hit."""
        r, d = self.delta(lambda: self.once(argv, True, **more))
        check(d['hits'] == 1, '%s: no hit: %s' % (' '.join(argv), d))
        return r

    def store_now(self, argv, **more):
        r, d = self.delta(lambda: self.once(argv, True, **more))
        check(r.status == 0 and d['stores'] >= 1, '%s: status %s, not stored: %s %r' % (' '.join(argv), r.status, d, r.err[-300:]))
        return r

    def blobs(self, kind='entry', root=None):
        found = []
        for at, dirs, files in os.walk(os.path.join(root or self.cache, 'compile' if kind == 'entry' else 'inputs')):
            found += [os.path.join(at, f) for f in files if f == kind]
        return sorted(found)


# ---- the programs of a run ----------------------------------------------------------------------------------------------

def have(program):
    return shutil.which(program, path=BASE_ENV['PATH']) is not None


def mount(*args):
    r = subprocess.run(['mount'] + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode:
        raise Skip('mount: ' + r.stdout.decode(errors='replace').strip())
    with _lock:
        _mounts.append(args[-1])


def unmount(path):
    subprocess.run(['umount', '-l', path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with _lock:
        if path in _mounts:
            _mounts.remove(path)


def main():
    global ROOT, CCHAIN, TOOL
    names = [a for a in sys.argv[1:] if not a.startswith('-')]
    verbose, core = '-v' in sys.argv, next((a for a in sys.argv if a.startswith('--core')), '')
    only = core.partition('=')[2]
    known = {t[0] for t in TESTS}
    for n in names:
        if n not in known:
            print('no test %s; there are: %s' % (n, ' '.join(sorted(known))))
            sys.exit(1)
    if not os.path.exists(BUILT):
        print('%s is not built' % BUILT)
        sys.exit(1)
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    ROOT = tempfile.mkdtemp(prefix='cchain-test-')
    passed = failed = skipped = 0
    try:
        os.chmod(ROOT, 0o755)
        os.mkdir(os.path.join(ROOT, 'bin'))
        CCHAIN = os.path.join(ROOT, 'bin', 'cchain')
        shutil.copyfile(BUILT, CCHAIN)
        os.chmod(CCHAIN, 0o755)
        TOOL = os.path.join(ROOT, 'bin', 'tool')
        cc = 'gcc' if have('gcc') else 'clang'
        with open(TOOL + '.c', 'w') as f:
            f.write(TOOL_SOURCE)
        subprocess.run([cc, '-O1', '-w', '-o', TOOL, TOOL + '.c'], check=True, env=BASE_ENV)
        todo = queue.Queue()
        for name, fn, compilers in TESTS:
            if names and name not in names:
                continue
            for cc in compilers:
                if only not in ('', cc) and cc in ('gcc', 'clang'):
                    continue
                if core and not names and NOT_CORE & {name, '%s (%s)' % (name, cc), '(%s)' % cc}:
                    continue
                todo.put((name, fn, cc))
        counts = []

        def work():
            while True:
                try:
                    name, fn, cc = todo.get_nowait()
                except queue.Empty:
                    return
                shown = name + (' (%s)' % cc if cc else '')
                start = time.time()
                box = None
                try:
                    if cc and not have(cc):
                        raise Skip('no ' + cc)
                    box = Box(name, cc)
                    fn(box)
                    line, kind = 'ok ' + shown, 0
                except Skip as e:
                    line, kind = 'skip %s: %s' % (shown, e), 2
                except Fail as e:
                    line, kind = 'not ok %s: %s' % (shown, e), 1
                except Exception as e:
                    where = traceback.extract_tb(e.__traceback__)
                    line, kind = 'not ok %s: %s: %s (%s)' % (shown, type(e).__name__, e, ' < '.join('%s:%d' % (os.path.basename(f.filename), f.lineno) for f in reversed(where))), 1
                finally:
                    if box and '-k' not in sys.argv:
                        subprocess.run(['chattr', '-R', '-i', box.dir], stderr=subprocess.DEVNULL) if getattr(box, 'immutable', False) else None
                        shutil.rmtree(box.dir, ignore_errors=True)
                if verbose:
                    line += '   [%.1f s]' % (time.time() - start)
                with _lock:
                    print(line.replace('\n', ' '), flush=True)
                    counts.append(kind)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        passed, failed, skipped = (counts.count(k) for k in (0, 1, 2))
    finally:
        for m in list(_mounts):
            unmount(m)
        if '-k' not in sys.argv:
            shutil.rmtree(ROOT, ignore_errors=True)
        else:
            print('kept: ' + ROOT)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped), flush=True)
    sys.exit(1 if failed else 0)
