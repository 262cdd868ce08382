#!/usr/bin/env python3
# What a hit leaves is what the compiler leaves: ../../../shared/design/correctness.md, "Outputs that are easy to forget".
#   tests/correctness/outputs.py [--core[=gcc|=clang]] [-v] [-k] [NAME...]      --core=gcc: what `make test` runs, =clang: what `make test-servers` does
# SPDX-License-Identifier: Apache-2.0
import os, re, resource, shutil, signal, stat, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common_outputs as common
from common_outputs import Fail, Skip, check, difference, have, snapshot, test

LONG = 'a_rather_long_name_of_a_function_that_makes_lines_wider_than_terminals'


def sources(b):
    b.write('a.c', '#include "h.h"\n#include <sys.h>\n#include <i.h>\n#include <stddef.h>\nint f(int x) { return x + H + SYS + I + (int)sizeof(size_t); }\n')
    b.write('h.h', '#define H 1\n')
    b.write('sys/sys.h', '#define SYS 2\n')
    b.write('inc/i.h', '#define I 3\n')
    b.write('warn.c', '#include "h.h"\nint f(int x) { int unused; int also_not_used = H; if (x = 3) return 1; return "s" == 0; }\n')
    b.write('long.c', 'int %s(int first_argument, int second_argument, int third_argument) { int unused_one; int unused_two; return first_argument; }\n' % LONG +
            '#warning "this is a warning with a text that is quite long, so that it must be broken or cut where the terminal ends, somewhere here"\n')
    b.write('warn.cc', '#include <string>\ntemplate <class T> int g(T t) { int unused; return t.size() > -1; }\nint f(std::string v) { return g(v); }\n')
    b.write('bad.c', 'int f( { return undeclared; }\n')
    b.write('p.cc', '#include <vector>\n#include "h.h"\nint f(std::vector<int> v) { return (int)v.size() + H; }\n')
    b.write('main.c', 'int main(void) { return 0; }\n')


FLAGS = ['-isystem', 'sys', '-I', 'inc']

# ---- dependency files ---------------------------------------------------------------------------------------------------


def deps(b, *variants):
    sources(b)
    for v in variants:
        b.thrice([b.cc] + FLAGS + ['-O1', '-c', 'a.c'] + v.split(), 'hit')


@test()
def t_deps_md(b):
    deps(b, '-MD -o a.o', '-MD', '-MD -o other.name.o', '-MD -o noext', '-MD -S', '-MD -S -o x.s')


@test()
def t_deps_mmd(b):
    deps(b, '-MMD -o a.o', '-MMD', '-MMD -MP -o x.o', '-MMD -MF x.dep')


@test()
def t_deps_mf(b):
    deps(b, '-MD -MF x.d -o a.o', '-MD -MFx.d -o a.o', '-MD -MF one.d -MF two.d -o a.o', '-MD -MF ./x.d -o ./a.o')


@test()
def t_deps_mt(b):
    deps(b, '-MD -MT t1 -o a.o', '-MD -MT t1 -MT t2 -o a.o', '-MD -MTt1 -o a.o', '-MD -MT a$b -o a.o', '-MD -MT t1 -MF x.d -MP -o a.o')


@test()
def t_deps_mq(b):
    deps(b, '-MD -MQ t1 -o a.o', '-MD -MQ a$b#c -o a.o', '-MD -MT x$y -MQ x$y -o a.o', '-MD -MQ t1 -MT t2 -MF x.d -o a.o')


@test()
def t_deps_mp(b):
    deps(b, '-MD -MP -o a.o', '-MD -MP -MF x.d -o a.o', '-MMD -MP -MT t -o a.o')


@test()
def t_deps_wp(b):
    deps(b, '-Wp,-MD,x.d -o a.o', '-Wp,-MMD,x.d -o a.o', '-Wp,-MD,x.d -MT t -o a.o', '-Wp,-MD,.a.o.d -o a.o', '-Wp,-MD,x.d')


@test()
def t_deps_odd_combinations(b):
    sources(b)
    for v in ('-MD -MMD -o a.o', '-MP -o a.o', '-MF x.d -o a.o', '-Wp,-MD,x.d -MD -o a.o', '-MD -MG -o a.o', '-MD -MF - -o a.o', 
              '-MD -MF /dev/null -o a.o', '-MD -o /dev/null', '-M', '-MM', '-MM -MF x.d', '-MD -E', '-MD -MF a.o -o a.o', '-MD -MV -o a.o', '-MD -MT', '-MD -MF',
              '-Wp,-MD,x.d,-MT,t -o a.o', '-Wp,-MD -o a.o', '-Xpreprocessor -MD -Xpreprocessor x.d -o a.o', '-dependency-file x.d -o a.o'):
        argv = [b.cc] + FLAGS + ['-c', 'a.c'] + v.split()
        plain = b.once(argv, False)
        if plain.status:
            unlike_hit(b, argv)
        else:
            b.thrice(argv, 'either')


def unlike_hit(b, argv, **more):
    """A command that fails: never a hit, all as plain."""
    plain = b.once(argv, False, **more)
    for turn in ('first', 'second'):
        got, d = b.delta(lambda: b.once(argv, True, **more))
        b.same(plain, got, ' '.join(argv) + ': ' + turn)
        check(d['hits'] == 0 and d['stores'] == 0, '%s: %s' % (' '.join(argv), d))


@test()
def t_deps_cxx(b):
    sources(b)
    for v in ('-MD -o p.o', '-MMD -MP -MF x.d -o p.o', '-Wp,-MMD,x.d -o p.o'):
        b.thrice([b.cxx, '-O1', '-c', 'p.cc'] + v.split())


@test()
def t_deps_of_two_objects(b):
    """One source, two objects: each one's dependency file names its own target."""
    sources(b)
    for dep in ([], ['-MF', 'x.d'], ['-MP'], ['-MT', 'same']):
        for o in ('one.o', 'two.o', 'sub/three.o'):
            def prep(b):
                os.makedirs(b.path('sub'), exist_ok=True)
            argv = [b.cc] + FLAGS + ['-c', 'a.c', '-MD', '-o', o] + dep
            plain = b.once(argv, False, prep)
            for turn in range(2):
                got = b.once(argv, True, prep)
                b.same(plain, got, ' '.join(argv))
    # No dependency file: the name of the object is none of the key's business, and nothing of the first's name is in the second.
    b.store_now([b.cc] + FLAGS + ['-c', 'a.c', '-o', 'one.o'])
    plain = b.once([b.cc] + FLAGS + ['-c', 'a.c', '-o', 'two.o'], False)
    b.same(plain, b.hit_now([b.cc] + FLAGS + ['-c', 'a.c', '-o', 'two.o']), 'another object')


def system_headers(b, dep):
    sources(b)
    argv = [b.cc] + FLAGS + ['-idirafter', 'after', '-c', 'a.c', '-o', 'a.o'] + dep
    b.write('after/unused.h', '')
    b.write('sys/sys.h', '#include <deep.h>\n#define SYS DEEP\n')
    b.write('after/deep.h', '#define DEEP 2\n')
    b.store_now(argv)
    first = b.hit_now(argv)
    for name, text in (('sys/sys.h', '#include <deep.h>\n#define SYS DEEP+5\n'), ('after/deep.h', '#define DEEP 4\n'), ('inc/i.h', '#define I 7\n'), ('h.h', '#define H 5\n')):
        b.write(name, text)
        plain = b.once(argv, False)
        got, d = b.delta(lambda: b.once(argv, True))
        check(d['hits'] == 0 and d['misses'] == 1, '%s changed: %s' % (name, d))
        b.same(plain, got, name + ' changed')
        check(plain.files['a.o'][3] != first.files['a.o'][3], 'the test proves nothing')
        b.same(plain, b.hit_now(argv), name + ' changed, again')
        first = plain


@test()
def t_system_headers_without_dependencies(b):
    system_headers(b, [])


@test()
def t_system_headers_with_mmd(b):
    system_headers(b, ['-MMD'])


@test()
def t_system_headers_with_wp_mmd(b):
    system_headers(b, ['-Wp,-MMD,x.d'])


@test()
def t_system_headers_with_md(b):
    system_headers(b, ['-MD'])


@test()
def t_system_headers_by_variable(b):
    sources(b)
    for var in ('CPATH', 'C_INCLUDE_PATH'):
        b.fresh()
        b.write('sys/sys.h', '#define SYS 2\n')
        argv = [b.cc, '-I', 'inc', '-MMD', '-c', 'a.c', '-o', 'a.o']
        env = {var: b.path('sys')}
        b.thrice(argv, 'hit', env=env)
        b.write('sys/sys.h', '#define SYS 9\n')
        plain = b.once(argv, False, env=env)
        got, d = b.delta(lambda: b.once(argv, True, env=env))
        check(d['hits'] == 0, var + ': the header changed: %s' % d)
        b.same(plain, got, var)


# ---- other files --------------------------------------------------------------------------------------------------------

