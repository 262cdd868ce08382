#!/usr/bin/env python3
"""Tests of the patched Ninja, each in a folder of its own, against the plain Ninja of the same source (NINJA_CACHE=0) and the compiler itself.

  run.py [--ninja build/ninja] [--seed N] [--rounds N] [NAME…]

--rounds: of the random edits; the seed is printed. The last line counts.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import concurrent.futures
import glob
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
B = os.path.abspath(os.environ.get('B') or os.path.join(TOP, 'build'))
LIBRARY = os.path.join(B, 'libcchain.so.0')
CCHAIN = os.path.join(B, 'cchain')
args = None
tests = []


def test(f):
    tests.append(f)
    return f


class Skip(Exception):
    pass


def check(ok, *what):
    if not ok:
        raise AssertionError(' '.join(str(w) for w in what))


def need(program):
    if not shutil.which(program):
        raise Skip('%s is not installed' % program)


def fake():
    """The library that misbehaves, built once."""
    with lock:
        out = os.path.join(args.work, 'libfake.so')
        if not os.path.exists(out):
            subprocess.run(['gcc', '-shared', '-fPIC', '-I', os.path.join(TOP, 'include'), '-o', out, os.path.join(HERE, 'fake.c'), '-ldl'], check=True)
        return out


lock = threading.Lock()

RULES = '''
flags = -O0
rule cc
  command = gcc $flags $more -MD -MT $out -MF $out.d -c $in -o $out
  depfile = $out.d
  deps = gcc
  description = CC $out
rule sh
  command = $cmd
  description = SH $out
'''


class Project:
    """A folder with sources, a cache of its own, and what Ninja said last. Objects stand beside the sources in few tests: where other files come and go
    in the folder of a source during its compile, the library may not know enough to store it."""

    def __init__(self, name, cache=None):
        self.root = tempfile.mkdtemp(prefix=name + '-', dir=args.work)
        self.dir = os.path.join(self.root, 'tree')
        self.cache = cache or os.path.join(self.root, 'cache')
        os.makedirs(self.dir)
        self.hits = self.misses = self.uncacheable = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'w') as f:
            f.write(text)

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def exists(self, name):
        return os.path.exists(self.path(name))

    def env(self, **more):
        env = {'PATH': os.environ['PATH'], 'HOME': self.root, 'LC_ALL': 'C', 'CCHAIN_DIR': self.cache, 'NINJA_CACHE': LIBRARY, 'TMPDIR': self.root,
               'NINJA_STATUS': ''}
        env.update({k: v for k, v in more.items() if v is not None})
        for k in [k for k, v in more.items() if v is None]:
            env.pop(k, None)
        return env

    def popen(self, *argv, ninja=None, env=None, **kw):
        return subprocess.Popen([ninja or args.ninja, *argv], cwd=self.dir, env=env or self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, **kw)

    def ninja(self, *argv, status=0, ninja=None, **env):
        p = self.popen(*argv, ninja=ninja, env=self.env(**env))
        self.out = p.communicate(timeout=120)[0].decode(errors='replace')
        m = re.search(r'cache: (\d+) hits, (\d+) misses, (\d+) uncacheable', self.out)
        self.hits, self.misses, self.uncacheable = map(int, m.groups()) if m else (0, 0, 0)
        check(status is None or p.returncode == status, 'status', p.returncode, self.out)
        self.status = p.returncode
        return self.out

    def plain(self, *argv, **kw):
        return self.ninja(*argv, NINJA_CACHE='0', **kw)

    def ran(self):
        return sorted(re.findall(r'^(?:CC|SH) (\S+)$', self.out, re.M))

    def clean(self):
        self.plain('-t', 'clean')

    def deps(self):
        """What the deps log says, without times."""
        p = self.popen('-t', 'deps', env=self.env(NINJA_CACHE='0'))
        return sorted(re.sub(r', deps mtime \d+', '', p.communicate()[0].decode()).split('\n\n'))

    def log(self):
        """Output and hash of each command in the build log."""
        last = {}
        for line in open(self.path('.ninja_log')):
            if not line.startswith('#'):
                last[line.split('\t')[3]] = line.rstrip('\n').split('\t')[4]
        return last

    def objects(self):
        return {os.path.relpath(f, self.dir): hashlib.sha256(open(f, 'rb').read()).hexdigest()
                for f in glob.glob(self.dir + '/**/*.[oa]', recursive=True)}

    def expect(self, hits, misses, uncacheable=0):
        check((self.hits, self.misses, self.uncacheable) == (hits, misses, uncacheable), 'wanted', hits, misses, uncacheable, 'got:', self.out)


def simple(name, files=3, more=''):
    p = Project(name)
    p.write('s/h.h', '#define H 1\n')
    text = RULES
    for i in range(files):
        p.write('s/%d.c' % i, '#include "h.h"\nint f%d(void) { return H + %d; }\n' % (i, i))
        text += 'build %d.o: cc s/%d.c\n' % (i, i)
    p.write('build.ninja', text + more)
    return p


# ---- what others write (tests/ninja/shapes)

SCAN = """import json, sys
source, depfile, out, object = sys.argv[1:]
open(depfile, 'w').write('%s: %s\\n' % (out, source))
open(out, 'w').write(json.dumps({'rules': [{'primary-output': object, 'requires': []}], 'version': 0, 'revision': 0}))
"""
COLLATE = """import json, os, sys
out, text = sys.argv[1:]
dd = 'ninja_dyndep_version = 1.0\\n'
for ddi in open(out + '.rsp').read().split():
    object = json.load(open(ddi))['rules'][0]['primary-output']
    dd += 'build %s: dyndep\\n' % object
    if not os.path.exists(object + '.modmap'):
        open(object + '.modmap', 'w').write(text and text + '\\n')
