#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A CMake project with target_precompile_headers in C and C++: cold, a clean rebuild, an edit behind the precompiled headers and back. Objects are those of a plain
build each time. clang writes the times of files into precompiled headers, unless it is told not to ("untimed"): then the files have to be as old as they were, too.

A second checkout elsewhere makes its own precompiled headers, and shares the rest ("base_dirs").

  precompiled_project.py [--core | NAME…]     --core: three of them; NAME: command-gcc, command-clang, command-clang-untimed, second-gcc, second-clang, ninja-gcc, ninja-clang
"""
import glob
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
B = os.path.abspath(os.environ.get('B') or TOP + '/build')
CCHAIN, NINJA, LIBRARY = B + '/cchain', B + '/ninja', B + '/libcchain.so.0'
counts = {'ok': 0, 'not ok': 0, 'skip': 0}
FILES = {
    'CMakeLists.txt': '''cmake_minimum_required(VERSION 3.16)
project(p LANGUAGES C CXX)
add_library(l STATIC a.cc b.cc c.c d.c)
target_precompile_headers(l PRIVATE "${CMAKE_SOURCE_DIR}/big.h" own.h)
add_executable(m main.cc)
target_precompile_headers(m REUSE_FROM l)
target_link_libraries(m l)
''',
    'big.h': '#ifdef __cplusplus\n#include <map>\n#include <string>\n#include <vector>\n#else\n#include <stdio.h>\n#include <string.h>\n#endif\n',
    'own.h': '#pragma once\n#define OWN 1\n',
    'a.cc': '#include "own.h"\n#include "late.h"\nint a() { return std::vector<int>(OWN + LATE).size(); }\n',
    'b.cc': 'std::map<std::string, int> b() { return {{"b", OWN}}; }\n',
    'c.c': '#include <string.h>\nint c(void) { return OWN + (int)strlen("c"); }\n',
    'd.c': 'int d(void) { int unused; return puts("d"); }\n',
    'main.cc': 'int a();\nextern "C" int c(void);\nint main() { return a() + c(); }\n',
    'late.h': '#define LATE 3\n',
}


def check(truth, why):
    if not truth:
        raise AssertionError(why)


def run(argv, cwd=None, env=None):
    p = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    check(p.returncode == 0, '%s: %s' % (shlex.join(argv), p.stdout.decode(errors='replace')[-2000:]))
    return p.stdout.decode(errors='replace')


class Build:
    def __init__(self, root, door, cc, words='', kind='Debug', cache=None):
        self.src, self.out, self.door = root + '/src', root + '/out', door
        os.makedirs(self.src)
        for name, text in FILES.items():
            self.write(name, text)
        self.env = {'PATH': os.environ['PATH'], 'HOME': root, 'LC_ALL': 'C', 'CCHAIN_DIR': cache or root + '/cache', 'CC': cc, 'CXX': cc.replace('gcc', 'g++').replace('clang', 'clang++')}
        if cache:
            self.env['CCHAIN_BASE_DIRS'] = self.src + ':' + self.out
        self.plain = dict(self.env, NINJA_CACHE='0', CCHAIN_DISABLE='1')
        if door == 'ninja':
            self.env['NINJA_CACHE'] = LIBRARY
        flags = ['-DCMAKE_C_FLAGS=' + words, '-DCMAKE_CXX_FLAGS=' + words, '-DCMAKE_BUILD_TYPE=' + kind, '-DCMAKE_COLOR_DIAGNOSTICS=OFF']
        if door == 'command':
            flags += ['-DCMAKE_%s_COMPILER_LAUNCHER=%s' % (language, CCHAIN) for language in ('C', 'CXX')]
        run(['cmake', '-G', 'Ninja', '-S', self.src, '-B', self.out, *flags], env=self.plain)

    def write(self, name, text):
        with open(os.path.join(self.src, name), 'w') as f:
            f.write(text)

    def stats(self):
        s = json.loads(run([CCHAIN, 'stats', '--json'], env=self.env))
        return {k: s[k] for k in ('hits', 'misses', 'stores', 'uncacheable', 'uncacheable_reasons')}

    def objects(self):
        return {p: hashlib.sha256(open(p, 'rb').read()).hexdigest() for p in glob.glob(self.out + '/**/*.o', recursive=True)}

    def build(self, plain=False, clean=True):
        ninja = NINJA if self.door == 'ninja' else 'ninja'
        if clean:
            run([ninja, '-t', 'clean'], cwd=self.out, env=self.plain)
        before = self.stats()
        run([ninja], cwd=self.out, env=self.plain if plain else self.env)
        after = self.stats()
        check(run([ninja], cwd=self.out, env=self.plain).endswith('ninja: no work to do.\n'), 'there is more to do')
        return {k: after[k] - before[k] for k in ('hits', 'misses', 'stores', 'uncacheable')}, self.objects(), after['uncacheable_reasons']


def one(root, door, cc, untimed):
    b = Build(root, door, cc, '-Xclang -fno-pch-timestamp' if untimed else '')
    _, want, _ = b.build(plain=True)
    time.sleep(2.1)
    d, got, why = b.build()
    check(got == want and d['hits'] == 0, 'cold: %s' % d)
    # Two precompiled headers and five sources.
    check(d == {'hits': 0, 'misses': 7, 'stores': 7, 'uncacheable': d['uncacheable']}, 'cold: %s, %s' % (d, why))
    d, got, _ = b.build()
    check(got == want and (d['hits'], d['misses']) == (7, 0), 'a clean rebuild: %s' % d)
    for name, text, n in (('late.h', '#define LATE 4\n', 1), ('own.h', '#pragma once\n#define OWN 2\n', 7)):
        time.sleep(2.1)
        b.write(name, text)
        d, got, why = b.build(clean=False)
        check((d['hits'], d['misses'], d['stores']) == (0, n, n), '%s edited: %s, %s' % (name, d, why))
        _, want, _ = b.build(plain=True)
        check(got == want, '%s edited: other objects' % name)
        d, got, _ = b.build()
        check(got == want and (d['hits'], d['misses']) == (7, 0), '%s edited, a clean rebuild: %s' % (name, d))
    for name in ('late.h', 'own.h'):
        b.write(name, FILES[name])
    d, got, _ = b.build(clean=False)
    check((d['hits'], d['misses']) == ((5, 2) if cc == 'clang' and not untimed else (7, 0)), 'as it was: %s' % d)
    check(got == b.build(plain=True)[1], 'as it was: other objects')


def second(root, cc):
    # With clang's debug information a text that has the checkout in it, as CMake's has, keeps objects apart.
    builds = [Build(root + where, 'command', cc, kind='Release' if cc == 'clang' else 'Debug', cache=root + '/cache') for where in ('/first', '/another/and-a-longer/one')]
    time.sleep(2.1)
    d, want, why = builds[0].build()
    check(d == {'hits': 0, 'misses': 7, 'stores': 7, 'uncacheable': 0}, 'the first: %s, %s' % (d, why))
    want = list(want.values())
    b = builds[1]
    d, got, why = b.build()
    check(d == {'hits': 5, 'misses': 2, 'stores': 2, 'uncacheable': 0}, 'the second: %s, %s' % (d, why))
    check(list(got.values()) == want, 'the second: other objects')
    explained = run([CCHAIN, 'explain', glob.glob(b.out + '/**/*.hxx.[gp]ch', recursive=True)[0]], env=b.env)
    check('each checkout makes its own' in explained, 'the reason: ' + explained)
    d, again, _ = b.build()
    check(again == got and (d['hits'], d['misses']) == (7, 0), 'the second, a clean rebuild: %s' % d)
    # What it would have made by itself.
    b.env['CCHAIN_DIR'] = root + '/empty'
    d, again, _ = b.build()
    check(again == got and (d['hits'], d['misses']) == (0, 7), 'the second, alone: %s' % d)


def main():
    wanted = ['command-gcc', 'command-clang', 'ninja-gcc'] if '--core' in sys.argv else [a for a in sys.argv[1:] if not a.startswith('-')]
    for door in ('command', 'second', 'ninja'):
        for kind in ('gcc', 'clang', 'clang-untimed') if door == 'command' else ('gcc', 'clang'):
            name, cc = '%s-%s' % (door, kind), kind.split('-')[0]
            if wanted and name not in wanted:
                continue
            missing = [p for p in ('cmake', 'ninja', cc, cc.replace('gcc', 'g++').replace('clang', 'clang++')) if not shutil.which(p)] + ([NINJA] if door == 'ninja' and not os.path.exists(NINJA) else [])
            root = tempfile.mkdtemp(prefix='cchain-precompiled-')
            end, why = 'ok', ''
            try:
                if missing:
                    end, why = 'skip', ': there is no ' + missing[0]
                else:
                    second(root, cc) if door == 'second' else one(root, door, cc, kind.endswith('untimed'))
            except (AssertionError, subprocess.TimeoutExpired) as e:
                end, why = 'not ok', ': %s' % e
            finally:
                shutil.rmtree(root, ignore_errors=True)
            counts[end] += 1
            print(end, name + why, flush=True)
    print('%d passed, %d failed, %d skipped' % (counts['ok'], counts['not ok'], counts['skip']))
    return counts['not ok'] > 0


sys.exit(main())