LOOSE = r'^as\.d$|\.(gcno|lst|json|gcm|gch|pch|pcm|gz|i|ii|bc)$|\.[0-9]+[a-z]\.|lto|yaml'


def side(b, *variants, loose=LOOSE, expect='either', src='a.c', **more):
    sources(b)
    got = []
    for v in variants:
        v, e = v if isinstance(v, tuple) else (v, expect)
        argv = [b.cc] + FLAGS + [src] + v.split()
        plain = b.once(argv, False)
        if plain.status != 0:
            unlike_hit(b, argv)
            got.append('fail')
        else:
            got.append(b.thrice(argv, e, loose=loose, **more))
    return got


@test()
def t_side_split_dwarf(b):
    side(b, '-g -gsplit-dwarf -c -o a.o', '-g -gsplit-dwarf -c', '-g -gsplit-dwarf -S -o a.s', '-gsplit-dwarf -g0 -c -o a.o', '-g -gsplit-dwarf -MD -c -o x.o')


@test()
def t_side_coverage(b):
    side(b, '--coverage -c -o a.o', '-ftest-coverage -c', '-fprofile-arcs -c -o a.o', '-fprofile-arcs -ftest-coverage -c -o x.y.o', '--coverage -S -o a.s', '-fprofile-generate -c -o a.o',
         '-fprofile-generate=dir -c -o a.o', '-fprofile-use -c -o a.o', '-fprofile-use=none.gcda -c -o a.o', '-fprofile-instr-generate -fcoverage-mapping -c -o a.o',
         '--coverage -fprofile-dir=pd -c -o a.o', '--coverage -fprofile-abs-path -c -o a.o', '--coverage -fprofile-note=n.gcno -c -o a.o', '--coverage -dumpbase foo -c -o a.o', loose=LOOSE + r'|\.o$|\.s$')


@test()
def t_side_stack_usage(b):
    side(b, '-fstack-usage -c -o a.o', '-fstack-usage -c', '-fcallgraph-info -c -o a.o', '-fcallgraph-info=su,da -c -o a.o', '-fstack-usage -S -o x.s', '-fstack-size-section -c -o a.o')


@test()
def t_beside_the_object(b):
    """Served, with each file that the options leave; what is random in them (gcc's stamp of coverage, its record's numbers) is what was stored."""
    both = ['--coverage', '-ftest-coverage', '-fprofile-arcs', '-fstack-usage', '-fprofile-arcs -ftest-coverage -fprofile-update=atomic', '-O2 -fsave-optimization-record', '--coverage -fstack-usage -MD']
    only = ['-fcallgraph-info', '-fcallgraph-info=su,da'] if b.cc == 'gcc' else ['-ftime-trace', '-ftime-trace -ftime-trace-granularity=0 -MD']
    only += ['-g -gsplit-dwarf', '-gsplit-dwarf', '-g -gsplit-dwarf -O2 -MD']
    for o in both + only:
        where = ['-c -o a.o', '-c -o sub/x.y.o', '-c -o noext', '-c -o {}/abs.o'.format(b.w), '-S -o q.s']
        if 'record' not in o or b.cc == 'gcc':
            where.append('-c')
        if 'split' in o and b.cc == 'clang':  # named by the source, wherever the output is
            where.remove('-S -o q.s')
        for w in where:
            side(b, (o + ' ' + w, 'hit'), loose=r'\.(gcno|gz|o|s)$|noext' if b.cc == 'gcc' and ('arcs' in o or 'coverage' in o or 'record' in o) else r'\.(gz|json)$', prep=lambda b: os.makedirs(b.path('sub'), exist_ok=True))
    # The preprocessor leaves nothing.
    b.env['CCHAIN_MODE'] = 'preprocess'
    for o in both + only:
        if '-gsplit-dwarf' not in o:
            side(b, (o + ' -c -o p.o', 'hit'), loose=r'\.(gcno|gz|o|json)$' if b.cc == 'gcc' else r'\.(gz|json)$')
    del b.env['CCHAIN_MODE']
    b.write('empty.c', '')
    for o in both + only:
        side(b, (o + ' -c -o e.o', 'hit'), src='empty.c', loose=r'\.(gcno|gz|o)$' if b.cc == 'gcc' else r'\.(gz|json)$')


@test()
def t_beside_names_and_folders(b):
    """Where an object goes is in it, or in what stands beside it: another name and another folder are other results."""
    sources(b)
    for o in ['--coverage', '-g -gsplit-dwarf']:
        for name in ('one.o', 'two.o'):
            argv = [b.cc] + FLAGS + o.split() + ['-c', 'a.c', '-o', name]
            miss, d = b.delta(lambda: b.once(argv, True))
            check(d['hits'] == 0 and d['stores'] == 1, '%s %s: %s' % (o, name, d))
            hit = b.hit_now(argv)
            check(not difference(miss.files, hit.files), '%s %s: the hit is not what was stored' % (o, name))
            other = b'one' if name == 'two.o' else b'two'
            check(not any(other + b'.gcda' in f[3] or other + b'.dwo' in f[3] for f in hit.files.values() if f[0] == 'file'), '%s %s: names of the other' % (o, name))


@test()
def t_side_optimization_record(b):
    side(b, '-O2 -fsave-optimization-record -c -o a.o', '-O2 -fsave-optimization-record=yaml -c -o a.o', '-O2 -foptimization-record-file=r.yaml -c -o a.o', '-O2 -fopt-info -c -o a.o',
         '-O2 -fopt-info-all=r.txt -c -o a.o', '-O2 -fopt-info-vec-missed -c -o a.o', '-O2 -Rpass=inline -c -o a.o', '-O2 -Rpass=.* -Rpass-missed=.* -c -o a.o')


@test()
def t_side_time_trace(b):
    side(b, '-ftime-trace=t.json -c -o a.o')
    # What measures time prints another text each time: only files and status.
    for v in ('-ftime-report', '-fmem-report', '-Q'):
        argv = [b.cc] + FLAGS + ['a.c', v, '-c', '-o', 'a.o']
        plain = b.once(argv, False)
        for turn in range(2):
            got, d = b.delta(lambda: b.once(argv, True))
            check(got.status == plain.status and not difference(plain.files, got.files), '%s: another result' % v)
            check(d['hits'] == 0, v + ': a hit replays old times')


@test()
def t_side_assembler_listing(b):
    side(b, '-Wa,-a=a.lst -c -o a.o', '-Wa,-adhln=a.lst -g -c -o a.o', '-Wa,-a -c -o a.o', '-Wa,--MD,as.d -c -o a.o', '-Wa,-o,b.o -c -o a.o', '-Xassembler -a=a.lst -c -o a.o',
         '-Wa,-L -c -o a.o', '-Wa,--noexecstack -c -o a.o')


@test()
def t_side_save_temps(b):
    side(b, '-save-temps -c -o a.o', '-save-temps=obj -c -o x.o', '-save-temps=cwd -c', '--save-temps -c -o a.o')


@test()
def t_side_dumps(b):
    side(b, '-fdump-tree-optimized -O1 -c -o a.o', '-fdump-rtl-expand -O1 -c -o a.o', '-fdump-ipa-cgraph -O1 -c -o a.o', '-fdump-tree-original=x.txt -c -o a.o', '-fdump-lang-all -c -o a.o',
         '-da -c -o a.o', '-dD -c -o a.o', '-dP -S -o a.s', '-dumpdir d- -c -o a.o', '-dumpbase foo -fdump-tree-optimized -c -o a.o', '-aux-info f.txt -c -o a.o', '-MJ f.json -c -o a.o',
         '-fdump-go-spec=f.go -c -o a.o', '-fdump-record-layouts -c -o a.o', '-fdump-final-insns=f.insns -c -o a.o', '-emit-ast -o a.ast',
         '-fmodule-file-deps -c -o a.o', '-index-store-path idx -c -o a.o', '-serialize-diagnostics a.dia -c -o a.o', '--serialize-diagnostics a.dia -c -o a.o',
         '-fproc-stat-report=p.txt -c -o a.o', '-fdiagnostics-add-output=sarif -c -o a.o', '-fcompare-debug -c -o a.o', '-fada-spec-parent=x -fdump-ada-spec -c -o a.o',
         loose=LOOSE + r'|\.(insns|txt|ast|dia|sarif)$|idx|cdb|\.[0-9]')