open(os.path.join(os.path.dirname(out), 'CXXModules.json'), 'w').write('{}')
open(out, 'w').write(dd)
"""


def shape(name, cc, scans):
    """The build of a small project as a generator would have written it for these compilers. Where one does not scan for modules yet, a script does it in its place, as
    another one does for `cmake -E cmake_ninja_dyndep`."""
    need(cc)
    p = Project('shape')
    p.dir = os.path.join(p.root, 'tree', 'out')
    os.makedirs(p.dir)
    for file, source in (('l.h', 'int l();\nint l2();\nextern "C" int c(void);\n'), ('l.cc', '#include "l.h"\nint l() { return 1; }\n'),
                         ('l2.cc', '#include "l.h"\nint l2() { return l() + 2; }\n'), ('c.c', 'int c(void) { return 3; }\n'),
                         ('main.cc', '#include "l.h"\n#include <vector>\nint main() { std::vector<int> v{l(), l2(), c()}; return int(v.size()) - 3; }\n')):
        p.write('../' + file, source)
    p.write('../scan.py', SCAN)
    p.write('../collate.py', COLLATE)
    text = open(os.path.join(HERE, 'shapes', name + '.ninja')).read().replace('@SRC@', os.path.join(p.root, 'tree') if 'cmake' in name else '..')
    told = subprocess.run([cc, '-fdeps-format=p1689r5', '-MD', '-MF', '/dev/null', '-E', '-x', 'c++', '/dev/null'], cwd=p.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if cc != 'gcc' and shutil.which('clang-scan-deps'):
        text = text.replace('@RESOURCES@', subprocess.run([cc, '-print-resource-dir'], stdout=subprocess.PIPE, check=True).stdout.decode().strip())
    elif cc != 'gcc' or told.returncode:
        text = re.sub(r'(?<=command = ).*DYNDEP_INTERMEDIATE_FILE.*', 'python3 ../scan.py $in $DEP_FILE $DYNDEP_INTERMEDIATE_FILE $OBJ_FILE', text).replace(' -fdeps-format=p1689r5', '')
    text = re.sub(r'(?<=command = )cmake -E cmake_ninja_dyndep .*', "python3 ../collate.py $out '%s'" % ('$$root .' if cc == 'gcc' else ''), text)
    text = text.replace('cmake -E rm -f', 'rm -f')
    for d in ('l', 'main'):
        p.write('CMakeFiles/%s.dir/CXXDependInfo.json' % d, '{}')
    p.write('build.ninja', text)
    p.plain()
    want, deps, log = p.objects(), p.deps(), p.log()
    check(len(want) == 5, want)

    def files():
        return sorted(f for f in glob.glob(p.dir + '/**', recursive=True) if os.path.basename(f) not in ('.ninja_log', '.ninja_deps'))
    there = files()
    for round in range(2):
        p.clean()
        for f in glob.glob(p.dir + '/**/*.ddi', recursive=True):
            os.unlink(f)
        p.ninja()
        check((p.hits, p.misses) == ((4, 0) if round else (0, 4)) and p.uncacheable >= scans, p.out)
        check(p.objects() == want and p.deps() == deps and p.log() == log, 'round', round, p.out)
        check(files() == there, set(files()) ^ set(there))
        p.plain('-d', 'explain')
        check(p.out.endswith('ninja: no work to do.\n') and 'dirty' not in p.out, p.out)
    if scans:
        why = json.loads(subprocess.run([CCHAIN, 'stats', '--json'], env=p.env(), stdout=subprocess.PIPE, check=True).stdout)['uncacheable_reasons']
        check(sum(why.values()) >= 2 * scans, why)
        check(told.returncode or cc != 'gcc' or why.get('option -E stops after preprocessing') == 2 * scans, why)
        # A module after all is not ours, whether these compilers and this map get it compiled or not.
        p.write('../l.cc', 'export module m;\nexport int l() { return 1; }\n')
        p.ninja(status=None)
        check(p.hits == 0, p.out)
    return p


@test
def shape_cmake_3_31_gcc():
    shape('cmake-3.31-gcc', 'gcc', 3)


@test
def shape_cmake_3_31_clang():
    shape('cmake-3.31-clang', 'clang', 3)


@test
def shape_cmake_4_3_gcc():
    shape('cmake-4.3-gcc', 'gcc', 3)


@test
def shape_meson_1_7():
    shape('meson-1.7', 'gcc', 0)


@test
def shape_gn():
    shape('gn', 'gcc', 0)


# ---- what a build leaves

@test
def cold_warm_off():
    """Plain, cold, warm, off again: objects, deps log and build log are the same, switching rebuilds nothing, and no process is started."""
    p = simple('warm')
    p.plain()
    want, deps, log = p.objects(), p.deps(), p.log()
    p.ninja()
    check(p.out == 'ninja: no work to do.\n', p.out)
    for round in range(3):
        p.clean()
        if round:
            os.unlink(p.path('.ninja_log')), os.unlink(p.path('.ninja_deps'))
        p.ninja()
        p.expect(3 if round else 0, 0 if round else 3)
        check(p.objects() == want and p.deps() == deps and p.log() == log, p.out)
        check(not glob.glob(p.path('*.d')), 'a dependency file is left')
        p.plain('-d', 'explain')
        check(p.out == 'ninja: no work to do.\n', p.out)
    p.clean()
    if not shutil.which('strace'):
        raise Skip('strace is not installed (the rest was tested)')
    out = os.path.join(p.root, 'strace')
    subprocess.run(['strace', '-f', '-o', out, '-e', 'trace=execve,clone,clone3,fork,vfork', args.ninja], cwd=p.dir, env=p.env(), check=True, stdout=subprocess.DEVNULL)
    text = open(out).read()
    check(text.count('execve(') == 1, text)
    check(all('CLONE_THREAD' in line for line in text.splitlines() if 'clone' in line or 'fork(' in line), text)
    check(p.objects() == want, 'objects')


@test
def doors():
    """What the command stored, Ninja hits, and the reverse; with and without warnings."""
    p = simple('doors')
    p.write('s/w.c', 'int f(void) { int unused; return 0; }\n')
    p.write('build.ninja', RULES + 'flags = -Wall\n' + ''.join('build %s.o: cc s/%s.c\n' % (i, i) for i in '01w'))

    def cchain(*argv):
        return subprocess.run([CCHAIN, 'gcc', '-Wall', *argv], cwd=p.dir, env=p.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout.decode()

    said = cchain('-MD', '-MT', 'w.o', '-MF', 'w.o.d', '-c', 's/w.c', '-o', 'w.o')
    cchain('-MD', '-MT', '0.o', '-MF', '0.o.d', '-c', 's/0.c', '-o', '0.o')
    p.ninja()
    p.expect(2, 1)
    check('unused variable' in said and said in p.out, p.out)
    p.clean()
    p.ninja()
    p.expect(3, 0)
    check(said in p.out, p.out)
    os.unlink(p.path('1.o'))
    cchain('-MD', '-MT', '1.o', '-MF', '1.o.d', '-c', 's/1.c', '-o', '1.o')
    stats = json.loads(subprocess.run([CCHAIN, 'stats', '--json'], env=p.env(), stdout=subprocess.PIPE).stdout)
    check(stats['misses'] == 3, stats)


@test
def launchers():
    """Launchers in front of the compiler, a line with `cd`, and what is refused."""
    p = simple('launchers', 1)
    p.write('sub/s.c', 'int s;\n')
    rule = '  depfile = $out.d\n  deps = gcc\nrule %s\n  description = CC $out\n  command = '
    tail = ' -MD -MT $out -MF $out.d -c $in -o $out\n'
    text, fronts = RULES, {'e': 'env A=1 gcc', 'm': 'cmake -E env A=1 gcc', 'c': 'ccache gcc'}
    for n, front in fronts.items():
        text += 'rule %s\n  depfile = $out.d\n  deps = gcc\n  description = CC $out\n  command = %s -DF="%s"%s' % (n, front, n, tail)
        text += 'build %s.o: %s s/0.c\n' % (n, n)
    text += ('rule cd\n  depfile = sub/s.o.d\n  deps = gcc\n  description = CC $out\n  command = cd %s/sub && gcc -MD -MT sub/s.o -MF s.o.d -c s.c -o s.o\nbuild sub/s.o: cd sub/s.c\n'
             # The edge's output is not the command's: it must not be taken for it.
             'rule cdx\n  depfile = s.o.d\n  deps = gcc\n  description = CC $out\n  command = cd %s/sub && gcc -MD -MT s.o -MF ../s.o.d -c s.c -o s.o && cp s.o ..\nbuild s.o: cdx sub/s.c | sub/s.o\n'
             'rule co\n  depfile = $out.d\n  deps = gcc\n  description = CC $out\n  command = cmake -E __run_co_compile --source=$in -- gcc%s'
             'build co.o: co s/0.c\n') % (p.dir, p.dir, tail)
    p.write('build.ninja', text)
    p.plain('-k', '0', status=1)  # CMake wants something to run beside the compiler
    want, deps = p.objects(), p.deps()
    have_cmake = 'm.o' in want
    for hits in (0, 2 + have_cmake + (shutil.which('ccache') is not None)):
        p.clean()
        p.ninja('-k', '0', status=1, CCACHE_DISABLE='1')
        check(p.hits == hits, p.out)
        check(p.objects() == want and p.deps() == deps, p.out)


@test
def edges():
    """Edges that the cache must leave alone, and several outputs, response files, pools, restat, a depfile without deps."""
    p = simple('edges', 1)
    p.write('build.ninja', RULES + '''
pool one
  depth = 1
rule ccrsp
  command = gcc @$out.rsp -c $in -o $out
  rspfile = $out.rsp
  rspfile_content = -O1 -MD -MT $out -MF $out.d
  depfile = $out.d
  deps = gcc
rule ccd
  command = gcc -MD -MT $out -MF $out.d -c $in -o $out
  depfile = $out.d
rule two
  command = gcc -MD -MT a2.o -MF a2.o.d -c $in -o a2.o && cp a2.o b2.o
  depfile = a2.o.d
  deps = gcc
rule lie
  command = gcc -MD -MT $one -MF $one.d -c $in -o $one
  depfile = $one.d
  deps = gcc
rule nodep
  command = gcc -c $in -o $out
build r.o: ccrsp s/0.c
build d.o: ccd s/0.c
build a2.o b2.o: two s/0.c
build lie.o | lie2: lie s/0.c
  one = lie.o
build n.o: nodep s/0.c
build p.o: cc s/0.c
  pool = one
build q.o: cc s/0.c
  pool = console
build re.o: cc s/0.c
  restat = 1
build after: sh re.o n.o
  cmd = cat re.o n.o > after
build gen.o: cc s/0.c
  generator = 1
''')
    for turn in ('plain', 'cold', 'warm'):
        p.clean()
        for left in ('d.o.d', 'lie.o.d', 'lie.o'):
            if p.exists(left):
                os.unlink(p.path(left))
        p.ninja(NINJA_CACHE='0' if turn == 'plain' else LIBRARY)
        if turn == 'plain':
            want, deps, log, depfile = p.objects(), p.deps(), p.log(), p.read('d.o.d')
        check(p.objects() == want and p.deps() == deps and p.log() == log and p.read('d.o.d') == depfile, turn, p.out)
        check(not p.exists('r.o.rsp'), 'response file')
    # r, d, n, p, re are ours; the console's, the generator's, two commands and an output that nobody writes are not.
    check((p.hits, p.misses) == (5, 0), p.out)
    # A hit leaves the object newer than what was made of the old one.
    os.unlink(p.path('re.o'))
    p.ninja()
    check('SH after' in p.out and p.hits == 1, p.out)


@test
def dyndep():
    p = simple('dyndep', 1)
    p.write('build.ninja', RULES + '''
build dd: sh
  cmd = printf 'ninja_dyndep_version = 1\\nbuild 0.o: dyndep | gen.h\\n' > dd
build gen.h: sh
  cmd = echo '#define G 5' > gen.h
build 0.o: cc s/0.c || dd
  dyndep = dd
''')
    p.write('s/0.c', '#include "../gen.h"\nint g = G;\n')
    p.plain()
    want, deps = p.objects(), p.deps()
    for hits in (0, 1):
        p.clean()
        p.ninja()
        p.expect(hits, 1 - hits)
        check(p.objects() == want and p.deps() == deps, p.out)


@test
def failures():
    """A failing compile says what it says, -k goes on, and nothing of it is stored."""
    p = simple('failures', 4)
    p.write('s/1.c', '#error no\n')
    p.write('s/3.c', '#error no\n')
    want = p.plain('-k', '0', '-j1', status=1)
    for round in range(3):
        p.clean()
        out = p.ninja('-k', '0', '-j1', status=1)
        check(re.sub('ninja: cache:.*\n', '', out) == want, out, want)
    check(p.hits == 2, out)
    p.clean()
    p.ninja('-n', '-v')
    check('cache:' not in p.out and 'gcc' in p.out and not p.exists('0.o'), p.out)
    p.ninja('-t', 'commands')
    check('cache' not in p.out, p.out)


@test
def quiet_and_verbose():
    p = simple('quiet')
    p.ninja('--quiet')
    check(p.out == '', p.out)
    p.clean()
    p.ninja('-v')
    check(p.out.count('gcc -O0') == 3 and p.hits == 3, p.out)
    p.clean()
    p.ninja('-d', 'stats')
    check('StartEdge' in p.out and p.hits == 3, p.out)
    p.clean()
    p.ninja('-d', 'keepdepfile')
    check(p.exists('0.o.d') and p.hits == 3, p.out)


@test
def no_library():
    p = simple('nolib', 1)
    want = p.plain()
    for name, lines in (('/nonexistent/lib.so', 1), (os.path.join(p.dir, 'build.ninja'), 1)):
        p.clean()
        p.ninja(NINJA_CACHE=name)
        check(p.out.count('no compile cache') == lines and p.out.endswith(want), p.out)
    for env in ({'CCHAIN_DISABLE': '1'}, {'NINJA_CACHE': '0'}):
        p.clean()
        check(p.ninja(**env) == want, p.out)
    plain = os.path.join(p.root, 'ninja')  # where no library stands beside it
    subprocess.run(['cp', args.ninja, plain], check=True)  # a process of its own: no thread here forks with it open for writing
    p.clean()
    p.ninja('-v', ninja=plain, NINJA_CACHE=None)
    check(p.out.count('no compile cache') == 1 or p.hits + p.misses == 1, p.out)  # or the library is installed here
    p.write('bad.json', 'no JSON')
    p.clean()
    p.ninja(CCHAIN_CONFIG=p.path('bad.json'))
    check('no compile cache' in p.out and p.out.endswith(want), p.out)


@test
def other_libraries():
    """Older and newer tables, one that fails to open, one without what was added later."""
    p = simple('fake', 2)
    want = p.plain()
    objects, deps = p.objects(), p.deps()
    for how in ('old', 'newer', 'unopened'):
        p.clean()
        p.ninja(NINJA_CACHE=fake(), FAKE=how, FAKE_REAL=LIBRARY)
        check('no compile cache' in p.out and sorted(p.out.splitlines()[1:]) == sorted(want.splitlines()), p.out)
    for hits in (0, 2):
        p.clean()
        p.ninja(NINJA_CACHE=fake(), FAKE='bare', FAKE_REAL=LIBRARY)
        p.expect(hits, 2 - hits)
        check(p.objects() == objects and p.deps() == deps and not p.exists('0.o.d'), p.out)


# ---- troubles

@test
def corrupt_cache():
    p = simple('corrupt')
    p.ninja()
    want = p.objects()
    rng = random.Random(args.seed)
    for round in range(4):
        for f in glob.glob(p.cache + '/compile/**/*', recursive=True):
            if os.path.isfile(f):
                data = bytearray(open(f, 'rb').read())
                if round == 3:
                    data = data[:len(data) // 2]
                else:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                with open(f, 'wb') as out:
                    out.write(data)
        p.clean()
        p.ninja()
        check(p.objects() == want, p.out)
    p.clean()
    p.ninja()
    p.expect(3, 0)


@test
def full_disk():
    p = simple('full')
    p.plain()
    want = p.objects()
    p.clean()
    open(os.path.join(p.root, 'file'), 'w').close()
    p.ninja(CCHAIN_DIR=os.path.join(p.root, 'file'))
    check(p.objects() == want and p.hits == 0, p.out)
    small = os.path.join(p.root, 'small')
    os.mkdir(small)
    p.clean()
    if not shutil.which('unshare'):
        raise Skip('unshare is not installed (a file in place of the folder was tested)')
    script = 'mount -t tmpfs -o size=16k none "$1" && shift && exec "$@"'
    r = subprocess.run(['unshare', '-rm', 'sh', '-c', script, 'sh', small, args.ninja], cwd=p.dir, env=p.env(CCHAIN_DIR=small), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode and (not r.stdout or r.stdout.startswith((b'mount', b'unshare'))):
        raise Skip('no file system can be mounted here: ' + r.stdout.decode().strip()[:100])
    check(r.returncode == 0 and p.objects() == want, r.stdout.decode())


def interrupt(p, env, after, sig=signal.SIGINT, argv=()):
    """Seconds from the signal to the end."""
    child = p.popen('-j2', *argv, env=env, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    after(child)
    start = time.monotonic()
    child.send_signal(sig)
    out = child.communicate(timeout=30)[0].decode()
    return time.monotonic() - start, child.returncode, out


@test
def interrupted():
    """Ctrl-C and its kin leave at once, also while a layer hangs; what was half done is removed and made anew. How long it took is printed: the layer would
    hang for longer than any loaded machine takes."""
    p = simple('signals')
    slowest = 0
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        seconds, status, out = interrupt(p, p.env(NINJA_CACHE=fake(), FAKE='hang', FAKE_REAL=LIBRARY), lambda c: time.sleep(0.3), sig)
        check(status != 0 and 'interrupted' in out, status, out)
        check(seconds < 5, 'took', seconds, 's with a layer that hangs')
        slowest = max(slowest, seconds)
    print('# %.0f ms from a signal to the end at the most' % (slowest * 1000))
    p.write('build.ninja', RULES + 'build 0.o: cc s/0.c\nbuild slow: sh 0.o\n  cmd = touch started && exec sleep 20\n')

    def started(child):
        for _ in range(1000):
            if p.exists('started'):
                return time.sleep(0.1)  # for the shell to become it
            time.sleep(0.01)

    seconds, status, out = interrupt(p, p.env(), started)
    check(status != 0 and 'interrupted' in out and seconds < 5, status, seconds, out)
    p.write('build.ninja', RULES + 'build 0.o: cc s/0.c\n')
    p.ninja()
    p.plain('-d', 'explain')
    check('no work' in p.out, p.out)


@test
def jobserver():
    """From 1.13 on: tokens come back, also from edges that were looked up when it was interrupted."""
    version = subprocess.run([args.ninja, '--version'], stdout=subprocess.PIPE).stdout.decode().strip()
    if tuple(map(int, version.split('.')[:2])) < (1, 13):
        raise Skip('Ninja %s has none' % version)
    p = simple('jobserver', 6)
    fifo = os.path.join(p.root, 'fifo')
    os.mkfifo(fifo)
    fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    os.write(fd, b'++')
    env = {'MAKEFLAGS': '--jobserver-auth=fifo:' + fifo}
    p.ninja(**env)
    check(os.read(fd, 9) == b'++', 'tokens')
    os.write(fd, b'++')
    p.clean()
    p.ninja(**env)
    p.expect(6, 0)
    check(os.read(fd, 9) == b'++', 'tokens')
    os.write(fd, b'++')
    p.clean()
    interrupt(p, p.env(NINJA_CACHE=fake(), FAKE='hang', FAKE_REAL=LIBRARY, **env), lambda c: time.sleep(0.3))
    check(os.read(fd, 9) == b'++', 'tokens after Ctrl-C')


# ---- files that change meanwhile

@test
def undeclared_header():
    """An edge that writes a header which it does not declare, between two compiles of one build."""
    p = Project('undeclared')
    p.write('a.c', '#include "h.h"\nint a = H;\n')
    p.write('b.c', '#include "h.h"\nint b = H;\n')
    p.write('build.ninja', RULES + 'build a.o: cc a.c\nbuild stamp: sh value || a.o\n  cmd = cp value h.h && touch stamp\nbuild b.o: cc b.c || stamp\n')

    def run(value, plain):
        p.write('h.h', '#define H 0\n')
        p.write('value', '#define H %d\n' % value)
        p.clean()
        (p.plain if plain else p.ninja)()
        return p.objects()

    want = {v: run(v, True) for v in (1, 2)}
    for turn in range(3):
        for v in (1, 2):
            check(run(v, False) == want[v], 'value', v, 'turn', turn, p.out)
    p.expect(2, 0)


@test
def saved_in_mid_build():
    """A header is saved by hand after one hit has looked at it, before another is served from that look: both run again next time."""
    p = simple('saved', 2)
    p.write('s/slow.c', ''.join('int s%d(int x) { return x * %d + (x >> 3) - %d; }\n' % (i, i, i) for i in range(800)))
    p.write('build.ninja', RULES + 'build 0.o: cc s/0.c\nbuild slow.o: cc s/slow.c\n  more = -O2\nbuild 1.o: cc s/1.c\n')
    p.ninja()
    old = p.objects()
    p.clean()
    p.write('s/slow.c', open(p.path('s/slow.c')).read() + 'int more;\n')
    child = p.popen('-j1')
    line = child.stdout.readline().decode()
    check('CC 0.o' in line, line)
    time.sleep(0.1)
    p.write('s/h.h', '#define H 7\n')
    saved = os.stat(p.path('s/h.h')).st_mtime_ns
    out = line + child.communicate(timeout=60)[0].decode()
    check('2 hits, 1 misses' in out, out)
    check(p.objects()['1.o'] == old['1.o'] and os.stat(p.path('1.o')).st_mtime_ns > saved, 'the test is too slow to show anything')
    p.ninja()
    check(p.ran() == ['0.o', '1.o'], p.out)
    got = p.objects()
    p.clean()
    p.plain()
    check(got == p.objects(), 'not what a plain build makes')
    p.ninja()
    check('no work' in p.out, p.out)


@test
def stripped_by_the_next():
    """The next edge changes the object in place, before it is stored: what comes out of the cache is the compiler's."""
    p = Project('strip')
    for i in range(6):
        p.write('s/%d.c' % i, 'static int x; int *f%d(void) { return &x; }\n' % i)
    p.write('build.ninja', RULES + 'flags = -g -O0\n' + ''.join('build %d.o: cc s/%d.c\nbuild s%d: sh %d.o\n  cmd = strip -g %d.o && touch s%d\n' % ((i,) * 6) for i in range(6)))
    p.ninja()
    want = p.objects()
    p.clean()
    p.ninja()
    p.expect(6, 0)
    check(p.objects() == want, p.out)
    p.clean()
    p.ninja(*['%d.o' % i for i in range(6)])
    hit = p.objects()
    p.clean()
    p.plain(*['%d.o' % i for i in range(6)])
    check(hit == p.objects(), 'the stripped object was stored')


