#!/usr/bin/env python3
"""Writes the corpus (measure.md: 146 real translation units) as a compile-only Ninja graph in CMake's rule shape.

  corpus.py --src build/src --out build/corpus [--cc gcc --cxx g++] [--launcher L] [--name build] [--every N | --count N]

NAME.ninja holds the graph (its log in .NAME), NAME.json the commands without a launcher:
[{"project", "source", "object", "argv", "cwd"}…].
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import glob
import json
import os
import shlex
import sys

EXPECTED = 146


def units(src, out):
    """(project, [source], flags) for each of the six projects, as their own build files have them."""
    def listing(project, *patterns, leave=()):
        root = os.path.join(src, project)
        found = sorted({f for p in patterns for f in glob.glob(os.path.join(root, p))})
        return [f for f in found if not any(w in os.path.basename(f) for w in leave)]

    def at(*parts):
        return os.path.join(src, *parts)

    gtest = at('googletest', 'googletest')
    gmock = at('googletest', 'googlemock')
    yield ('leveldb',
           listing('leveldb', 'db/*.cc', 'util/*.cc', 'table/*.cc', 'helpers/memenv/*.cc', leave=('_test', 'windows')),
           ['-DLEVELDB_COMPILE_LIBRARY', '-DLEVELDB_PLATFORM_POSIX=1', '-DHAVE_FDATASYNC=1', '-DHAVE_O_CLOEXEC=1',
            '-I' + at('leveldb', 'include'), '-I' + at('leveldb'), '-isystem', gtest + '/include',
            '-isystem', gmock + '/include', '-O2', '-std=c++17'])
    yield ('ninja-build',
           listing('ninja-build', 'src/*.cc', leave=('_test', 'test.cc', 'perftest', 'win32', 'bench', '.in.', 'browse')),
           ['-DNINJA_HAVE_BROWSE', '-O2', '-Wno-deprecated', '-fdiagnostics-color', '-std=gnu++11'])
    yield ('re2',
           listing('re2', 're2/*.cc') + listing('re2', 'util/rune.cc', 'util/strutil.cc'),
           ['-I' + at('re2'), '-O2', '-std=gnu++11'])
    yield ('fmtlib', listing('fmtlib', 'src/format.cc', 'src/os.cc'),
           ['-I' + at('fmtlib', 'include'), '-O2', '-std=gnu++17'])
    small = [f for f in
             listing('googletest', 'googletest/src/*.cc', 'googlemock/src/*.cc', leave=('-all.cc',))
             + listing('googletest', 'googletest/samples/sample[1-9]_unittest.cc')
             if os.path.getsize(f) < 40000]
    yield ('googletest', small,
           ['-I' + gtest + '/include', '-I' + gtest, '-I' + gmock + '/include', '-I' + gmock, '-O2', '-Wall', '-Wshadow',
            '-std=gnu++11'])
    yield ('lua5.4', listing('lua5.4', 'src/*.c'),
           ['-DLUA_COMPAT_5_3', '-DLUA_USE_LINUX', '-I' + os.path.join(out, 'include'), '-O2', '-Wall', '-Wextra', '-std=gnu99'])


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--src', required=True)
    p.add_argument('--out', required=True)
    p.add_argument('--cc', default='gcc')
    p.add_argument('--cxx', default='g++')
    p.add_argument('--launcher', default='')
    p.add_argument('--name', default='build')
    p.add_argument('--every', type=int, default=1, help='only each Nth file')
    p.add_argument('--count', type=int, default=0, help='only so many, evenly spread')
    p.add_argument('--quiet', action='store_true')
    a = p.parse_args()
    src = os.path.realpath(a.src)
    out = os.path.abspath(a.out)
    os.makedirs(os.path.join(out, 'include'), exist_ok=True)
    header = os.path.join(out, 'include', 'lua5.4-deb-multiarch.h')  # the package's rules make it
    if not os.path.exists(header):
        with open(header, 'w') as f:
            f.write('#define DEB_HOST_MULTIARCH "%s-linux-gnu"\n' % os.uname().machine)

    commands = []
    per_project = {}
    for project, sources, flags in units(src, out):
        per_project[project] = len(sources)
        for f in sources:
            language = 'C' if f.endswith('.c') else 'CXX'
            obj = 'CMakeFiles/%s.dir/%s.o' % (project, os.path.relpath(f, os.path.join(src, project)))
            commands.append((project, language, f, obj, flags))
    total = len(commands)
    if a.count and a.count < total:
        commands = [commands[i * total // a.count] for i in range(a.count)]
    commands = commands[::a.every]

    def quoted(words):
        return ' '.join(shlex.quote(w) for w in words).replace('$', '$$')

    compiler = {'C': a.cc, 'CXX': a.cxx}
    lines = ['ninja_required_version = 1.5', 'builddir = .' + a.name, 'launcher = ' + a.launcher, '']
    for language in ('C', 'CXX'):
        lines += ['rule %s_COMPILER' % language, '  depfile = $DEP_FILE', '  deps = gcc',
                  '  command = $launcher %s $DEFINES $INCLUDES $FLAGS -MD -MT $out -MF $DEP_FILE -o $out -c $in' % compiler[language],
                  '  description = Building %s object $out' % language, '']
    listed = []
    for project, language, f, obj, flags in commands:
        dep = obj + '.d'
        lines += ['build %s: %s_COMPILER %s' % (obj, language, f.replace(' ', '$ ')), '  FLAGS = ' + quoted(flags),
                  '  DEP_FILE = ' + dep, '']
        listed.append({'project': project, 'source': f, 'object': obj, 'cwd': out,
                       'argv': shlex.split(compiler[language]) + flags + ['-MD', '-MT', obj, '-MF', dep, '-o', obj, '-c', f]})
        os.makedirs(os.path.dirname(os.path.join(out, obj)), exist_ok=True)
    lines += ['build all: phony ' + ' '.join(c[3] for c in commands), 'default all', '']
    os.makedirs(os.path.join(out, '.' + a.name), exist_ok=True)
    with open(os.path.join(out, a.name + '.ninja'), 'w') as f:
        f.write('\n'.join(lines))
    with open(os.path.join(out, a.name + '.json'), 'w') as f:
        json.dump(listed, f, indent=1)
    if not a.quiet:
        print('corpus: %d of %d translation units (%s)' % (len(commands), total, ', '.join('%s %d' % x for x in per_project.items())),
              file=sys.stderr)
        if total != EXPECTED:
            print('corpus: NOT the %d of measure.md: another release of the sources' % EXPECTED, file=sys.stderr)


main()