@test()
def t_several_sources(b):
    """One command for each, and all that the whole leaves and says: whether all hit, some, or none, and if one fails."""
    sources(b)
    b.write('b.c', '#include "h.h"\n#warning of b\nint g(int a) { int unused; return H + a; }\n')
    b.write('bad.c', '#include "h.h"\nint g(int a) { return nothing; }\n')
    b.write('d/c.cc', 'int h() { return 1; }\n')
    b.write('d/a.c', 'int h;\n')
    plus = {'gcc': 'g++', 'clang': 'clang++'}[b.cc]
    unused = ['-Wl,-x', '-lm']
    for words, parts in ((['-c', 'a.c', 'b.c'], 2), (['-Wall', '-c', 'b.c', 'a.c', '-MD'], 2), (['-g', '-S', 'a.c', '-O1', 'b.c'], 2), (['-c', 'a.c', 'b.c'] + unused, 2),
                         (['-fstack-usage', '-c', 'a.c', 'b.c', '-MMD', '-MP'], 2), (['a.c', 'b.c', '-c', '-Wunknown-warning', '-fcolor-diagnostics' if b.cc == 'clang' else '-fdiagnostics-color'], 2),
                         (['-c', 'a.c', 'd/c.cc'], 2 if b.cc == 'gcc' else 0), (['-c', 'a.c', 'bad.c', 'b.c'], 3), (['-c', 'bad.c', 'bad.c'], 0),
                         (['-c', 'a.c', 'd/a.c'], 0), (['-c', 'a.c', 'b.c', '-o', 'x.o'], 0), (['-c', 'a.c', 'b.c', '-MD', '-MF', 'x.d'], 0), (['-c', 'a.c', 'b.c', '-save-temps'], 0),
                         (['-c', 'a.c', 'none.c'], 0), (['-c', '-mcpu=generic', 'a.c', 'b.c'], 0 if b.cc == 'gcc' else 2), (['-Werror', '-Wno-cpp', '-Wno-error=#warnings', '-c', 'a.c', 'b.c', '-lm'], 2 if b.cc == 'gcc' else 0), (['-c', '-x', 'c++', 'a.c', '-x', 'none', 'b.c'], 0), (['a.c', 'b.c'], 0)):
        for cc in (b.cc, plus):
            argv = [cc] + FLAGS + words
            b.fresh()
            plain = b.once(argv, False)
            for turn in range(3):
                if turn == 2:
                    b.write('b.c', open(b.path('b.c')).read() + '/* %s */\n' % len(words))
                    plain = b.once(argv, False)
                got, d = b.delta(lambda: b.once(argv, True))
                b.same(plain, got, '%s, turn %d' % (' '.join(argv), turn), loose=r'\.i$|\.ii$|-a|a\.out')
                good = [w for w in words if w in ('a.c', 'b.c', 'd/c.cc')]
                if cc == 'clang++':
                    continue  # says of all .c at its begin that they are deprecated: not divided
                if plain.status and 'bad.c' not in words:
                    continue  # the driver takes none of it
                if parts and turn == 1:
                    check(d['hits'] == len(good) and d['uncacheable'] == 0, '%s: %s' % (argv, d))
                if parts and turn == 2:
                    check(d['hits'] == len(good) - words.count('b.c'), '%s, one edited: %s' % (argv, d))
                if not parts:
                    check(d['hits'] == 0, '%s: %s' % (argv, d))


@test()
def t_side_diagnostics_files(b):
    sources(b)
    got = side(b, '-Wall -fdiagnostics-format=json -c -o w.o', '-Wall -fdiagnostics-format=json-file -c -o w.o',
               '-Wall -fdiagnostics-format=text -c -o w.o', '-Wall -fdiagnostics-format=msvc -c -o w.o', '-Wall -fdiagnostics-parseable-fixits -c -o w.o', '-Wall -fdiagnostics-generate-patch -c -o w.o',
               src='warn.c')


@test()
def t_side_pch(b):
    sources(b)
    b.write('x.h', '#define X 1\n')
    for argv in (['-c', 'x.h', '-o', 'x.h.gch'], ['x.h'], ['-x', 'c-header', 'x.h', '-o', 'x.pch'], ['-x', 'c-header', '-c', 'a.c', '-o', 'a.pch'] + FLAGS):
        b.thrice([b.cc] + argv, 'hit' if '-x' in argv else 'refused', loose=r'gch|pch')  # gcc makes another one each time


@test(compilers=('gcc',))
def t_side_dependencies_of_modules(b):
    """What CMake 3.28 and newer has gcc 14 and newer do at each C++20 compile: it leaves a .ddi that nothing declares."""
    b.write('a.cc', '#include "h.h"\nint f() { return H; }\n')
    b.write('h.h', '#define H 1\n')
    b.write('map', '$root .\n')
    argv = ['g++', '-std=c++20', '-fmodules-ts', '-fmodule-mapper=map', '-MD', '-fdeps-format=p1689r5', '-x', 'c++', '-c', 'a.cc']
    if b.once(argv, False).status:
        raise Skip('this g++ has no -fdeps-format')
    for out in (['-o', 'a.cc.o'], ['-o', 'x.o', '-MF', 'y.d'], []):
        b.thrice(argv + out, 'hit')


@test()
def t_side_modules(b):
    b.write('m.cc', 'export module m;\nexport int f() { return 1; }\n')
    b.write('m.cppm', 'export module m;\nexport int f() { return 1; }\n')
    b.write('module.modulemap', 'module hh { header "hh.h" }\n')
    b.write('hh.h', 'int hh(void);\n')
    b.write('use.c', '#include "hh.h"\nint f(void) { return hh(); }\n')
    more = {'loose': r'gcm|pcm|modules|idx|timestamp|\.o$'}
    if b.cc == 'gcc':
        commands = [['g++', '-std=c++20', '-fmodules-ts', '-c', 'm.cc', '-o', 'm.o'], ['g++', '-std=c++20', '-fmodules-ts', '-c', 'm.cc'], ['g++', '-std=c++20', '-fmodule-header', 'hh.h']]
    else:
        commands = [['clang++', '-std=c++20', '--precompile', 'm.cppm', '-o', 'm.pcm'], ['clang++', '-std=c++20', '-fmodules-ts', '-x', 'c++-module', '--precompile', 'm.cc', '-o', 'm.pcm'],
                    ['clang', '-fmodules', '-fmodules-cache-path=mc', '-c', 'use.c', '-o', 'use.o']]
    for argv in commands:
        plain = b.once(argv, False)
        if plain.status:
            unlike_hit(b, argv)
            continue
        s0 = b.stats()
        for turn in range(2):
            got = b.once(argv, True)
            # Names below a cache of modules hold times and hashes.
            keep = lambda files: {n: f for n, f in files.items() if not n.startswith('mc')}
            check(got.status == 0 and got.err == plain.err, '%s: %s %r' % (argv, got.status, got.err))
            d = difference(keep(plain.files), keep(got.files), more['loose'])
            check(not d, '%s: %s' % (argv, d))
            check(any(n.startswith('mc') for n in plain.files) == any(n.startswith('mc') for n in got.files), '%s: the module cache' % argv)
        s1 = b.stats()
        check(s1['uncacheable'] - s0['uncacheable'] == 2 and s1['stores'] == s0['stores'], '%s was not refused' % argv)


@test()
def t_side_other_kinds(b):
    side(b, '-S', '-S -o a.s', '-O2 -S -o x.s', '-S -masm=intel -o a.s', '-emit-llvm -c -o a.bc', '-emit-llvm -S -o a.ll', '-flto -c -o a.o', '-flto=thin -c -o a.o', '-flto -ffat-lto-objects -c -o a.o', '-fsyntax-only',
         '-fverbose-asm -S -o a.s', '-frecord-gcc-switches -c -o a.o', '-grecord-gcc-switches -g -c -o a.o', '-g -c -o a.o', '-g3 -c -o a.o', '-gdwarf-4 -c -o a.o', '-g -gz -c -o a.o', '-ggdb -O2 -c -o a.o',
         '-gembed-source -gdwarf-5 -c -o a.o', '-frecord-command-line -c -o a.o', '-grecord-command-line -g -c -o a.o', '-fembed-bitcode -c -o a.o', '-ffunction-sections -fdata-sections -c -o a.o', '-fno-integrated-as -c -o a.o',
         '-pipe -c -o a.o', '-fsanitize=address -c -o a.o', '-m32 -c -o a.o', '-fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 -O2 -c -o a.o', '-r -o a.o', '-shared -o a.so -fPIC', '-nostdlib -r -o a.o',
         loose=r'\.o$|\.bc$')


@test()
def t_side_object_bytes(b):
    """The common ones once more, byte for byte against the plain compile."""
    side(b, ('-c -o a.o', 'hit'), ('-O2 -g -c -o a.o', 'hit'), ('-O2 -S -o a.s', 'hit'), ('-g3 -c -o a.o', 'hit'), ('-ffunction-sections -fPIC -c -o a.o', 'hit'), ('-O0 -gdwarf-4 -c -o a.o', 'hit'),
         ('-frandom-seed=1 -c -o a.o', 'hit'), ('-std=gnu11 -pedantic -c -o a.o', 'hit'), loose=None)


@test()
def t_warnings_with_every_stream(b):
    sources(b)
    b.thrice([b.cc, '-Wall', '-c', 'warn.c', '-o', 'w.o'])
    b.thrice([b.cc, '-Wall', '-Wextra', '-c', 'warn.c'])
    b.thrice([b.cxx, '-Wall', '-Wextra', '-Wsign-compare', '-c', 'warn.cc', '-o', 'w.o'])
    b.thrice([b.cc, '-Wall', '-c', 'long.c', '-o', 'w.o', '-MD'])
    b.thrice([b.cc, '-w', '-c', 'warn.c', '-o', 'w.o'])
    b.thrice([b.cc, '-Wno-such-warning-at-all', '-Wall', '-c', 'warn.c', '-o', 'w.o'], 'either')
    b.thrice([b.cc, '-Wall', '-H', '-c', 'warn.c', '-o', 'w.o'], 'either')
    b.thrice([b.cc, '-Wall', '-v', '-c', 'warn.c', '-o', 'w.o'], 'either')