@test
def trace():
    p = simple('trace', 2, 'build x: sh 0.o\n  cmd = cp 0.o x\n')
    file = os.path.join(p.root, 'trace.json')
    for category in ('miss', 'hit'):
        p.clean()
        p.ninja(CCHAIN_TRACE=file)
        events = json.load(open(file))['traceEvents']
        kinds = {e['name']: e['cat'] for e in events if e['cat'] in ('hit', 'miss', 'uncacheable', 'command')}
        check(kinds == {'0.o': category, '1.o': category, 'x': 'command'}, kinds)
        for e in events:
            check(e['ph'] == 'X' and e['dur'] >= 0 and e['ts'] >= 0, e)
            check(e['cat'] != 'hit' or e['args']['layer'], e)
            check(e['cat'] != 'miss' or e['args']['why'], e)


@test
def many_jobs():
    p = simple('many', 40)
    p.ninja('-j8')
    want = p.objects()
    for j in ('-j1', '-j3', '-j64'):
        p.clean()
        p.ninja(j)
        p.expect(40, 0)
        check(p.objects() == want, p.out)


@test
def cmake():
    """A project of CMake's, with and without a launcher."""
    need('cmake')
    p = Project('cmake')
    p.write('CMakeLists.txt', '''cmake_minimum_required(VERSION 3.16)
project(t C CXX)
add_custom_command(OUTPUT gen.h COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_CURRENT_SOURCE_DIR}/gen.in gen.h DEPENDS gen.in)
add_library(l STATIC a.c b.cc ${CMAKE_CURRENT_BINARY_DIR}/gen.h)
target_include_directories(l PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
add_executable(m m.cc)
target_link_libraries(m l)
''')
    p.write('gen.in', '#define G 1\n')
    p.write('a.c', '#include "gen.h"\nint a(void) { return G; }\n')
    p.write('b.cc', '#include <vector>\nint b() { return std::vector<int>(3).size(); }\n')
    p.write('m.cc', 'int b();\nint main() { return b() - 3; }\n')
    want = None
    for launcher in ('', 'ccache', 'env;X=1', 'cmake;-E;env;X=1'):
        if launcher == 'ccache' and not shutil.which('ccache'):
            continue
        tree = os.path.join(p.root, 'b')
        shutil.rmtree(tree, ignore_errors=True)
        subprocess.run(['cmake', '-S', p.dir, '-B', tree, '-G', 'Ninja', '-DCMAKE_MAKE_PROGRAM=' + args.ninja, '-DCMAKE_C_COMPILER_LAUNCHER=' + launcher,
                        '-DCMAKE_CXX_COMPILER_LAUNCHER=' + launcher], env=p.env(NINJA_CACHE='0'), stdout=subprocess.DEVNULL, check=True)
        q = Project.__new__(Project)
        q.__dict__.update(p.__dict__, dir=tree)
        if want is None:
            q.plain()
            want, deps = q.objects(), q.deps()
            q.clean()
        q.ninja(CCACHE_DISABLE='1')
        check(q.misses == 3 or q.hits == 3, q.out)
        q.clean()
        q.ninja(CCACHE_DISABLE='1')
        q.expect(3, 0)
        check({k: v for k, v in q.objects().items() if k.endswith('.o')} == {k: v for k, v in want.items() if k.endswith('.o')} and q.deps() == deps, launcher)


