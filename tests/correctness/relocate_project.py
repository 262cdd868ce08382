#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real CMake project with debug information in two places, sources and build folders apart: the second build is all hits, its objects are the first's, its
dependency files its own, and gdb finds the sources by the line that `cchain config` prints. By the command as compiler launcher and by the patched Ninja.

  relocate_project.py [NAME…]     NAME: command-gcc, command-clang, ninja-gcc, ninja-clang
"""
import glob
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
B = os.path.abspath(os.environ.get('B') or TOP + '/build')
CCHAIN, NINJA, LIBRARY = B + '/cchain', B + '/ninja', B + '/libcchain.so.0'
PROJECT = 'libjsoncpp'
counts = {'ok': 0, 'not ok': 0, 'skip': 0}


def say(kind, text):
    counts[kind] += 1
    print(kind, text, flush=True)


def check(truth, why):
    if not truth:
        raise AssertionError(why)


def run(argv, cwd=None, env=None):
    p = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    check(p.returncode == 0, '%s: %s' % (shlex.join(argv), p.stdout.decode(errors='replace')[-2000:]))
    return p.stdout.decode(errors='replace')


class Checkout:
    def __init__(self, root, k, door, cc, cache):
        self.src = root + ('/one', '/the/second/checkout')[k]
        self.out = root + ('/out', '/build-folders/second')[k]
        shutil.copytree(B + '/src/' + PROJECT, self.src)
        self.door = door
        self.env = {'PATH': os.environ['PATH'], 'HOME': root, 'LC_ALL': 'C', 'CCHAIN_DIR': cache, 'CCHAIN_BASE_DIRS': self.src + ':' + self.out, 'CC': cc,
                    'CXX': cc.replace('gcc', 'g++').replace('clang', 'clang++')}
        if door == 'ninja':
            self.env['NINJA_CACHE'] = LIBRARY
        flags = ['-DCMAKE_BUILD_TYPE=Debug', '-DJSONCPP_WITH_POST_BUILD_UNITTEST=OFF', '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON', '-DCMAKE_COLOR_DIAGNOSTICS=OFF',
                 '-DCCACHE_EXECUTABLE=']  # this project puts itself behind ccache if it finds it
        if door == 'command':
            flags.append('-DCMAKE_CXX_COMPILER_LAUNCHER=' + CCHAIN)
        run(['cmake', '-G', 'Ninja', '-S', self.src, '-B', self.out, *flags], env=dict(self.env, NINJA_CACHE='0', CCHAIN_DISABLE='1'))

    def stats(self):
        s = json.loads(run([CCHAIN, 'stats', '--json'], env=self.env))
        return {k: s[k] for k in ('hits', 'misses', 'uncacheable', 'uncacheable_reasons', 'miss_reasons')}

    def build(self):
        before = self.stats()
        out = run([NINJA if self.door == 'ninja' else 'ninja', '-C', self.out], env=self.env)
        after = self.stats()
        return tuple(after[k] - before[k] for k in ('hits', 'misses', 'uncacheable')) + (after, out)

    def objects(self):
        return {os.path.relpath(f, self.out): hashlib.sha256(open(f, 'rb').read()).hexdigest() for f in glob.glob(self.out + '/**/*.o', recursive=True)}


def project(root, door, cc):
    cache = root + '/cache'
    one, two = Checkout(root, 0, door, cc, cache), Checkout(root, 1, door, cc, cache)
    hits, misses, refused, after, out = one.build()
    objects = one.objects()
    check(len(objects) > 5 and misses == len(objects) and not refused, 'the first build: %d hits, %d misses, %d refused of %d: %s %s' % (
        hits, misses, refused, len(objects), after, out))
    hits, misses, refused, after, out = two.build()
    check((hits, misses, refused) == (len(objects), 0, 0), 'the second build: %d hits, %d misses, %d refused of %d: %s' % (hits, misses, refused, len(objects), after))
    check(two.objects() == objects, 'other objects')
    # What a plain compile with the same maps gives.
    commands = json.load(open(two.out + '/compile_commands.json'))
    maps = ['-ffile-prefix-map=%s=/cchain-base-%d' % (d, i) for i, d in enumerate((two.src, two.out))]
    for c in commands[:3]:
        words = [w for w in shlex.split(c['command']) if w != CCHAIN]
        out = os.path.join(two.out, words[words.index('-o') + 1])
        words[words.index('-o') + 1] = two.out + '/plain.o'
        run(words[:1] + maps + words[1:], cwd=c['directory'], env=dict(two.env, PWD=c['directory']))
        check(open(out, 'rb').read() == open(two.out + '/plain.o', 'rb').read(), out + ' is not what a plain compile gives')
    deps = run(['ninja', '-C', two.out, '-t', 'deps'])
    check(two.src + '/include/json/value.h' in deps and one.src not in deps and one.out not in deps and 'cchain-base' not in deps, 'the dependencies: ' + deps[:500])
    check('no work to do' in run(['ninja', '-C', two.out], env=dict(two.env, NINJA_CACHE='0')), 'the second build is not up to date')
    # A header changes there: what includes it is compiled, and nothing of the first is served for it.
    with open(two.src + '/include/json/version.h', 'a') as f:
        f.write('#define LATER 1\n')
    hits, misses, refused, after, out = two.build()
    check(hits == 0 and misses > 0, 'after a change: %d hits, %d misses' % (hits, misses))
    if not shutil.which('gdb'):
        return 'gdb is not installed: debug information was not tried'
    lines = [v['value'] for v in json.loads(run([CCHAIN, 'config', '--json'], env=two.env))['values'] if v['key'].startswith('debugger[')]
    check(len(lines) == 2 and lines[0] == 'set substitute-path /cchain-base-0 ' + two.src, 'cchain config: %s' % lines)
    program = next(f for f in glob.glob(two.out + '/bin/*') if os.access(f, os.X_OK) and not f.endswith('.so') and os.path.isfile(f))
    gdb = ['gdb', '-nx', '-batch', *[w for line in lines for w in ('-ex', line)], '-ex', 'list main', program]
    text = run(gdb, cwd='/', env=two.env)
    check(re.search(r'^\d+\s.*\bmain\b', text, re.M), 'gdb does not find the source: ' + text)
    return None


def main():
    for program in ('cmake', 'ninja'):
        if not shutil.which(program):
            say('skip', 'all: %s is not installed' % program)
            return
    if subprocess.run([TOP + '/tests/tools/fetch-source.sh', PROJECT], env=dict(os.environ, B=B), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        say('skip', 'all: the source of %s can\'t be fetched here' % PROJECT)
        return
    for door in ('command', 'ninja'):
        for cc in ('gcc', 'clang'):
            name = door + '-' + cc
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            if not shutil.which(cc) or (door == 'ninja' and not os.path.exists(NINJA)):
                say('skip', '%s: %s is not here' % (name, 'the patched Ninja' if shutil.which(cc) else cc))
                continue
            root = os.path.realpath(tempfile.mkdtemp(prefix='cchain-relocate-'))
            try:
                left_out = project(root, door, cc)
                say('ok', name)
                if left_out:
                    say('skip', '%s: %s' % (name, left_out))
            except (AssertionError, OSError, subprocess.TimeoutExpired, StopIteration) as e:
                say('not ok', '%s: %s' % (name, e))
            finally:
                shutil.rmtree(root, ignore_errors=True)


main()
print('%d passed, %d failed, %d skipped' % (counts['ok'], counts['not ok'], counts['skip']))
sys.exit(1 if counts['not ok'] else 0)