# ---- terminals, colours, locales ----------------------------------------------------------------------------------------

@test()
def t_colour_always(b):
    sources(b)
    for v in ('-fdiagnostics-color=always', '-fdiagnostics-color=never', '-fdiagnostics-color=auto', '-fdiagnostics-color', '-fno-diagnostics-color', '-fcolor-diagnostics', '-fno-color-diagnostics',
              '-fansi-escape-codes -fcolor-diagnostics', '-fno-diagnostics-show-caret', '-fdiagnostics-urls=always', '-fno-diagnostics-show-option', '-fmessage-length=40', '-fdiagnostics-show-line-numbers'):
        argv = [b.cc, '-Wall'] + v.split() + ['-c', 'long.c', '-o', 'w.o']
        if b.once(argv, False).status:
            unlike_hit(b, argv)
        else:
            b.thrice(argv, 'either')
    b.thrice([b.cc, '-Wall', '-fdiagnostics-color=always', '-c', 'warn.c', '-o', 'w.o'], 'hit')
    b.thrice([b.cxx, '-Wall', '-fdiagnostics-color=always', '-c', 'warn.cc', '-o', 'w.o'], 'hit')


@test()
def t_gcc_colors(b):
    sources(b)
    argv = [b.cc, '-Wall', '-fdiagnostics-color=always', '-c', 'warn.c', '-o', 'w.o']
    each_env(b, argv, [{}, {'GCC_COLORS': 'warning=01;31'}, {'GCC_COLORS': ''}, {'GCC_COLORS': 'warning=01;32:locus=03'}, {'GCC_URLS': 'st'}, {'TERM_URLS': 'bel', 'GCC_URLS': ''}, {'NO_COLOR': '1'}, {'CLICOLOR_FORCE': '1'}])
    each_env(b, [b.cc, '-Wall', '-fdiagnostics-urls=always', '-c', 'warn.c', '-o', 'w.o'], [{}, {'GCC_URLS': 'bel'}, {'TERM_URLS': 'no'}, {'TERM_URLS': 'st'}]) if b.cc == 'gcc' else None
    each_env(b, [b.cc, '-Wall', '-c', 'warn.c', '-o', 'w.o'], [{}, {'GCC_EXTRA_DIAGNOSTIC_OUTPUT': 'fixits-v1'}, {'GCC_EXTRA_DIAGNOSTIC_OUTPUT': 'fixits-v2'}, {'COLUMNS': '30'}])


def each_env(b, argv, envs, columns=None):
    """For each environment plain and cchain are the same, in two rounds: what one stored is never replayed for another that differs."""
    plain = [b.once(argv, False, env=e, columns=columns) for e in envs]
    for turn in range(2):
        for e, p in zip(envs, plain):
            got, d = b.delta(lambda: b.once(argv, True, env=e, columns=columns))
            b.same(p, got, '%s with %s, round %d' % (' '.join(argv), e, turn + 1))
            if turn:
                check(d['hits'] == 1 or d['uncacheable'] == 1, '%s with %s: %s' % (argv, e, d))


@test()
def t_locales(b):
    sources(b)
    argv = [b.cc, '-Wall', '-c', 'warn.c', '-o', 'w.o']
    u = {'LC_ALL': None}
    envs = [{}, {'LC_ALL': 'C.UTF-8'}, {'LC_ALL': 'POSIX'}, dict(u, LANG='C.UTF-8'), dict(u), dict(u, LC_MESSAGES='C.UTF-8'), dict(u, LC_CTYPE='C.UTF-8'), dict(u, LANG='de_DE.UTF-8', LANGUAGE='fr'),
            {'LC_ALL': '', 'LANG': 'C.UTF-8'}, {'LC_ALL': 'C.utf8'}, {'LC_ALL': 'none_NONE'}, dict(u, LANG='C.UTF-8', LC_CTYPE='C'), dict(u, LANG='en_US.UTF-8', LC_MESSAGES='C')]
    each_env(b, argv, envs)
    # The reverse order, into an empty cache.
    b.fresh()
    each_env(b, argv, envs[::-1])


@test()
def t_terminal(b):
    sources(b)
    for term in ('xterm-256color', 'xterm', 'dumb', 'linux', 'vt100', '', None, 'unknown-terminal', 'screen', 'ansi'):
        b.fresh()
        try:
            b.thrice([b.cc, '-Wall', '-c', 'warn.c', '-o', 'w.o'], 'hit', columns=120, env={'TERM': term})
        except Fail as e:
            raise Fail('TERM=%s: %s' % (term, e))


@test()
def t_terminal_cxx(b):
    sources(b)
    b.thrice([b.cxx, '-Wall', '-Wextra', '-c', 'warn.cc', '-o', 'w.o'], 'hit', columns=200, env={'TERM': 'xterm'})
    b.thrice([b.cxx, '-Wall', '-Wextra', '-c', 'warn.cc', '-o', 'w.o'], 'hit', columns=70, env={'TERM': 'xterm'})


@test()
def t_terminal_in_part(b):
    """stderr a terminal and stdout not, the reverse, and stdin only."""
    sources(b)
    argv = [b.cc, '-Wall', '-c', 'warn.c', '-o', 'w.o']
    for turn in range(2):
        for fds in ((2,), (1,), (0,), (0, 1), (1, 2), (0, 2), (0, 1, 2)):
            more = {'columns': 100, 'fds': fds, 'env': {'TERM': 'xterm-256color'}}
            b.same(b.once(argv, False, **more), b.once(argv, True, **more), 'a terminal on %s, round %d' % (fds, turn + 1))


@test()
def t_terminal_widths(b):
    """Caret lines and messages are cut or broken where the terminal ends: never replayed in another shape."""
    sources(b)
    argv = [b.cc, '-Wall', '-c', 'long.c', '-o', 'w.o']
    for term in ('dumb', 'xterm'):
        b.fresh()
        for turn in range(2):
            for columns in (200, 60, 100, 30):
                more = {'columns': columns, 'env': {'TERM': term}}
                b.same(b.once(argv, False, **more), b.once(argv, True, **more), 'TERM=%s, %d columns, round %d' % (term, columns, turn + 1))


@test()
def t_terminal_columns_variable(b):
    sources(b)
    argv = [b.cc, '-Wall', '-c', 'long.c', '-o', 'w.o']
    for turn in range(2):
        for c in ('40', '200', None, '0', 'x'):
            more = {'columns': 100, 'env': {'TERM': 'xterm', 'COLUMNS': c}}
            b.same(b.once(argv, False, **more), b.once(argv, True, **more), 'COLUMNS=%s, round %d' % (c, turn + 1))


@test()
def t_terminal_and_pipe(b):
    """Stored by one, asked for by the other."""
    sources(b)
    argv = [b.cc, '-Wall', '-c', 'long.c', '-o', 'w.o']
    for first in (0, 1):
        b.fresh()
        for turn in range(4):
            more = {'env': {'TERM': 'xterm-256color'}}
            if (turn + first) % 2:
                more['columns'] = 50
            b.same(b.once(argv, False, **more), b.once(argv, True, **more), 'by %s, round %d' % (('terminal' if 'columns' in more else 'pipe'), turn + 1))


# ---- where outputs stand ------------------------------------------------------------------------------------------------

def odd_place(b, prep, argv_o='a.o', dep=None, expect=None, **more):
    """The command was stored with ordinary outputs; then plain and cchain find an odd thing where an output belongs."""
    ordinary = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'plain.o'] + (['-MD', '-MF', 'plain.d', '-MT', 't'] if dep else [])
    argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', argv_o] + (['-MD', '-MF', dep, '-MT', 't'] if dep else [])
    sources(b)
    b.once(ordinary, True)
    b.hit_now(ordinary)
    plain = b.once(argv, False, prep, **more)
    for turn in range(2):
        got, d = b.delta(lambda: b.once(argv, True, prep, **more))
        b.same(plain, got, '%s, round %d' % (' '.join(argv), turn + 1))
        if expect == 'hit':
            check(d['hits'] == 1, '%s: no hit, the test proves nothing: %s' % (' '.join(argv), d))
            b.times(got, ' '.join(argv))
    return plain


