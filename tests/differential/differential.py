#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random C and C++ projects with random edits; each compile through cchain is compared byte for byte with a plain one.

  differential.py [--seconds N | --soak] [--seed S] [--keep]      20 s, or half an hour

The seed is printed, and a failure names its world and step: `--seed S` makes the same worlds again (what is young or old when depends on the machine).
Edits are those that caches get wrong: headers that shadow, vanish, move, are exchanged with their times restored, become twins or links; directories that are
swapped; existence tests; includes of macros; options, modes, directories and tenants that change in between. Python 3 standard library only.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DIRS = ('.', 'one', 'two', 'sys', 'sub', 'cur')
NAMES = ['h%d.h' % i for i in range(6)]
HOUR = 3600 * 10**9


class World:
    def __init__(self, root, cchain, seed):
        self.random, self.root, self.cchain, self.seed = random.Random(seed), root, cchain, seed
        self.src, self.log, self.steps, self.said = root + '/src', root + '/log', 0, []
        for d in ('src', 'tmp', 'home', 'src/one', 'src/two', 'src/sys', 'src/sub', 'src/v1', 'src/v2', 'src/deep/er'):
            os.makedirs(root + '/' + d, exist_ok=True)
        os.symlink('v1', self.src + '/cur')
        self.old = []
        for i in range(self.random.randrange(5, 12)):
            self.write_header()
        self.sources = []
        for i in range(3):
            where, ext = self.random.choice(('.', 'sub')), self.random.choice(('.c', '.cc'))
            self.sources.append((where, 's%d%s' % (i, ext)))
            self.write_source(i)

    # ---- text

    def value(self):
        return self.random.randrange(10, 100)

    def include(self, i):
        r = self.random
        j = r.randrange(i + 1, len(NAMES)) if i + 1 < len(NAMES) else None
        if j is None:
            return '/* nothing */'
        n = NAMES[j]
        if r.random() < 0.1:
            n = r.choice(('../one/', '../two/', 'er/', './')) + n
        form = r.choice(('"%s"', '"%s"', '<%s>')) % n
        kind = r.random()
        if kind < 0.25:
            return '#if __has_include(%s)\n#include %s\n#define SEEN%d %d\n#endif' % (form, form, j, self.value())
        if kind < 0.35:
            return '#ifdef %s\n#include %s\n#endif' % (r.choice(('X', 'Y', 'H%d' % j)), form)
        if kind < 0.45:
            return '#define INC%d %s\n#if __has_include(%s)\n#include INC%d\n#endif\n#undef INC%d' % (j, form, form, j, j)
        if kind < 0.5:
            return '#if __has_include(%s)\n#define HAVE%d %d\n#endif' % (form, j, self.value())
        return '#if __has_include(%s)\n#include %s\n#endif' % (form, form) if r.random() < 0.8 else '#include %s' % form

    def header(self, i):
        r, lines = self.random, []
        guard = r.random()
        if guard < 0.4:
            lines += ['#ifndef G%d' % i, '#define G%d' % i]
        elif guard < 0.6:
            lines.append('#pragma once')
        lines.append('#undef H%d\n#define H%d %d' % (i, i, self.value()))
        for _ in range(r.randrange(3)):
            lines.append(self.include(i))
        if r.random() < 0.2:
            lines.append('#if __has_include_next(<%s>)\n#include_next <%s>\n#endif' % (NAMES[i], NAMES[i]) if 0.4 <= guard else '/* guarded */')
        if r.random() < 0.3:
            lines.append('static inline int q%d_%d(int a) { int u%d; return a + %d; } /* %s */' % (i, self.value(), i, self.value(), 'x' * r.randrange(9)))
        if r.random() < 0.15:
            lines.append('static const char *const file%d_%d __attribute__((used)) = __FILE__;' % (i, self.value()))
        if r.random() < 0.1:
            lines.append('#warning "w%d"' % self.value())
        if guard < 0.4:
            lines.append('#endif')
        return '\n'.join(lines) + '\n'

    def source(self):
        r = self.random
        lines = [self.include(r.choice((-1, -1, 0, 1))) for _ in range(r.randrange(1, 4))]
        if r.random() < 0.2:
            lines.append('#include <%s>' % r.choice(('stdio.h', 'limits.h', 'string.h')))
        body = '\n'.join('#ifdef H%d\n  s += %d * H%d;\n#endif\n#ifdef SEEN%d\n  s += SEEN%d;\n#endif\n#ifdef HAVE%d\n  s -= HAVE%d;\n#endif' % (i, i + 2, i, i, i, i, i) for i in range(len(NAMES)))
        return '%s\nint f(int x) { int s = x; int unused = %d;\n%s\n  switch (s) { case 1: s++; /* %s */\n case 2: return 3; }\n  return s; }\n' % (
            '\n'.join(lines), self.value(), body, r.choice(('fall through', 'or not')))

    # ---- edits

    def path(self, *parts):
        return os.path.join(self.src, *parts)

    def put(self, path, text, fresh=True):
        """As an editor does, or into the same file; the old times or those of an hour ago, or now."""
        times = self.random.random()
        st = os.stat(path) if os.path.isfile(path) else None
        if os.path.lexists(path) and not st:
            return
        if st:
            self.old.append((path, open(path).read()))
        if fresh or not st:
            with open(path + '~', 'w') as f:
                f.write(text)
            os.rename(path + '~', path)
        else:
            with open(path, 'r+') as f:
                f.write(text)
                f.truncate()
        if times < 0.5 and st:
            os.utime(path, ns=(st.st_mtime_ns, st.st_mtime_ns))
        elif times < 0.8:
            os.utime(path, ns=(time.time_ns() - HOUR,) * 2)

    def write_header(self, i=None):
        i = self.random.randrange(len(NAMES)) if i is None else i
        self.put(self.path(self.random.choice(DIRS), NAMES[i]), self.header(i), self.random.random() < 0.7)

    def write_source(self, i):
        self.put(self.path(*self.sources[i]), self.source(), self.random.random() < 0.7)

    def headers(self):
        return [self.path(d, n) for d in DIRS for n in NAMES if os.path.isfile(self.path(d, n))]

    def edit(self):
        r, have = self.random, self.headers()
        what = r.choice(('new', 'new', 'digits', 'digits', 'digits', 'delete', 'delete', 'move', 'copy', 'link', 'hard', 'flip', 'swap', 'source', 'touch', 'back', 'back', 'comment', 'deep', 'noise'))
        try:
            if what == 'new':
                self.write_header()
            elif what == 'digits' and have:
                p = r.choice(have)
                text = list(open(p).read())
                at = [k for k, c in enumerate(text) if c in '123456789' and k > 0 and text[k - 1] in ' 0123456789']
                if at:
                    k = r.choice(at)
                    text[k] = r.choice('123456789')
                    self.put(p, ''.join(text), r.random() < 0.5)
            elif what == 'delete' and have:
                p = r.choice(have)
                self.old.append((p, open(p).read()))
                os.unlink(p)
            elif what == 'move' and have:
                p = r.choice(have)
                os.rename(p, self.path(r.choice(DIRS), os.path.basename(p)))
            elif what in ('copy', 'hard', 'link') and have:
                p = r.choice(have)
                to = self.path(r.choice(DIRS), os.path.basename(p))
                if os.path.realpath(to) == os.path.realpath(p):
                    return what
                if os.path.lexists(to):
                    os.unlink(to)
                if what == 'copy':
                    shutil.copy2(p, to)
                elif what == 'hard':
                    os.link(p, to)
                else:
                    os.symlink(os.path.realpath(p), to)
            elif what == 'flip':
                os.symlink('v2' if os.readlink(self.path('cur')) == 'v1' else 'v1', self.path('cur~'))
                os.rename(self.path('cur~'), self.path('cur'))
            elif what == 'swap':
                os.rename(self.path('one'), self.path('three'))
                os.rename(self.path('two'), self.path('one'))
                os.rename(self.path('three'), self.path('two'))
            elif what == 'source':
                self.write_source(r.randrange(3))
            elif what == 'touch' and have:
                os.utime(r.choice(have))
            elif what == 'back' and self.old:
                p, text = self.old[r.randrange(max(0, len(self.old) - 6), len(self.old))]
                self.put(p, text, r.random() < 0.5)
            elif what == 'comment' and have:
                p = r.choice(have)
                self.put(p, open(p).read() + '/* %d */\n' % self.value())
            elif what == 'deep':
                p = self.path(r.choice(DIRS), 'er')
                shutil.rmtree(p) if os.path.isdir(p) else os.mkdir(p)
                if os.path.isdir(p):
                    i = r.randrange(1, len(NAMES))
                    self.put(p + '/' + NAMES[i], self.header(i))
            elif what == 'noise':
                self.put(self.path(r.choice(DIRS), 'noise%d.txt' % r.randrange(3)), 'x')
        except OSError as e:
            return '%s (%s)' % (what, e.strerror)
        return what

    def command(self):
        r = self.random
        where, name = r.choice(self.sources)
        cxx = name.endswith('.cc')
        cc = r.choice(('g++', 'clang++') if cxx else ('gcc', 'clang'))
        cwd, up = (self.path('sub'), '../') if r.random() < 0.25 else (self.src, '')
        words = [cc]
        dirs = [d for d in ('one', 'two', 'sys', 'cur', '.', 'none') if r.random() < 0.6]
        r.shuffle(dirs)
        for d in dirs:
            d = up + d if r.random() < 0.8 else self.path(d)
            words += [r.choice(('-I', '-I', '-I', '-isystem', '-iquote', '-idirafter')), d]
        for flags, chance in (('-DX', 0.3), ('-DY=1', 0.2), ('-O1', 0.3), ('-g', 0.2), ('-Wall -Wextra', 0.3), ('-include h5.h', 0.08), ('-imacros h4.h', 0.05), ('-std=gnu11' if not cxx else '-std=gnu++17', 0.1), ('-w', 0.1)):
            if r.random() < chance:
                words += flags.split()
        words += r.choice(([], [], ['-MD'], ['-MMD'], ['-MD', '-MF', 'x.d'], ['-MD', '-MP', '-MT', 'tgt'], ['-Wp,-MD,w.d']))
        source = os.path.join(where, name) if where != '.' else name
        source = os.path.relpath(self.path(source), cwd) if r.random() < 0.85 else self.path(source)
        words += ['-c', source, '-o', r.choice(('a.o', 'b.o', up + 'deep/c.o'))]
        return cwd, words

    # ---- compare

    def run(self, cwd, words, env):
        before = {p: os.lstat(p) for p in self.files()}
        p = subprocess.run(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        made = {}
        for f in self.files():
            st, old = os.lstat(f), before.get(f)
            if old is None or (st.st_ino, st.st_mtime_ns, st.st_size) != (old.st_ino, old.st_mtime_ns, old.st_size):
                made[f] = open(f, 'rb').read()
                os.unlink(f)
        return p.returncode, p.stdout, p.stderr, made

    def files(self):
        return [os.path.join(d, n) for d, _, names in os.walk(self.src) for n in names if n.endswith(('.o', '.d'))]

    def compile(self, cwd, words, mode, tenant):
        env = {'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': self.root + '/home', 'TMPDIR': self.root + '/tmp', 'LC_ALL': 'C', 'PWD': cwd}
        plain = self.run(cwd, words, env)
        env.update(CCHAIN_DIR=self.root + '/cache', CCHAIN_MODE=mode, CCHAIN_TENANT=tenant, CCHAIN_LOG=self.log)
        at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        cached = self.run(cwd, [self.cchain] + words, env)
        with open(self.log) if os.path.exists(self.log) else open(os.devnull) as f:
            f.seek(at)
            said = f.read()
        verdict = 'hit' if ' hit ' in said else 'not stored' if ' not stored ' in said else 'uncacheable' if ' uncacheable ' in said else 'miss'
        if cached != plain:
            what = next(n for n, a, b in zip(('exit status', 'stdout', 'stderr', 'files'), plain, cached) if a != b)
            raise AssertionError('%s: %s differs: world %d, step %d (%s)\n#   after: %s\n#   in %s: %s\n#   plainly %r\n#   through cchain %r\n#   it said: %s' % (
                'WRONG HIT' if verdict == 'hit' else verdict, what, self.seed, self.steps, mode, '; '.join(self.said[-12:]), cwd, ' '.join(words),
                plain[:3], cached[:3], said.strip()))
        return verdict

    def step(self):
        """Some edits, and the compiles of before and a new one."""
        self.steps += 1
        r, counts = self.random, []
        for _ in range(r.choice((0, 1, 1, 1, 2, 3))):
            self.said.append(self.edit())
        commands = getattr(self, 'commands', [])
        if len(commands) < 3 or r.random() < 0.25:
            commands.append((*self.command(), r.choice(('direct', 'direct', 'preprocess', 'direct+preprocess')), r.choice(('local', 'local', 'local', 'red'))))
        self.commands = commands[-5:]
        for c in r.sample(self.commands, min(2, len(self.commands))):
            for _ in range(r.choice((1, 1, 2))):
                counts.append(self.compile(*c))
        return counts


def main():
    def option(name, default):
        return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default
    seed, end = option('--seed', int(time.time()) % 10**6), time.time() + option('--seconds', 1800 if '--soak' in sys.argv else 20)
    cchain = os.environ.get('CCHAIN', ROOT + '/build/cchain')
    if not os.path.exists(cchain) or not all(shutil.which(c) for c in ('gcc', 'g++', 'clang', 'clang++')):
        print('skip differential: cchain, gcc and clang are needed\n0 passed, 0 failed, 1 skipped')
        return 0
    print('seed %d' % seed, flush=True)
    root = tempfile.mkdtemp(prefix='cchain-differential-')
    os.mkdir(root + '/bin')
    cchain = shutil.copy(cchain, root + '/bin/cchain')  # a build may run meanwhile
    counts, failures, lock, passed = {}, [], threading.Lock(), [0]
    numbers = iter(range(seed * 1000, seed * 1000 + 10**6))

    def work():
        # Several worlds in turn: what was written in one is older than 2 s when it is compiled again.
        worlds = []
        while time.time() < end and len(failures) < 10:
            if len(worlds) < 4:
                with lock:
                    n = next(numbers)
                worlds.append(World('%s/%d' % (root, n), cchain, n))
            world = worlds.pop(0)
            try:
                for verdict in world.step():
                    with lock:
                        counts[verdict] = counts.get(verdict, 0) + 1
            except AssertionError as e:
                with lock:
                    failures.append(world.seed)
                    print('not ok ' + str(e), flush=True)
                continue
            if world.steps < 40:
                worlds.append(world)
            else:
                with lock:
                    passed[0] += 1
                if '--keep' not in sys.argv:
                    shutil.rmtree(world.root, ignore_errors=True)
        with lock:
            passed[0] += len(worlds)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if '--keep' in sys.argv:
        print('# kept: ' + root)
    else:
        shutil.rmtree(root, ignore_errors=True)
    print('# %s' % ', '.join('%d %s' % (n, v) for v, n in sorted(counts.items())))
    print('%d passed, %d failed' % (passed[0], len(failures)))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