# ---- the same edits, plain and cached

@test
def random_edits():
    rng = random.Random(args.seed)
    cached = Project('edits-cached')
    plain = Project('edits-plain')
    both = (cached, plain)
    state = {'flags': '-O0', 'shadow': False}
    files = {}

    def write(name, text, mtime=None):
        files.setdefault(name, []).append(text)
        for p in both:
            p.write(name, text)
            if mtime:
                os.utime(p.path(name), (mtime, mtime))

    def graph():
        text = RULES.replace('-O0', state['flags'] + ' -Ifirst -Iinc -Igen')
        text += 'build gen/g.h: sh g.in\n  cmd = mkdir -p gen && cp g.in gen/g.h\n  restat = 1\n'
        # Writes gen/u.h, which nobody declares.
        text += 'build gen/stamp: sh u.in\n  cmd = mkdir -p gen && cp u.in gen/u.h && touch gen/stamp\n'
        for i in range(6):
            text += 'build o/%d.o: cc %d.c || gen/g.h gen/stamp\n' % (i, i)
        text += 'build o/lib.a: sh %s\n  cmd = rm -f o/lib.a && ar crD o/lib.a $in\n' % ' '.join('o/%d.o' % i for i in range(6))
        return text

    for i in range(4):
        write('inc/h%d.h' % i, '#define H%d 1\n' % i + ('#include "h%d.h"\n' % (i + 1) if i < 3 else ''))
    write('g.in', '#define G 1\n')
    write('u.in', '#define U 1\n')
    for p in both:
        os.makedirs(p.path('first'))
    for i in range(6):
        write('%d.c' % i, '#include <h%d.h>\n#include <g.h>\n#include <u.h>\n#if __has_include("extra.h")\n#include "extra.h"\n#endif\nint f%d(void) { return H3 + G + U; }\n' % (i % 4, i))
    write('build.ninja', graph())

    def edit():
        kind = rng.randrange(10)
        name = rng.choice(['%d.c' % rng.randrange(6), 'inc/h%d.h' % rng.randrange(4), 'g.in', 'u.in'])
        text = files[name][-1]
        if kind < 3:
            write(name, re.sub(r'(#define \w+ )\d+|\Z', lambda m: (m.group(1) or '/* ') + str(rng.randrange(4)) + ('' if m.group(1) else ' */\n'), text, count=1))
        elif kind == 3:
            write(name, rng.choice(files[name]))  # as it was once
        elif kind == 4:  # an old time
            write(name, text + '/* %d */\n' % rng.randrange(3), mtime=time.time() - 100 - rng.randrange(1000))
        elif kind == 5:
            state['flags'] = rng.choice(['-O0', '-O1', '-O0 -DX=%d' % rng.randrange(2)])
            write('build.ninja', graph())
        elif kind == 6:
            for p in both:
                os.utime(p.path(name))
        elif kind == 7:
            for p in both:
                if p.exists('o/lib.a'):
                    os.unlink(p.path('o/%d.o' % (state.setdefault('n', 0) % 6)))
            state['n'] = state.get('n', 0) + 1
        elif kind == 8:  # a header that was looked for in vain appears, or goes
            for p in both:
                if p.exists('first/extra.h'):
                    os.unlink(p.path('first/extra.h'))
                else:
                    p.write('first/extra.h', 'extern int extra%d;\n' % rng.randrange(2))
        else:
            name = 'first/h%d.h' % rng.randrange(4)
            for p in both:
                if p.exists(name):
                    os.unlink(p.path(name))
                else:
                    p.write(name, open(p.path('inc/' + os.path.basename(name))).read() + '/* first */\n')
        return kind, name

    hits = 0
    history = []
    for round in range(args.rounds):
        if round:
            time.sleep(0.02)
            history += [edit() for _ in range(rng.randrange(1, 4))]
        if round % 7 == 6:
            history.append('clean')
            for p in both:
                p.clean()
        time.sleep(0.02)
        cached.ninja('-j2', status=None)
        hits += cached.hits
        plain.plain('-j2', status=None)
        where = 'seed %d, round %d, %s\n%s\n%s' % (args.seed, round, history[-6:], cached.out, plain.out)
        check(cached.status == plain.status, where)
        check(cached.ran() == plain.ran(), 'what was run:', where)
        check(cached.deps() == plain.deps(), 'deps:', where)
        a, b = cached.objects(), plain.objects()
        check(a == b, 'objects', [k for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)], where)
        check(cached.log() == plain.log(), 'logs:', where)
    check(args.rounds < 10 or hits > 0, 'no hit in %d rounds' % args.rounds)