def put(b, name, text=b'old', mode=0o644):
    path = b.path(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(text)
    os.chmod(path, mode)


@test()
def t_place_devices(b):
    # Not /dev/stdout and the like: they are links, and run as root plain gcc removes them.
    for o in ('/dev/null', '-', '/dev/full'):
        sources(b)
        argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', o]
        plain = b.once(argv, False)
        for turn in range(2):
            got, d = b.delta(lambda: b.once(argv, True))
            if o == '/dev/full':  # clang dies there with a stack dump
                got.err = plain.err
            b.same(plain, got, ' '.join(argv))
            check(d['hits'] == 0 and d['stores'] == 0 and d['uncacheable'] == 1, '%s: %s' % (o, d))
        check(stat.S_ISCHR(os.stat('/dev/null').st_mode) and stat.S_ISCHR(os.stat('/dev/full').st_mode), 'a device was replaced')


@test()
def t_place_device_by_other_name(b):
    def prep(b):
        try:
            os.mknod(b.path('a.o'), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except OSError as e:
            raise Skip('mknod: %s' % e)
    plain = odd_place(b, prep)
    check(plain.files['a.o'][0].startswith('special'), 'the compiler replaces devices?')

    def prep(b):
        os.mknod(b.path('a.d'), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    odd_place(b, prep, dep='a.d')


@test()
def t_place_fifo(b):
    """A reader gets what it gets from the compiler; the FIFO stays."""
    for name, dep in (('a.o', None), ('a.o', 'a.d')):
        read = []

        def prep(b):
            at = b.path(dep or name)
            os.mkfifo(at)

            def reader():
                try:
                    with open(at, 'rb') as f:
                        read.append(f.read())
                except OSError:
                    pass
            b.thread = threading.Thread(target=reader, daemon=True)
            b.thread.start()

        def done(b):
            # Whoever never opened it leaves the reader waiting.
            b.thread.join(0.5)
            if b.thread.is_alive():
                try:
                    os.close(os.open(b.path(dep or name), os.O_WRONLY | os.O_NONBLOCK))
                except OSError:
                    pass
                b.thread.join(5)
        sources(b)
        ordinary = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'x.o'] + (['-MD', '-MF', 'x.d', '-MT', 't'] if dep else [])
        b.once(ordinary, True)
        b.hit_now(ordinary)
        argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'a.o'] + (['-MD', '-MF', 'a.d', '-MT', 't'] if dep else [])
        plain = b.once(argv, False, prep, timeout=10)
        done(b)
        for turn in range(2):
            got = b.once(argv, True, prep, timeout=10)
            done(b)
            b.same(plain, got, 'FIFO ' + (dep or name))
        check(len(set(read)) == 1, 'readers got %s bytes' % [len(r) for r in read])


@test()
def t_place_directory(b):
    odd_place(b, lambda b: os.mkdir(b.path('a.o')))
    odd_place(b, lambda b: put(b, 'a.o/full'))
    odd_place(b, lambda b: os.mkdir(b.path('a.d')), dep='a.d')


@test()
def t_place_missing_directory(b):
    odd_place(b, None, 'none/a.o')
    odd_place(b, None, 'a.o', dep='none/a.d')
    odd_place(b, lambda b: put(b, 'file'), 'file/a.o')
    odd_place(b, lambda b: os.symlink('nowhere', b.path('dir')), 'dir/a.o')


@test()
def t_place_object_is_symlink(b):
    def prep(b):
        put(b, 'target')
        os.symlink('target', b.path('a.o'))
    plain = odd_place(b, prep, expect='hit')
    check(plain.files['target'][3] == b'old', 'the compiler writes through?')
    def prep(b):
        os.mkdir(b.path('d'))
        os.symlink('d', b.path('a.o'))
    odd_place(b, prep)

    def prep(b):
        os.mkdir(b.path('d'))
        os.symlink('d', b.path('l'))
    odd_place(b, prep, 'l/a.o', expect='hit')


@test()
def t_place_object_is_dangling_symlink(b):
    odd_place(b, lambda b: os.symlink('nowhere', b.path('a.o')))


@test()
def t_place_object_is_symlink_to_itself(b):
    odd_place(b, lambda b: os.symlink('a.o', b.path('a.o')))


@test()
def t_place_object_is_symlink_to_a_device(b):
    odd_place(b, lambda b: os.symlink('/dev/null', b.path('a.o')))
    check(stat.S_ISCHR(os.stat('/dev/null').st_mode), '/dev/null was replaced')


@test()
def t_place_object_is_hard_link(b):
    def prep(b):
        put(b, 'kept')
        os.link(b.path('kept'), b.path('a.o'))
    plain = odd_place(b, prep, expect='hit')
    check(plain.files['kept'][3] == b'old', 'the compiler writes through?')


@test()
def t_place_dependency_file_is_symlink(b):
    def prep(b):
        put(b, 'target')
        os.symlink('target', b.path('a.d'))
    plain = odd_place(b, prep, dep='a.d', expect='hit')
    check(plain.files['a.d'][0] == 'link' and plain.files['target'][3] != b'old', 'the compiler replaces the link?')
    odd_place(b, lambda b: os.symlink('nowhere', b.path('a.d')), dep='a.d', expect='hit')
    odd_place(b, lambda b: os.symlink('none/nowhere', b.path('a.d')), dep='a.d')
    odd_place(b, lambda b: os.symlink('/dev/null', b.path('a.d')), dep='a.d')
    odd_place(b, lambda b: os.symlink('a.d', b.path('a.d')), dep='a.d')
    check(stat.S_ISCHR(os.stat('/dev/null').st_mode), '/dev/null was replaced')


@test()
def t_place_dependency_file_is_hard_link(b):
    def prep(b):
        put(b, 'other', b'old and longer than the new one' * 500)
        os.link(b.path('other'), b.path('a.d'))
    odd_place(b, prep, dep='a.d', expect='hit')


@test()
def t_place_modes(b):
    """Outputs that stand there already with other modes, and under other umasks."""
    for mode in (0o600, 0o444, 0o755, 0o000, 0o4755):
        def prep(b):
            put(b, 'a.o', mode=mode)
            put(b, 'a.d', b'old' * 5000, mode=mode)
        odd_place(b, prep, dep='a.d', expect='hit')
    for umask in (0o077, 0o002, 0o000, 0o027, 0o177):
        odd_place(b, None, dep='a.d', expect='hit', umask=umask)
        odd_place(b, lambda b: (put(b, 'a.o'), put(b, 'a.d')), dep='a.d', expect='hit', umask=umask)


@test()
def t_place_mode_of_the_first(b):
    """The mode of the file that was stored is not that of the file delivered."""
    sources(b)
    argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'a.o', '-MD']
    r, d = b.delta(lambda: b.once(argv, True, umask=0o077))
    check(d['stores'] == 1, str(d))
    plain = b.once(argv, False)
    b.same(plain, b.hit_now(argv), 'stored under umask 077')
    plain = b.once(argv, False, umask=0o027)
    b.same(plain, b.hit_now(argv, umask=0o027), 'umask 027')


@test()
def t_place_setgid_directory(b):
    def prep(b):
        os.mkdir(b.path('out'))
        os.chown(b.path('out'), 0, 12)
        os.chmod(b.path('out'), 0o2775)
    odd_place(b, prep, 'out/a.o', dep='out/a.d', expect='hit')
    st = os.stat(b.path('out/a.o'))
    check(st.st_gid == 12, 'group %d' % st.st_gid)


@test()
def t_place_as_another_user(b):
    """Read-only files and folders count for those who are not root."""
    if os.geteuid() != 0:
        raise Skip('not root')
    nobody = 65534
    for d in (b.dir, b.tmp, b.home):
        os.chown(d, nobody, nobody)

    def own(b, *names):
        os.chown(b.w, nobody, nobody)
        for n in names:
            os.chown(b.path(n), nobody, nobody, follow_symlinks=False)

    def prep_readonly_object(b):
        put(b, 'a.o', mode=0o444)
        own(b, 'a.o')

    def prep_roots_object(b):
        put(b, 'a.o')
        own(b)

    def prep_readonly_dep(b):
        put(b, 'a.d', mode=0o444)
        own(b, 'a.d')

    def prep_roots_dep(b):
        put(b, 'a.d')
        own(b)

    def prep_private_dep(b):
        put(b, 'a.d', b'old' * 5000, mode=0o640)
        own(b, 'a.d')

    def prep_readonly_folder(b):
        own(b)
        os.mkdir(b.path('out'))
        os.chmod(b.path('out'), 0o555)

    def prep_readonly_folder_with_files(b):
        own(b)
        put(b, 'out/a.o')
        put(b, 'out/a.d')
        own(b, 'out', 'out/a.o', 'out/a.d')
        os.chmod(b.path('out'), 0o555)

    def prep_sticky(b):
        own(b)
        put(b, 'out/a.o')
        put(b, 'out/a.d', mode=0o666)
        os.chmod(b.path('out'), 0o1777)
    sources(b)
    ordinary = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'x.o', '-MD', '-MF', 'x.d', '-MT', 't']
    b.once(ordinary, True, own, user=nobody)
    for prep, o, dep in ((prep_readonly_object, 'a.o', 'a.d'), (prep_roots_object, 'a.o', 'a.d'), (prep_readonly_dep, 'a.o', 'a.d'), (prep_roots_dep, 'a.o', 'a.d'), (prep_private_dep, 'a.o', 'a.d'),
                         (prep_readonly_folder, 'out/a.o', 'out/a.d'), (prep_readonly_folder, 'out/a.o', 'a.d'), (prep_readonly_folder_with_files, 'out/a.o', 'out/a.d'), (prep_sticky, 'out/a.o', 'out/a.d')):
        argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', o, '-MD', '-MF', dep, '-MT', 't']
        plain = b.once(argv, False, prep, user=nobody)
        for turn in range(2):
            got = b.once(argv, True, prep, user=nobody)
            b.same(plain, got, '%s: %s' % (prep.__name__, ' '.join(argv)))
    hits = subprocess.run([common.CCHAIN, 'stats', '--json'], env=b.env, stdout=subprocess.PIPE, preexec_fn=lambda: (os.setgid(nobody), os.setuid(nobody))).stdout
    check(b'"hits":0' not in hits.split(b'"layers"')[0], 'no hit at all, the test proves nothing')


# ---- moments ------------------------------------------------------------------------------------------------------------

def big_source(b, name='big.c', n=700000):
    bytes_ = b.random.randbytes(n)
    b.write(name, 'const char big[] = "' + ''.join('\\%03o' % x for x in bytes_) + '";\n')


@test()
def t_killed_during_a_hit(b):
    """An output is absent, the old one or whole."""
    big_source(b)
    argv = [b.cc, '-c', 'big.c', '-o', 'a.o', '-MD', '-MF', 'a.d', '-MT', 't']
    b.store_now(argv)
    whole = b.hit_now(argv)
    o, d = whole.files['a.o'][3], whole.files['a.d'][3]
    took = []
    for i in range(6):
        t = time.time()
        b.run(argv, cached=True)
        took.append(time.time() - t)
    span = sorted(took)[3] * 1.2
    seen = set()
    for i in range(200):
        b.reset()
        old = i % 3
        if old:
            put(b, 'a.o', b'old object' * 1000)
            put(b, 'a.d', b'old dependencies' * 1000)
        if old == 2:
            os.rename(b.path('a.d'), b.path('real.d'))
            os.symlink('real.d', b.path('a.d'))
        p = subprocess.Popen([common.CCHAIN] + argv, cwd=b.w, env=b.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(b.random.random() * span)
        p.kill()
        shown = p.communicate()[0]
        check(not shown, 'prints %r' % shown)
        got_o, got_d = b.read('a.o'), b.read('a.d')
        seen.add((old, got_o is None, got_o == o, p.returncode))
        check(got_o in (None, o) or (old and got_o == b'old object' * 1000), 'a partial object: %d of %d bytes' % (len(got_o or b''), len(o)))
        # Written through a link, like the compiler does, a file can be cut: there the object must not be new.
        if old == 2:
            check(got_o != o or got_d == d, 'a new object with a dependency file that is not whole')
        else:
            check(got_d in (None, d) or (old and got_d == b'old dependencies' * 1000), 'a partial dependency file')
            check(got_o != o or got_d == d, 'a new object without its dependency file')
        left = set(os.listdir(b.w)) - {'big.c', 'a.o', 'a.d', 'real.d'}
        check(not left, 'leaves %s' % left)
    check(any(s[3] == -signal.SIGKILL for s in seen) and any(s[2] for s in seen) and any(not s[2] for s in seen), 'the moments were not good: %s' % seen)
    b.same(b.once(argv, False), b.once(argv, True), 'after all')
    b.hit_now(argv)


def running(group):
    """The commands of the processes of a group that still run; those that ended and that nobody waited for yet (init may take seconds) do not count."""
    left = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % pid) as f:
                name, rest = f.read().split('(', 1)[1].rsplit(')', 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, pgrp = rest.split()[:3]
        if int(pgrp) == group and state not in 'ZX':
            left.append(name)
    return left


@test()
def t_killed_during_a_miss(b):
    """Killed while it compiles or stores: later all is right, and no compiler goes on."""
    sources(b)
    argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'a.o', '-MD']
    plain = b.once(argv, False)
    b.once(argv, True)
    t = time.time()
    b.fresh()
    b.run(argv, cached=True)
    span = time.time() - t
    for i in range(30):
        b.write('h.h', '#define H 1\n#define N%d\n' % i)
        plain = b.once(argv, False)
        b.reset()
        p = subprocess.Popen([common.CCHAIN] + argv, cwd=b.w, env=b.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(b.random.random() * span)
        p.kill()
        p.wait()
        for n in range(100):
            left = running(p.pid)
            if not left:
                break
            time.sleep(0.02)
        else:
            raise Fail('outlive cchain: %s' % left)
        for f in os.listdir(b.tmp):
            p = os.path.join(b.tmp, f)
            os.unlink(p) if not os.path.isdir(p) else shutil.rmtree(p)
        b.same(plain, b.once(argv, True), 'after round %d' % i)
        b.same(plain, b.hit_now(argv), 'after round %d' % i)


@test()
def t_edited_after_a_hit(b):
    """Nothing done to a delivered file reaches the cache."""
    sources(b)
    argv = [b.cc] + FLAGS + ['-g', '-c', 'a.c', '-o', 'a.o', '-MD']
    plain = b.once(argv, False)
    b.store_now(argv)
    entry = {p: open(p, 'rb').read() for p in b.blobs()}

    def in_place(name):
        with open(b.path(name), 'r+b') as f:
            f.write(b'X' * 200)

    def cut(name):
        os.truncate(b.path(name), 10)

    def append(name):
        with open(b.path(name), 'ab') as f:
            f.write(b'more')
    edits = [lambda: in_place('a.o'), lambda: cut('a.o'), lambda: append('a.o'), lambda: in_place('a.d'), lambda: cut('a.d'), lambda: append('a.d'), lambda: os.chmod(b.path('a.o'), 0o777),
             lambda: os.utime(b.path('a.o'), (0, 0))]
    for tool in (['strip', 'a.o'], ['strip', '-g', 'a.o'], ['objcopy', '--add-section', 'x=a.d', 'a.o']):
        if have(tool[0]):
            edits.append(lambda tool=tool: b.run(tool))
    for i, edit in enumerate(edits):
        for keep in (False, True):
            got = b.hit_now(argv)
            b.same(plain, got, 'edit %d' % i)
            check(os.stat(b.path('a.o')).st_nlink == 1 and os.stat(b.path('a.d')).st_nlink == 1, 'a delivered file has several names')
            edit()
            if keep:
                # Over the edited file, without removing it first.
                r = b.run(argv, cached=True)
                check(r.status == 0, 'status %s' % r.status)
                d = difference(plain.files, snapshot(b.w))
                check(not d, 'over an edited file (%d): %s' % (i, d))
        # After the compile of a miss, too.
    for p, data in entry.items():
        check(open(p, 'rb').read() == data, 'the entry changed')


@test()
def t_edited_after_a_store(b):
    sources(b)
    for i, edit in enumerate((lambda: os.truncate(b.path('a.o'), 5), lambda: b.run(['strip', 'a.o']))):
        argv = [b.cc] + FLAGS + ['-g', '-DN=%d' % i, '-c', 'a.c', '-o', 'a.o', '-MD']
        plain = b.once(argv, False)
        b.store_now(argv)
        edit()
        b.same(plain, b.hit_now(argv), 'edit %d' % i)


# ---- commands that are no plain compile -----------------------------------------------------------------------------------

@test()
def t_default_names(b):
    sources(b)
    b.write('sub/s.x.c', 'int s(void) { return 4; }\n')
    b.write('noext', 'int s(void) { return 4; }\n')
    b.write('t.i', 'int s(void) { return 4; }\n')
    for argv in (['-c', 'sub/s.x.c'], ['-c', 'sub/s.x.c', '-MD'], ['-S', 'sub/s.x.c'], ['-c', 'main.c'], ['-c', '-x', 'c', 'noext'], ['-c', 't.i'], ['-c', '-o', 'o', 'main.c'], ['-c', '-oo.o', 'main.c'],
                 ['-c', './sub/../main.c'], ['-c', 'main.c', '-o', 'sub/../x.o']):
        b.thrice([b.cc] + argv, 'hit')
    b.thrice([b.cxx, '-c', 'p.cc'], 'hit')
    b.thrice([b.cc, '-c', b.path('sub/s.x.c')], 'hit')


@test()
def t_no_plain_compile(b):
    """Passed through untouched, with a reason."""
    sources(b)
    b.write('m2.c', 'int other(void) { return 1; }\n')
    b.write('x.s', '.text\n.globl g\ng: ret\n')
    b.write('x.S', '#define A 1\n.text\n.globl g\ng: ret\n')
    for argv, reason in ((['main.c', 'm2.c', '-c', '-o', 'x.o'], 'several'), (['main.c', '-o', 'prog'], 'links'), (['main.c'], 'links'), (['-c', 'main.c', 'm2.c', '-MD', '-MF', 'x.d'], 'several'), (['-E', 'a.c'] + FLAGS, '-E'),
                         (['-E', 'a.c', '-o', 'a.i'] + FLAGS, '-E'), (['-E', '-dM', 'main.c'], None), (['-M', 'a.c'] + FLAGS, '-M'), (['-MM', 'a.c'] + FLAGS, '-MM'), (['-###', '-c', 'main.c'], '###'),
                         (['--version'], None), (['-v'], None), (['-dumpversion'], None), (['-dumpmachine'], None), (['-print-search-dirs'], None), (['-print-file-name=libc.a'], None), (['--help'], None),
                         (['-S', 'x.s', '-o', 'x.o'], 'ssembler'), (['-S', 'x.S', '-o', 'x.o'], 'ssembler'), (['-fsyntax-only', '-c', 'main.c'], None), (['-fsyntax-only', 'main.c'], None), (['-c', 'main.c', '-o', 'main.c.o', '-wrapper', 'env'], None),
                         (['-c', 'main.c', '-###', '-o', 'x.o'], None), (['-v', '-c', 'main.c', '-o', 'x.o'], None), (['-c', 'main.c', '-x', 'none', 'm2.c'], None)):
        argv = [b.cc] + argv
        if b.once(argv, False).status:
            unlike_hit(b, argv)
            continue
        b.thrice(argv, 'refused', reason, loose=r'^(prog|a\.out)$' if b.cc == 'clang' else None)
    # gcc's assembler says what it reads, clang's does not.
    b.thrice([b.cc, '-c', 'x.S', '-o', 'x.o'], 'refused' if b.cc == 'clang' else 'hit', 'ssembler' if b.cc == 'clang' else None)


@test()
def t_standard_input(b):
    sources(b)
    text = b'#include "h.h"\nint f(void) { int unused; return H; }\n'
    for argv in (['-c', '-x', 'c', '-', '-o', 'a.o'], ['-x', 'c', '-c', '-Wall', '-', '-o', 'a.o'], ['-E', '-'], ['-x', 'c', '-S', '-', '-o', '-'], ['-xc', '-c', '/dev/stdin', '-o', 'a.o']):
        b.thrice([b.cc] + argv, 'refused', stdin=text)
    # A compile that reads no input must not eat the host's.
    got = b.run(['sh', '-c', '"$@" && cat', 'sh', common.CCHAIN, b.cc, '-c', 'main.c', '-o', 'a.o'], stdin=b'rest of the input')
    check(got.out == b'rest of the input', 'standard input was eaten at a miss: %r' % got.out)
    got = b.run(['sh', '-c', '"$@" && cat', 'sh', common.CCHAIN, b.cc, '-c', 'main.c', '-o', 'a.o'], stdin=b'rest of the input')
    check(got.out == b'rest of the input', 'standard input was eaten at a hit: %r' % got.out)


@test()
def t_closed_streams(b):
    """Without stdin, stdout or stderr; onto a full device."""
    sources(b)
    for close in ('0<&-', '1>&-', '2>&-', '1>&- 2>&-', '0<&- 1>&- 2>&-', '2>/dev/full', '1>/dev/full'):
        argv = ['sh', '-c', 'exec "$@" ' + close, 'sh']
        tail = [b.cc, '-Wall', '-c', 'warn.c', '-o', 'w.o', '-MD']
        b.fresh()
        plain = b.once(argv + tail, False)
        for turn in range(3):
            got = b.once(argv + [common.CCHAIN] + tail, False)
            check(got.status == plain.status, '%s, round %d: status %s, not %s' % (close, turn + 1, got.status, plain.status)) if 'full' not in close else None
            d = difference(plain.files, got.files)
            check(not d or ('full' in close and plain.status), '%s, round %d: %s' % (close, turn + 1, d))


# ---- failures -------------------------------------------------------------------------------------------------------------

@test()
def t_failed_compiles(b):
    sources(b)
    b.write('inc.c', '#include "none.h"\n')
    b.write('err.c', '#error no\nint x;\n')
    b.write('asm.c', 'void f(void) { __asm__("no such instruction"); }\n')
    for argv in (['-c', 'bad.c', '-o', 'a.o'], ['-c', 'bad.c', '-o', 'a.o', '-MD'], ['-c', 'inc.c', '-MD'], ['-c', 'err.c', '-o', 'a.o'], ['-Wall', '-Werror', '-c', 'warn.c', '-o', 'a.o'], ['-c', 'none.c', '-o', 'a.o'],
                 ['-fno-such-option-here', '-c', 'main.c', '-o', 'a.o'], ['-c', 'asm.c', '-o', 'a.o', '-MD'], ['-c', 'main.c', '-o'], ['-c'], [], ['-Wall', '-Werror=unused-variable', '-c', 'warn.c', '-o', 'a.o', '-MD', '-MF', 'x.d'],
                 ['-fmax-errors=1', '-c', 'bad.c', '-o', 'a.o'], ['-std=c99x', '-c', 'main.c', '-o', 'a.o'], ['-DX', '-UX', '-c', 'bad.c']):
        unlike_hit(b, [b.cc] + argv)
        # With an old object standing there.
        unlike_hit(b, [b.cc] + argv, prep=lambda b: (put(b, 'a.o'), put(b, 'a.d')))


@test()
def t_failed_then_mended(b):
    sources(b)
    b.write('x.c', '#include "y.h"\nint f(void) { return Y; }\n')
    argv = [b.cc, '-c', 'x.c', '-o', 'x.o', '-MD']
    for text in (None, '#error not yet\n', '#define Y 1\n', '#define Y oops\n', '#define Y 2\n', '#define Y 1\n'):
        if text is None:
            pass
        else:
            b.write('y.h', text)
        plain = b.once(argv, False)
        for turn in range(2):
            b.same(plain, b.once(argv, True), 'y.h is %r' % text)
    b.hit_now(argv)


@test()
def t_compiler_killed_by_a_signal(b):
    sources(b)
    argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'a.o', '-MD']
    plain = b.once(argv, False)
    for sig in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
        env = {'CCHAIN_PREFIX': '%s sig %d' % (common.TOOL, sig)}
        got, d = b.delta(lambda: b.once(argv, True, env=env))
        check(got.status in (-sig, 128 + sig), 'signal %d: status %s' % (sig, got.status))
        check(d['stores'] == 0 and d['hits'] == 0, 'signal %d: %s' % (sig, d))
    for n in (1, 2, 77, 255):
        got, d = b.delta(lambda: b.once(argv, True, env={'CCHAIN_PREFIX': '%s exit %d' % (common.TOOL, n)}))
        check(got.status == n and d['stores'] == 0, 'exit status %d: %s, %s' % (n, got.status, d))
    got, d = b.delta(lambda: b.once(argv, True))
    check(d['hits'] == 0, 'a hit after failures')
    b.same(plain, got, 'after failures')
    # Through a wrapper that does nothing wrong it is stored.
    b.fresh()
    env = {'CCHAIN_PREFIX': common.TOOL + ' fine 0'}
    got, d = b.delta(lambda: b.once(argv, True, env=env))
    check(d['stores'] == 1, 'the wrapper itself keeps it from being stored: %s' % d)
    b.same(plain, got, 'by a wrapper')
    b.same(plain, b.hit_now(argv), 'by a wrapper')