# ---- Ninja's own

def own(cache):
    tree = args.tree
    if not tree:
        raise Skip('no tree of the source: %s has nothing of this version' % os.path.join(B, 'ninja-tree'))
    env = dict(os.environ, NINJA_CACHE=cache, CCHAIN_DIR=os.path.join(args.work, 'own'), HOME=args.work)
    for argv in (['./ninja_test'], [sys.executable, 'misc/output_test.py']):
        if not os.path.exists(os.path.join(tree, argv[-1])):
            raise Skip('%s is not built' % argv[-1])
        # Each in a copy: both write to where they stand.
        with tempfile.TemporaryDirectory(dir=args.work) as d:
            os.symlink(os.path.join(tree, 'misc'), d + '/misc')
            os.symlink(args.ninja, d + '/ninja')
            os.symlink(os.path.join(tree, 'ninja_test'), d + '/ninja_test')
            r = subprocess.run(argv, cwd=d, env=dict(env, TMPDIR=d), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = re.sub(r'(?m)^.*\r?\[\d+/\d+\].*\n', '', r.stdout.decode(errors='replace').replace('\r', '\n'))
            check(r.returncode == 0, argv, said[-3000:])


@test
def own_tests_cache_off():
    own('0')


@test
def own_tests_cache_on():
    own(LIBRARY)


def main():
    global args
    p = argparse.ArgumentParser()
    p.add_argument('--ninja', default=os.path.join(B, 'ninja'))
    p.add_argument('--seed', type=int, default=int(os.environ.get('SEED') or random.randrange(1 << 30)))
    p.add_argument('--rounds', type=int, default=int(os.environ.get('ROUNDS') or 20))
    p.add_argument('--keep', action='store_true')
    p.add_argument('names', nargs='*')
    args = p.parse_args()
    args.ninja = os.path.abspath(args.ninja)
    if not os.path.exists(args.ninja):
        print('skip: there is no %s (make ninja: its source could not be had)' % args.ninja)
        print('0 passed, 0 failed, 1 skipped')
        return 0
    version = subprocess.run([args.ninja, '--version'], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    args.tree = os.path.join(B, 'ninja-tree', version) if os.path.isdir(os.path.join(B, 'ninja-tree', version)) else None
    args.work = tempfile.mkdtemp(prefix='ninja-test-', dir=B)
    for name in [n for n in os.environ if n.startswith(('CCHAIN_', 'CCACHE_', 'NINJA_')) or n in ('MAKEFLAGS', 'MFLAGS')]:
        del os.environ[name]
    print('ninja %s, seed %d, %d rounds' % (version, args.seed, args.rounds), flush=True)
    passed = failed = skipped = 0

    def run(f):
        start = time.monotonic()
        try:
            f()
            return 'ok', '', time.monotonic() - start
        except Skip as e:
            return 'skip', str(e), time.monotonic() - start
        except Exception:
            return 'not ok', traceback.format_exc(), time.monotonic() - start

    chosen = [f for f in tests if not args.names or f.__name__ in args.names]
    alone = [f for f in chosen if f in (interrupted, saved_in_mid_build)]  # these look at the clock
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(zip([f for f in chosen if f not in alone], pool.map(run, [f for f in chosen if f not in alone])))
    results += [(f, run(f)) for f in alone]
    for f, (how, text, seconds) in results:
        print('%s %s%s (%.1f s)' % (how, f.__name__, ': ' + text if text else '', seconds))
        passed += how == 'ok'
        failed += how == 'not ok'
        skipped += how == 'skip'
    if not args.keep:
        shutil.rmtree(args.work, ignore_errors=True)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed else 0


sys.exit(main())