def spoilt(b, argv, mode, numbers):
    plain = b.once(argv, False)
    bad = []
    for n in numbers:
        env = {'CCHAIN_PREFIX': '%s %s %d' % (common.TOOL, mode, n)}
        got, d = b.delta(lambda: b.once(argv, True, env=env))
        check(got.status == 0, '%s %d: status %s %r' % (mode, n, got.status, got.err))
        if d['stores']:
            after, e = b.delta(lambda: b.once(argv, True))
            if difference(plain.files, after.files):
                bad.append(n)
            shutil.rmtree(os.path.join(b.cache, 'compile'))
            shutil.rmtree(os.path.join(b.cache, 'inputs'))
    check(not bad, '%s: stored and served again when cut at %s' % (mode, bad))
    got, d = b.delta(lambda: b.once(argv, True))
    b.same(plain, got, 'after ' + mode)


@test()
def t_truncated_object(b):
    sources(b)
    argv = [b.cc] + FLAGS + ['-O1', '-c', 'a.c', '-o', 'a.o']
    size = len(b.once(argv, False).files['a.o'][3])
    spoilt(b, argv, 'cut', [0, 1, 3, 4, 15, 16, 17, 63, 64, 65] + list(range(100, size, 97)) + [size - 65, size - 64, size - 63, size - 2, size - 1])
    spoilt(b, argv, 'rm', [0])


@test()
def t_truncated_object_with_debug(b):
    sources(b)
    argv = [b.cxx, '-g', '-c', 'p.cc', '-o', 'a.o', '-MD', '-MF', 'x.d']
    size = len(b.once(argv, False).files['a.o'][3])
    spoilt(b, argv, 'cut', [0, 5, 64] + [n for n in (4096, 8192, 65536) if n < size] + [size // 2, size - 100, size - 1])


@test()
def t_truncated_assembly(b):
    sources(b)
    argv = [b.cc] + FLAGS + ['-S', 'a.c', '-o', 'a.s']
    spoilt(b, argv, 'cut', [0, 1, 100, -1, -30])
    spoilt(b, argv, 'rm', [0])


@test()
def t_truncated_dependency_file(b):
    sources(b)
    argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'a.o', '-MD', '-MF', 'x.d']
    text = b.once(argv, False).files['x.d'][3]
    spoilt(b, argv, 'cutdep', sorted(set([0, 1, 3, 4, 5, 6, len(text) - 1, len(text) - 2] + [m.end() for m in re.finditer(rb'\\\n|: |\.h', text)] + [m.start() for m in re.finditer(rb'\\\n', text)])))
    spoilt(b, argv, 'rmdep', [0])


@test()
def t_object_left_from_before(b):
    """A wrapper that does nothing and says 0, with an object of another compile standing there."""
    sources(b)
    argv = [b.cc] + FLAGS + ['-c', 'a.c', '-o', 'a.o']
    plain = b.once(argv, False)

    def prep(b):
        shutil.copy2(os.path.join(b.dir, 'old.o'), b.path('a.o'))
    b.run([b.cc, '-c', 'main.c', '-o', os.path.join(b.dir, 'old.o')])
    time.sleep(0.1)
    for mode in ('none', 'old'):
        got, d = b.delta(lambda: b.once(argv, True, prep, env={'CCHAIN_PREFIX': '%s %s 0' % (common.TOOL, mode)}))
        # For 'old' the bytes are right and may be stored, though their time says that they are not of this compile.
        check(d['stores'] == 0 or mode == 'old', '%s: an old object was stored: %s' % (mode, d))
        b.same(plain, b.once(argv, True), 'after ' + mode)


@test()
def t_limits(b):
    """Out of memory, of descriptors, of file size: never stored, and status and files as plain."""
    sources(b)
    big_source(b, n=60000)
    for what, values in ((resource.RLIMIT_FSIZE, (0, 1000, 20000)), (resource.RLIMIT_NOFILE, (4, 5, 6, 7, 8, 10, 12, 16)), (resource.RLIMIT_NPROC, ())):
        for n in values:
            argv = [b.cc, '-c', 'big.c', '-o', 'a.o']
            b.fresh()
            plain = b.once(argv, False, limits={what: n})
            for turn in range(2):
                got = b.once(argv, True, limits={what: n})
                where = 'limit %d of %d, round %d' % (what, n, turn + 1)
                check(got.status == plain.status, '%s: status %s, not %s: %r' % (where, got.status, plain.status, got.err[-200:]))
                # Of a signal clang prints addresses.
                check(what == resource.RLIMIT_FSIZE or b.norm(got.err) == b.norm(plain.err), '%s: stderr %r, not %r' % (where, got.err[-300:], plain.err[-300:]))
                d = difference(plain.files, got.files, loose='a.o' if plain.status else None)
                check(not d, '%s: %s' % (where, d))
            for f in os.listdir(b.tmp):
                os.unlink(os.path.join(b.tmp, f))
            whole = b.once(argv, False)
            for turn in range(2):
                b.same(whole, b.once(argv, True), 'after limit %d of %d' % (what, n))
    # The hit itself under limits: right, or the compiler runs.
    b.fresh()
    argv = [b.cc, '-Wall', '-c', 'warn.c', '-o', 'a.o', '-MD']
    b.store_now(argv)
    for what, values in ((resource.RLIMIT_NOFILE, (3, 4, 5, 6, 7, 8, 9, 10)), (resource.RLIMIT_FSIZE, (0, 100, 1000))):
        for n in values:
            plain = b.once(argv, False, limits={what: n})
            got = b.once(argv, True, limits={what: n})
            ok = got.status == plain.status and not difference(plain.files, got.files, loose='a.o' if plain.status else None)
            # A hit needs less than a compile.
            whole = b.once(argv, False)
            check(ok or (got.status == 0 and not difference(whole.files, got.files)), 'a hit under limit %d of %d: status %s, plain %s; %s' % (what, n, got.status, plain.status, difference(plain.files, got.files)))
    for f in os.listdir(b.tmp):
        os.unlink(os.path.join(b.tmp, f))


# ---- make and ninja -------------------------------------------------------------------------------------------------------

def build_twice(b, command, nothing):
    for n in range(4):
        b.write('s%d.c' % n, '#include "h.h"\n#include "g.h"\nint f%d(void) { int unused; return H + G + %d; }\n' % (n, n))
    b.write('h.h', '#define H 1\n')

    def build(**env):
        r = b.run(command, env=env)
        check(r.status == 0, 'the build fails: %r %r' % (r.out[-500:], r.err[-500:]))
        return r.out

    def clean():
        b.reset()
    build()
    plain = snapshot(b.w)
    again = build()
    check(re.search(nothing, again), 'the test proves nothing: %r' % again)
    objects = {n: f for n, f in plain.items() if n.endswith('.o') or n.endswith('.d') or n == 'lib.a'}
    for turn in range(2):
        clean()
        out, d = b.delta(lambda: build(CC='%s %s' % (common.CCHAIN, b.cc)))
        check(d['hits'] == (4 if turn else 0), 'round %d: %s' % (turn + 1, d))
        got = {n: f for n, f in snapshot(b.w).items() if n in objects}
        bad = difference(objects, got)
        check(not bad, 'round %d: %s' % (turn + 1, bad))
        newest = max(os.stat(b.path(n)).st_mtime for n in ('h.h', 'g.h', 's0.c'))
        for n in objects:
            check(os.stat(b.path(n)).st_mtime >= newest, n + ' is older than what it is made of')
        again = build(CC='%s %s' % (common.CCHAIN, b.cc))
        check(re.search(nothing, again), 'a build after round %d does something: %r' % (turn + 1, again[-500:]))
    # A header that changes back and forth: hits, and each time all that depends on it is built.
    for h in ('2', '1', '2'):
        b.write('h.h', '#define H %s\n' % h, old=False)
        out, d = b.delta(lambda: build(CC='%s %s' % (common.CCHAIN, b.cc)))
        check(d['hits'] + d['misses'] == 4, 'a header changed and %s' % d)
        again = build(CC='%s %s' % (common.CCHAIN, b.cc))
        check(re.search(nothing, again), 'H is %s: a second build does something: %r' % (h, again[-500:]))
        want = os.path.join(b.dir, 'want.o')
        b.run([b.cc, '-Wall', '-MMD', '-MF', '/dev/null', '-c', 's0.c', '-o', want])
        check(open(want, 'rb').read() == b.read('s0.o'), 'H is %s: a wrong object' % h)
    # A header that is generated in the build, unchanged.
    clean()
    build(CC='%s %s' % (common.CCHAIN, b.cc))
    os.utime(b.path('h.h'))
    build(CC='%s %s' % (common.CCHAIN, b.cc))
    again = build(CC='%s %s' % (common.CCHAIN, b.cc))
    check(re.search(nothing, again), 'after a touch: %r' % again[-500:])


@test()
def t_make(b):
    if not have('make'):
        raise Skip('no make')
    b.write('Makefile', 'CC ?= %s\nOBJ = s0.o s1.o s2.o s3.o\nlib.a: $(OBJ)\n\trm -f $@ && ar rcD $@ $^\n%%.o: %%.c g.h\n\t$(CC) -Wall -MMD -c $< -o $@\n-include $(OBJ:.o=.d)\ng.h:\n\techo "#define G 5" > g.h\n' % b.cc)
    b.env['CC'] = b.cc
    build_twice(b, ['make', '-j2'], rb"up to date|Nothing to be done")


@test()
def t_ninja(b):
    if not have('ninja'):
        raise Skip('no ninja')
    edges = ''.join('build s%d.o: cc s%d.c || g.h\n' % (n, n) for n in range(4))
    for style in ('  deps = gcc\n', ''):
        b.write('build.ninja', 'rule cc\n  command = $${CC:-%s} -Wall -MMD -MF $out.d -c $in -o $out\n  depfile = $out.d\n%srule gen\n  command = echo "#define G 5" > $out\nbuild g.h: gen\n%s' % (b.cc, style, edges) +
                'rule ar\n  command = rm -f $out && ar rcD $out $in\nbuild lib.a: ar s0.o s1.o s2.o s3.o\n')
        b.fresh()
        b.reset()
        if style:
            # ninja removes the dependency files that it has read.
            build_twice(b, ['ninja', '-j2'], rb'no work to do')
        else:
            b.write('h.h', '#define H 1\n')
            build_twice(b, ['ninja', '-j2'], rb'no work to do')


# Much alike for both compilers, and long.
common.NOT_CORE = {'killed_during_a_miss (clang)', 'beside_the_object (clang)', 'side_other_kinds (clang)', 'side_coverage (clang)', 'terminal (clang)', 'killed_during_a_hit (clang)', 'limits (clang)', 'failed_compiles (clang)', 'no_plain_compile (clang)', 'truncated_object_with_debug (clang)',
                   'side_dumps (clang)', 'closed_streams (clang)', 'deps_odd_combinations (clang)', 'terminal_cxx (clang)', 'terminal_in_part (clang)'}
if __name__ == '__main__':
    common.main()
