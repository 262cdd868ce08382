#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inputs that are easy to forget: each row of that table does the thing with real compilers, through `cchain`.

  inputs.py [--core] [--list] [--keep] [-v] [NAME…]      --core: what `make test` runs: each row, one mode

A test compiles (a miss that is stored), compiles again (a hit, or the test proves nothing), makes the change and compiles: that must
equal what the plain compiler gives now, in its object, dependency file, both streams and exit status.
"""
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import MODES, RIPE, Box, Suite, check, skip  # noqa: E402

suite = Suite(__doc__)
test = suite.test
GCC, CLANG = ('gcc',), ('clang',)
SRC = '#include "h.h"\nint f(void) { return H; }\n'
C = ('-c', 'a.c', '-o', 'a.o')
CD = ('-MD', '-MF', 'a.d') + C


def header(n):
    return '#define H %d\n' % n


# ---- names that were absent

def shadow(b, args, late, setup=(), text=header(22), source=SRC, reason=r'appeared|absent', back=True):
    b.write('a.c', source)
    for name, t in setup:
        b.write(name, t)
    yield
    b.proven(*args)
    b.write(late, text)
    b.fresh(*args, reason=reason if b.direct else None)
    yield
    b.fresh_or_hit(*args)
    b.remove(late)
    (b.hit if back else b.same)(*args)  # as it was: found again


def fresh_or_hit(self, *argv, **kw):
    return self.same(*argv, **kw)


Box.fresh_or_hit = fresh_or_hit


@test(modes=MODES)
def header_shadowed_in_earlier_I(b):
    os.makedirs(b.path('one'))
    yield from shadow(b, (b.cc, '-Ione', '-Itwo', *CD), 'one/h.h', [('two/h.h', header(11))])


@test(core=False)
def header_shadowed_without_dependency_option(b):
    os.makedirs(b.path('one'))
    yield from shadow(b, (b.cc, '-Ione', '-Itwo', *C), 'one/h.h', [('two/h.h', header(11))])


@test()
def header_shadowed_under_MMD(b):
    os.makedirs(b.path('one'))
    yield from shadow(b, (b.cc, '-MMD', '-Ione', '-isystem', 'two', *C), 'one/h.h', [('two/h.h', header(11))])


@test(core=False)
def header_shadowed_in_cxx(b):
    os.makedirs(b.path('one'))
    b.write('a.cc', SRC)
    yield from shadow(b, (b.cxx, '-Ione', '-Itwo', '-c', 'a.cc', '-o', 'a.o'), 'one/h.h', [('two/h.h', header(11))])


@test()
def header_shadowed_beside_source(b):
    yield from shadow(b, (b.cc, '-Itwo', *C), 'h.h', [('two/h.h', header(11))])


@test()
def header_shadowed_by_new_subdirectory(b):
    os.makedirs(b.path('one'))
    yield from shadow(b, (b.cc, '-Ione', '-Itwo', *C), 'one/sub/deep/h.h', [('two/sub/deep/h.h', header(11))],
                      source=SRC.replace('h.h', 'sub/deep/h.h'))


@test(core=False)
def header_shadowed_beside_another_header(b):
    yield from shadow(b, (b.cc, '-Itwo', '-Ithree', *C), 'two/g.h', [('two/h.h', '#include "g.h"\n'), ('three/g.h', header(11))])


@test(core=False)
def header_of_the_system_shadowed(b):
    os.makedirs(b.path('one'))
    yield from shadow(b, (b.cc, '-isystem', 'one', *C), 'one/limits.h', text='#define INT_MAX 22\n',
                      source='#include <limits.h>\nint f(void) { return INT_MAX; }\n')


@test()
def header_shadowed_for_include_next(b):
    os.makedirs(b.path('two'))
    yield from shadow(b, (b.cc, '-Ione', '-Itwo', '-Ithree', *C), 'two/h.h', [('one/h.h', '#include_next <h.h>\n'), ('three/h.h', header(11))],
                      source=SRC.replace('"h.h"', '<h.h>'))


@test(core=False)
def header_shadowed_for_forced_include(b):
    yield from shadow(b, (b.cc, '-include', 'h.h', '-Itwo', *C), 'h.h', [('two/h.h', header(11))], source='int f(void) { return H; }\n')


@test(modes=MODES)
def I_directory_appears(b):
    yield from shadow(b, (b.cc, '-Ione', '-Itwo', *CD), 'one/h.h', [('two/h.h', header(11))], reason=r'/one.* appeared',
                      back=False)  # the directory stays


@test(core=False)
def I_directory_that_is_a_file_becomes_one(b):
    b.write('a.c', SRC)
    b.write('one', 'no directory\n')
    b.write('two/h.h', header(11))
    args = (b.cc, '-Ione', '-Itwo', *C)
    yield
    b.proven(*args)
    b.remove('one')
    b.write('one/h.h', header(22))
    b.fresh(*args)


HAS = '#if %s\n#include <opt.h>\nint f(void) { return OPT; }\n#else\nint f(void) { return 1; }\n#endif\n'


def has(b, expr, prefix='', before=(), refusal=None, args=None, late='inc/opt.h'):
    """Absent, present, deleted again. With `refusal` a refusal by that reason is as good."""
    b.write('a.c', prefix + HAS % expr)
    os.makedirs(b.path('inc'), exist_ok=True)
    args = args or (b.cc, '-Iinc', *C)
    yield
    for there in (False, True, False):
        if there:
            b.write(late, '#define OPT 5\n')
        elif os.path.exists(b.path(late)):
            b.remove(late)
        v = b.same(*args)
        if v.uncacheable and refusal:
            check(any(re.search(refusal, r) for r in v.reasons), 'the reason should name /%s/: %s' % (refusal, v))
            continue
        yield
        v = b.same(*args)
        v = b.same(*args)
        check(v.hit, 'no hit: %s' % v)


@test(modes=MODES)
def has_include_absent_present_deleted(b):
    yield from has(b, '__has_include(<opt.h>)')


@test(core=False)
def has_include_quoted(b):
    yield from has(b, '__has_include ( "opt.h" ) && 1')


@test(core=False)
def has_include_defined_by_the_command(b):
    yield from has(b, 'HI(<opt.h>)', args=(b.cc, '-Iinc', '-DHI(x)=__has_include(x)', *C), refusal='has_include|HI')


@test(core=False)
def has_include_alias_by_the_command(b):
    yield from has(b, 'HI(<opt.h>)', args=(b.cc, '-Iinc', '-DHI=__has_include', *C), refusal='has_include|HI')


@test(core=False)
def has_include_operand_by_the_command(b):
    yield from has(b, '__has_include(NAME)', args=(b.cc, '-Iinc', '-DNAME=<opt.h>', *C), refusal='has_include')


@test()
def has_include_alias(b):
    yield from has(b, 'HI(<opt.h>)', prefix='#define HI __has_include\n', refusal='has_include|HI')


@test(core=False)
def has_include_alias_with_parameter(b):
    yield from has(b, 'HI(opt.h)', prefix='#define HI(x) __has_include(<x>)\n', refusal='has_include|HI')


@test()
def has_include_macro_operand(b):
    yield from has(b, '__has_include(NAME)', prefix='#define NAME <opt.h>\n', refusal='has_include')


@test(core=False)
def has_include_spliced(b):
    yield from has(b, '__has_inc\\\nlude(<opt.h>)')


@test(core=False)
def has_include_in_elif(b):
    yield from has(b, '0\n#elif /* x */ defined __has_include && __has_include(<opt.h>)')


@test()
def has_include_next_test(b):
    b.write('inc0/w.h', '#if __has_include_next(<w.h>)\n#define W 1\n#else\n#define W 0\n#endif\n')
    b.write('a.c', '#include <w.h>\nint f(void) { return W; }\n')
    os.makedirs(b.path('inc1'))
    args = (b.cc, '-Iinc0', '-Iinc1', *C)
    yield
    b.proven(*args)
    b.write('inc1/w.h', '')
    b.fresh(*args)
    yield
    b.same(*args)
    b.hit(*args)
    b.remove('inc1/w.h')
    b.same(*args)


@test()
def include_next_in_the_quote_chain(b):
    """#include_next <w.h> in a file that an -iquote folder gave goes on with the next -iquote folder, though it is spelled with <>."""
    b.write('q0/w.h', '#define W 1\n#if __has_include_next(<w.h>)\n#include_next <w.h>\n#endif\n')
    b.write('q0/v.h', '#include_next <v.h>\n')
    b.write('inc/v.h', '#define V 1\n')
    b.write('a.c', '#include "w.h"\n#include "v.h"\nint f(void) { return W + V; }\n')
    os.makedirs(b.path('q1'))
    args = (b.cc, '-iquote', 'q0', '-Iinc', '-iquote', 'q1', *CD)
    yield
    b.proven(*args)
    b.write('q1/w.h', '#undef W\n#define W 2\n')
    b.fresh(*args, reason='q1/w.h.* appeared')
    yield
    b.same(*args)
    b.hit(*args)
    b.write('q1/v.h', '#define V 2\n')
    b.fresh(*args, reason='q1/v.h.* appeared')


@test()
def has_include_of_file_that_is_deleted(b):
    """gcc's dependency file does not name it."""
    b.write('inc/opt.h', '#error never read\n')
    b.write('a.c', '#if __has_include(<opt.h>)\nint f(void) { return 1; }\n#else\nint f(void) { return 2; }\n#endif\n')
    args = (b.cc, '-Iinc', *CD)
    yield
    b.proven(*args)
    b.remove('inc/opt.h')
    b.fresh(*args, reason='opt.h')


@test()
def existence_test_in_a_dead_branch_of_a_header(b):
    b.write('inc/h.h', '#ifdef NO\n#if __has_include(<opt.h>)\n#endif\n#include "gone.h"\n#endif\n' + header(3))
    b.write('a.c', SRC)
    args = (b.cc, '-Iinc', *C)
    yield
    b.proven(*args)
    b.write('inc/gone.h', '#error x\n')
    b.same(*args)


@test()
def include_of_a_directory_in_a_dead_branch(b):
    for n in ('sub/', '/', '.', '..', 'sub/.', 'sub//', '//'):
        b.write('a.c', '#ifdef NEVER\n#include "%s"\n#include <%s>\n#endif\n#if __has_include("%s")\nint y;\n#endif\n#include "sub/h.h"\nint x = H;\n' % (n, n, n))
        b.write('sub/h.h', header(11))
        v = b.same(b.cc, '-I.', *CD)
        check(not v.hit, 'a hit of what is new: %s' % n)
        b.same(b.cc, '-I.', *CD, what='again, ' + n)


# ---- #include of a macro: what any text could define it to, is looked for

COMPUTED = '#ifdef NEVER\n#include NEVER\n#endif\n#include CONFIG\nint x = H;\n'


@test()
def macro_include_of_a_string(b):
    os.makedirs(b.path('one'))
    b.write('cfg.h', '#define CONFIG "h.h"\n')
    yield from shadow(b, (b.cc, '-Ione', '-Itwo', *CD), 'one/h.h', [('two/h.h', header(11))], source='#include "cfg.h"\n' + COMPUTED)
    b.write('cfg.h', '#define CONFIG "g.h"\n')
    b.write('two/g.h', header(33))
    b.fresh(b.cc, '-Ione', '-Itwo', *CD)


@test()
def macro_include_by_way_of_another_macro_and_a_definition(b):
    os.makedirs(b.path('one'))
    args = (b.cc, '-DBASE=<sub/h.h>', '-Ione', '-Itwo', *CD)
    yield from shadow(b, args, 'one/sub/h.h', [('two/sub/h.h', header(11)), ('cfg.h', '#define CONFIG BASE\n')], source='#include "cfg.h"\n' + COMPUTED)
    b.fresh(b.cc, '-DBASE="../two/sub/h.h"', '-Ione', '-Itwo', *CD)


@test()
def macro_include_defined_in_a_file_that_a_macro_leads_to(b):
    b.write('next.h', '#undef CONFIG\n#define CONFIG "h.h"\n')
    yield from shadow(b, (b.cc, '-Ione', '-Itwo', *CD), 'one/h.h', [('two/h.h', header(11)), ('one/other.h', '')],
                      source='#define CONFIG "next.h"\n#include CONFIG\n' + COMPUTED)


@test()
def macro_include_whose_words_are_macros(b):
    b.write('a.c', '#define CONFIG <sub/h.h>\n' + COMPUTED)
    b.write('sub/h.h', header(11))
    b.write('top/h.h', header(22))
    b.write('def.h', '#define sub top\n')
    yield
    b.proven(b.cc, '-I.', *CD)
    b.refused(b.cc, '-I.', '-include', 'def.h', *CD, reason='sub in <sub/h.h> is a macro')


# Definitions that a reader of the text could overlook: with one missed, h.h is known by another directive and the place where it was not found is not.
OVERLOOKED = {
    'behind_Xpreprocessor': ('#include CONFIG\n', ('-Xpreprocessor', '-DA', '-Xpreprocessor', '-DCONFIG=<h.h>')),
    'second_word_of_Wp': ('#include CONFIG\n', ('-Wp,-DA,-DCONFIG=<h.h>',)),
    'definition_joined_by_a_trigraph': ('#define ??/\nCONFIG <h.h>\n#include CONFIG\n', ('-std=c99',)),
    'word_beyond_ascii': ('#define \u00e9 h\n#define CONFIG <\u00e9.h>\n#include CONFIG\n', ()),
    'name_in_another_spelling': ('#define CONFIG\\u00e9 <h.h>\n#include CONFIG\u00e9\n', ()),
    'word_of_the_compiler': ('#define CONFIG <_LP64.h>\n#include CONFIG\n', ()),
}


def overlooked_test(source, flags):
    def run(b):
        os.makedirs(b.path('one'))
        args = (b.cc, '-w', *flags, '-Ione', '-Itwo', *CD)
        b.write('two/h.h', header(11))
        b.write('two/1.h', header(11))
        b.write('a.c', '#if 0\n#include "two/h.h"\n#include "two/1.h"\n#endif\n' + source + 'int x = H;\n')
        yield
        b.same(*args)
        b.same(*args)
        b.write('one/h.h', header(22))
        b.write('one/1.h', header(22))
        b.fresh(*args)
    return run


for _name, (_source, _flags) in OVERLOOKED.items():
    test(name='macro_include_by_' + _name, core=_name == 'second_word_of_Wp')(overlooked_test(_source, _flags))


@test()
def macro_import_of_equal_files(b):
    """What #pragma once is to gcc: equal contents and times are one file."""
    b.write('a.c', '#define P(x) int v##x;\n#define N(x) P(x)\n#define A "x.h"\n#define B "y.h"\n#import A\n#import B\n')
    times = (time.time_ns() - 3600 * 10**9,) * 2
    for name in ('x.h', 'y.h'):
        b.write(name, 'N(__COUNTER__)\n', times)
    args = (b.cc, '-w', *CD)
    yield
    b.same(*args)
    b.same(*args)
    os.utime(b.path('y.h'), (time.time() - 1800,) * 2)
    b.same(*args, what='times that differ')


@test()
def macro_include_that_cannot_be_told(b):
    b.write('h.h', header(11))
    for i, text in enumerate(('#define F(x) x\n#define CONFIG F("h.h")\n', '#define NAME(x) #x\n#define CONFIG NAME(h.h)\n', '#define CONFIG(x) "h.h"\n')):
        b.write('a.c', text + COMPUTED.replace('#include CONFIG', '#include CONFIG(1)' if i == 2 else '#include CONFIG'))
        b.refused(b.cc, *CD, reason='#include of a macro')


# ---- files that change

@test(modes=MODES)
def header_of_the_same_size_and_mtime(b):
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    args = (b.cc, *CD)
    yield
    b.proven(*args)
    b.rewrite('h.h', header(22))
    b.fresh(*args)
    yield
    b.same(*args)
    b.hit(*args)
    b.rewrite('h.h', header(33))  # ripe when it was remembered
    b.fresh(*args)


@test()
def header_exchanged_with_the_same_size_and_mtime(b):
    b.write('a.c', SRC)
    when = (time.time_ns() - 10**13,) * 2
    b.write('h.h', header(11), when)
    args = (b.cc, *CD)
    yield
    b.proven(*args)
    b.write('h.h', header(22), when)
    b.fresh(*args)
    b.write('h.h', header(33), when)  # at once: within the clock's grain
    b.fresh(*args)
    b.rewrite('h.h', header(44))
    b.fresh(*args)


@test(core=False)
def header_changes_in_quick_succession(b):
    """No file is older than 2 s: each look must read it."""
    b.write('a.c', SRC)
    args = (b.cc, *CD)
    for i in range(10, 22):
        b.write('h.h', header(i))
        b.stored(*args)
        b.hit(*args)
    for i in range(30, 36):
        b.rewrite('h.h', header(i))
        b.fresh(*args)


@test(modes=MODES)
def source_of_the_same_size_and_mtime(b):
    b.write('a.c', 'int f(void) { return 11; }\n')
    args = (b.cc, *C)
    yield
    b.proven(*args)
    b.rewrite('a.c', 'int f(void) { return 22; }\n')
    b.fresh(*args)


@test()
def header_that_is_touched_only(b):
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    args = (b.cc, *CD)
    yield
    b.proven(*args)
    os.utime(b.path('h.h'))
    b.hit(*args)


@test()
def no_system_headers_under_MMD(b):
    """With -nostdinc the list is whole, unless a header says that it is one of the system: what is in dead branches does not count."""
    if b.cc != 'gcc':
        skip('clang is always asked for all')
    os.mkdir(b.path('inc'))
    b.write('a.c', '#include <h.h>\n#ifdef NO\n#include <dead.h>\n#endif\nint f(void) { return H; }\n')
    b.write('inc/h.h', header(11))
    b.write('inc/dead.h', '#include F(x)\nconst char *s = __DATE__;\n')
    args = ('gcc', '-nostdinc', '-MMD', '-Iinc', *C)
    yield
    b.proven(*args)
    b.rewrite('inc/h.h', '#include <i.h>\n')
    b.write('inc/i.h', header(22))
    b.fresh(*args)
    # Now i.h is on no list.
    for text in ('#pragma GCC system_header\n', '# 1 "inc/h.h" 3\n', '#define P(x) _Pragma(#x)\nP(GCC system_header)\n'):
        b.rewrite('inc/dead.h', '/* nothing */\n')
        b.rewrite('inc/h.h', text + '#include <i.h>\n')
        b.rewrite('inc/i.h', header(33))
        b.same(*args)
        b.same(*args)
        b.rewrite('inc/i.h', header(44))
        b.fresh(*args)


@test()
def header_of_the_system_in_a_user_directory_under_MMD(b):
    """-MMD does not list what `#pragma GCC system_header` makes a system header."""
    b.write('a.c', '#include "h.h"\n#include <s.h>\nint f(void) { return H + S; }\n')
    b.write('h.h', '#pragma GCC system_header\n' + header(11))
    b.write('sys/s.h', '#include "t.h"\n')
    b.write('sys/t.h', '#define S 1\n')
    args = (b.cc, '-MMD', '-isystem', 'sys', *C)
    yield
    v = b.same(*args)
    if not v.uncacheable:
        b.hit(*args)
    b.rewrite('h.h', header(22))
    b.fresh(*args)
    b.rewrite('sys/t.h', '#define S 2\n')
    b.fresh(*args)


MEDDLER = r'''
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
  char *s;
  if ((s = getenv("MEDDLE_BEFORE")) && system(s)) return 99;
  pid_t p = fork();
  if (!p) { execvp(argv[1], argv + 1); _exit(98); }
  int status = 0;
  waitpid(p, &status, 0);
  if ((s = getenv("MEDDLE_AFTER")) && system(s)) return 97;
  return WEXITSTATUS(status);
}
'''


def meddled(b, args, before=None, after=None, what=''):
    """A compile with these commands run right before it and right after it, between lookup and store."""
    meddler = b.root + '/meddler'
    if not os.path.exists(meddler):
        b.program(meddler, MEDDLER)
    env = {'CCHAIN_PREFIX': meddler}
    if before:
        env['MEDDLE_BEFORE'] = before
    if after:
        env['MEDDLE_AFTER'] = after
    r, v = b.cached(*args, env=env)
    check(r.status == 0, 'the compile fails: %r' % r.err)
    check(not v.hit, 'a hit where there should be none')
    check(not v.stored, 'WRONG STORE: %sits inputs changed meanwhile: %s' % (what and what + ': ', v))
    check(any('chang' in x or 'vanish' in x or 'appear' in x or 'read' in x for x in v.reasons), 'the reason should name a change: %s' % v)
    return v


def during(b, args, before=None, after=None):
    """Nothing must be stored by a meddled compile, in no mode; the compiles after it are right."""
    yield
    try:
        meddled(b, args, before, after)
    finally:
        # Whatever the statistics said: what is delivered afterwards counts most.
        b.same(*args, what='after the meddled compile')
    b.same(*args)


@test(modes=MODES)
def header_changes_before_the_compiler_reads_it(b):
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    yield from during(b, (b.cc, *CD), "printf '#define H 22\\n' > h.h")


@test(modes=MODES)
def header_changes_after_the_compiler_has_read_it(b):
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    yield from during(b, (b.cc, *CD), None, "printf '#define H 22\\n' > h.h")


@test(modes=MODES)
def header_changes_for_the_compile_only(b):
    """The file is as it was afterwards, its mtime too: only the ctime tells."""
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    yield from during(b, (b.cc, *CD), "cp -p h.h keep; printf '#define H 22\\n' > h.h", 'cat keep > h.h; touch -r keep h.h; rm keep')


@test(modes=MODES, core=False)
def header_is_another_file_for_the_compile_only(b):
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    yield from during(b, (b.cc, *CD), "mv h.h keep; printf '#define H 22\\n' > h.h", 'mv keep h.h')


@test(modes=MODES)
def source_changes_during_the_compile(b):
    b.write('a.c', 'int f(void) { return 11; }\n')
    yield from during(b, (b.cc, *C), "printf 'int f(void) { return 22; }\\n' > a.c")


@test(modes=MODES)
def source_changes_for_the_compile_only(b):
    b.write('a.c', 'int f(void) { return 11; }\n')
    yield from during(b, (b.cc, *C), "cp -p a.c keep; printf 'int f(void) { return 22; }\\n' > a.c", 'cat keep > a.c; touch -r keep a.c; rm keep')


@test(modes=MODES)
def header_appears_earlier_during_the_compile(b):
    b.write('a.c', SRC)
    b.write('two/h.h', header(11))
    os.makedirs(b.path('one'))
    yield from during(b, (b.cc, '-Ione', '-Itwo', *CD), "printf '#define H 22\\n' > one/h.h")


@test(modes=MODES)
def header_appears_earlier_for_the_compile_only(b):
    b.write('a.c', SRC)
    b.write('two/h.h', header(11))
    os.makedirs(b.path('one'))
    yield from during(b, (b.cc, '-Ione', '-Itwo', *CD), "printf '#define H 22\\n' > one/h.h", 'rm one/h.h')


@test(modes=MODES)
def tested_header_appears_for_the_compile_only(b):
    """In the folder of the object, which changes by itself: what goes later than a tick of the clock after the object came is seen (DESIGN.md)."""
    b.write('a.c', '#if __has_include("opt.h")\nint f(void) { return 22; }\n#else\nint f(void) { return 11; }\n#endif\n')
    yield from during(b, (b.cc, *C), 'touch opt.h', 'sleep 0.02; rm opt.h')


@test(modes=MODES)
def tested_header_appears_elsewhere_for_the_compile_only(b):
    """In any other folder it is always seen."""
    os.makedirs(b.path('inc'))
    b.write('a.c', '#if __has_include(<opt.h>)\nint f(void) { return 22; }\n#else\nint f(void) { return 11; }\n#endif\n')
    yield from during(b, (b.cc, '-Iinc', *C), 'touch inc/opt.h', 'rm inc/opt.h')


@test(modes=MODES)
def objects_of_others_come_meanwhile(b):
    """What a parallel build writes beside our object, at once or by a temporary name, is no reason not to store."""
    b.write('a.c', '#if __has_include("opt.h")\nint f(void) { return 22; }\n#else\nint f(void) { return 11; }\n#endif\n')
    b.write('b.c', 'int g;\n')
    yield
    for n, after in enumerate(('%s -c b.c -o b.o' % b.cc, 'touch b.tmp; sleep 0.02; mv b.tmp b.o')):
        os.path.exists(b.path('b.o')) and b.remove('b.o')
        b.write('a.c', open(b.path('a.c')).read() + 'int x%d;\n' % n)
        meddler = b.root + '/meddler'
        os.path.exists(meddler) or b.program(meddler, MEDDLER)
        r, v = b.cached(b.cc, *C, env={'CCHAIN_PREFIX': meddler, 'MEDDLE_AFTER': 'sleep 0.02; ' + after})
        check(v.stored, '%s: not stored: %s' % (after, v))
        b.hit(b.cc, *C)


@test(modes=MODES)
def files_of_others_come_elsewhere_meanwhile(b):
    """A folder on the search path that a parallel build writes to: what nobody looked for is no reason not to store; what was looked for is, even if it came
    and went and something else came after it."""
    os.makedirs(b.path('inc'))
    b.write('a.c', '#include <h.h>\n#if __has_include(<opt.h>) || __has_include(<sub/opt2.h>)\nint f(void) { return 22; }\n#else\nint f(void) { return H; }\n#endif\n')
    b.write('other/h.h', header(11))
    b.write('out/keep')
    args = (b.cc, '-Iinc', '-Iother', '-c', 'a.c', '-o', 'out/a.o')
    yield
    meddler = b.program(b.root + '/meddler', MEDDLER)
    for n, name in enumerate(('opt.h', 'h.h', 'sub', 'h.h.gch', None)):
        b.write('a.c', open(b.path('a.c')).read() + 'int x%d;\n' % n)
        os.path.exists(b.path('inc/new.h')) and os.unlink(b.path('inc/new.h'))
        coming = 'mkdir inc/sub' if name == 'sub' else 'touch inc/%s' % name if name else 'touch inc/new.tmp'
        going = 'rm -r inc/%s; ' % name if name else 'rm inc/new.tmp; '
        if name == 'h.h':
            coming = "printf '#define H 22\\n' > inc/h.h"
        if name == 'h.h.gch' and b.cc != 'gcc':
            continue
        r, v = b.cached(*args, env={'CCHAIN_PREFIX': meddler, 'MEDDLE_BEFORE': coming, 'MEDDLE_AFTER': going + 'touch inc/new.h; sleep 0.02'})
        if name:
            check(not v.stored, 'WRONG STORE: %s came and went: %s' % (name, v))
            check(any('inc changed during the compile' in x for x in v.reasons), 'the reason should name the folder: %s' % v)
            b.same(*args, what=name)
        else:
            check(v.stored, 'not stored: %s' % v)
            b.hit(*args)


@test(modes=MODES)
def tested_header_is_absent_for_the_compile_only(b):
    b.write('opt.h')
    b.write('a.c', '#if __has_include("opt.h")\nint f(void) { return 22; }\n#else\nint f(void) { return 11; }\n#endif\n')
    yield from during(b, (b.cc, *C), 'mv opt.h keep', 'mv keep opt.h')


@test(modes=MODES)
def directory_swapped_by_rename_during_the_compile(b):
    b.write('a.c', SRC)
    b.write('inc/h.h', header(11))
    b.write('other/h.h', header(22))
    yield from during(b, (b.cc, '-Iinc', *CD), 'mv inc keep; mv other inc', 'mv inc other; mv keep inc')


@test(modes=MODES, core=False)
def parent_directory_swapped_by_rename_during_the_compile(b):
    b.write('a.c', SRC)
    b.write('top/x/inc/h.h', header(11))
    b.write('pot/x/inc/h.h', header(22))
    yield from during(b, (b.cc, '-Itop/x/inc', *CD), 'mv top keep; mv pot top', 'mv top pot; mv keep top')


@test(modes=MODES)
def link_flipped_during_the_compile(b):
    b.write('a.c', SRC)
    b.write('v1/h.h', header(11))
    b.write('v2/h.h', header(22))
    b.link('current', 'v1')
    yield from during(b, (b.cc, '-Icurrent', *C), 'ln -sfn v2 current', 'ln -sfn v1 current')


@test(modes=MODES, core=False)
def link_to_a_header_flipped_during_the_compile(b):
    b.write('a.c', SRC)
    b.write('h1.h', header(11))
    b.write('h2.h', header(22))
    b.link('h.h', 'h1.h')
    yield from during(b, (b.cc, *C), 'ln -sf h2.h h.h', 'ln -sf h1.h h.h')


@test(modes=MODES)
def source_in_a_directory_swapped_during_the_compile(b):
    b.write('s/a.c', 'int f(void) { return 11; }\n')
    b.write('t/a.c', 'int f(void) { return 22; }\n')
    yield from during(b, (b.cc, '-c', 's/a.c', '-o', 'a.o'), 'mv s keep; mv t s', 'mv s t; mv keep s')


@test()
def response_file_changes_during_the_compile(b):
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('r.rsp', '-DH=11')
    args = (b.cc, '@r.rsp', *C)
    yield
    r, v = b.cached(*args, env={'CCHAIN_PREFIX': b.program(b.root + '/meddler', MEDDLER), 'MEDDLE_BEFORE': "printf -- '-DH=22' > r.rsp"})
    check(r.status == 0, repr(r.err))
    b.write('r.rsp', '-DH=11')
    b.same(*args)
    b.same(*args)


@test()
def compiler_changes_during_the_compile(b):
    if not b.gcc:
        skip('clang has no program of its own that could be changed quickly; its library is in compiler_upgraded_in_place')
    b.write('a.c', 'int f(void) { return 11; }\n')
    fake_as(b, 'tools/as', 'yes')
    fake_as(b, 'as2', 'no')
    args = (b.cc, '-Btools/', *C)
    yield from during(b, args, 'cp -p tools/as keep; cp as2 tools/as.n; mv tools/as.n tools/as', None)


# ---- dates

CAT = '#define CAT_(a, b) a##b\n#define CAT(a, b) CAT_(a, b)\n'
DATES = {
    'date_in_source': ('const char *s = __DATE__;\n', ()),
    'time_in_source': ('const char *s = "x" __TIME__;\n', ()),
    'timestamp_in_source': ('const char *s = __TIMESTAMP__;\n', ()),
    'date_in_header': ('#include "h.h"\nconst char *s = WHEN;\n', (), '#define WHEN __DATE__ " " __TIME__\n'),
    'date_spliced': ('const char *s = __DA\\\nTE__;\n', ()),
    'date_spliced_by_trigraph': ('const char *s = __DA??/\nTE__;\n', ('-std=c99',)),
    'time_pasted': (CAT + 'const char *s = CAT(__TI,ME__);\n', ()),
    'date_pasted_of_three': (CAT + 'const char *s = CAT(CAT(_,_DA),TE__);\n', ()),
    'date_pasted_in_the_middle': ('#define W(x) __##x##__\nconst char *s = W(DATE);\n', ()),
    'date_pasted_by_words': ('#define A __DA\n#define B TE__\n' + CAT + 'const char *s = CAT(A, B);\n', ()),
    'date_pasted_over_two_files': ('#include "h.h"\n#define B TE__\n' + CAT + 'const char *s = CAT(A, B);\n', (), '#define A __DA\n'),
    'date_pasted_by_digraph': ('%:define P(a, b) a%:%:b\nconst char *s = P(__DATE, __);\n', ()),
    'date_pasted_of_one_letter': ('#define P(a,b,c,d) a##b##c##d\nconst char *s = P(__, D, ATE, __);\n', ()),
    'date_in_define_of_the_command': ('const char *s = WHEN;\n', ('-DWHEN=__DATE__',)),
    'timestamp_in_define_of_the_command': ('const char *s = WHEN;\n', ('-DWHEN=__TIMESTAMP__',)),
    'date_pasted_by_the_command': (CAT + 'const char *s = CAT(A, B);\n', ('-DA=__DA', '-DB=TE__')),
    'date_pasted_half_by_the_command': (CAT + 'const char *s = CAT(A, TE__);\n', ('-D', 'A=__DA')),
    'date_pasted_of_macros_behind_comments': ('/**/ #define P __DA\n;\n/**/ #define Q TE__\n#define X(a,b) a##b\n#define Y(a,b) X(a,b)\nconst char *s = Y(P,Q);\n', ()),
    'date_pasted_beside_macros_for_nothing': ('#define X(a,b) a##b\n#define Y(a,b) X(a,b)\n#define E\nconst char *s = Y(E __DA E,E TE__ E);\n', ()),
    'date_pasted_with_a_macro_of_the_command': ('const char *s = X(__DA,TE__);\n', ('-DX(a,b)=a##b',)),
    'date_pasted_by_what_a_call_brings': ('#define W(x) __##x##__\n#define I(x) x\nconst char *s = I(W)(DATE);\n', ()),
    'date_pasted_in_calls': ('#define W(x) __##x##__\nint f(const char *, int);\n#define M(x) W(x)\nint i = sizeof f(M ( DATE ), (1));\n', ()),
    'date_pasted_behind_an_open_macro': ('#define W(x) __##x##__\n#define OPEN W(\nconst char *s = OPEN DATE);\n', ()),
    'date_pasted_by_a_header': ('#include "h.h"\nconst char *s = W(DATE);\n', (), '#define W_(x) __##x##__\n#define W(x) W_(x)\n'),
    'date_behind_a_raw_string': ('const char *r = R"(/* )"; const char *s = __DATE__; // */\n', ('-x', 'c++', '-std=c++17')),
    'date_behind_a_header_with_a_backslash': ('#if 0\n#include "a\\" /* x\n// */ \n#endif\nconst char *s = __DATE__;\n', ()),
    'date_by_pragma': ('_Pragma("message(__TIME__)")\nint x;\n', ()),
    'date_by_pragma_of_a_macro': ('#define P(x) _Pragma(x)\nP("message(__TIMESTAMP__)")\nint x;\n', ()),
    'date_behind_Xpreprocessor': ('const char *s = WHEN;\n', ('-Xpreprocessor', '-DWHEN=__DATE__')),
    'date_in_Wp_define': ('const char *s = WHEN;\n', ('-Wp,-DWHEN=__DATE__',)),
    'date_in_forced_include': ('const char *s = WHEN;\n', ('-include', 'h.h'), '#define WHEN __DATE__\n'),
    'date_in_imacros': ('const char *s = WHEN;\n', ('-imacros', 'h.h'), '#define WHEN __DATE__\n'),
    'date_silenced': (CAT + 'const char *s = CAT(__DA,TE__);\n', ('-Wno-date-time', '-w')),
    'date_in_system_header': ('#include <h.h>\n' + CAT + 'const char *s = CAT(PIECE,E__);\n', ('-isystem', '.'), '#define PIECE __DAT\n'),
}


def dated(text, flags, head=None):
    def run(b):
        b.write('a.c', text)
        if head is not None:
            b.write('h.h', head)
        yield
        b.refused(b.cc, *flags, *C, reason=r'__DATE__|__TIME__|__TIMESTAMP__|date-time', compare=False)
    return run


for _name, _row in DATES.items():
    test(name=_name, core=_name in ('date_in_source', 'timestamp_in_source', 'time_pasted', 'date_pasted_over_two_files', 'date_in_define_of_the_command', 'date_silenced'))(dated(*_row))


# Ways of macros to paste a date that a reader of texts may overlook.
PASTED = {
    'line_comment_between2': (CAT + 'const char *s = CAT // paste it\n // more\n(__DA, TE__);\n', ()),
    'calls_of_nothing': (CAT + '#define E()\nconst char *s = CAT(E() __DA E(), E() TE__ E());\n', ()),
    'calls_of_nothing_split': (CAT + '#define E()\nconst char *s = CAT(E() __DA E(), TE__);\n', ()),
    'chars': ("#define C4(a,b,c,d) b##c +\nconst char *s = C4('a'('b'), __DA, TE__, 'x')'y' - 'y';\n", ()),
    'chars2': ("#define C4(a,b,c,d) b##c\nconst char *s = C4('('  , __DA, TE__, 1);\n", ()),
    'variadic': ('#define V(a, ...) __##a##__VA_ARGS__\nconst char *s = V(DA, TE__);\n', ()),
    'variadic_gnu': ('#define V(a, r...) __##a##r\nconst char *s = V(DA, TE__);\n', ()),
    'param_named': ('#define V(DA, TE__) __##DA##TE__\nconst char *s = V(DA, TE__);\n', ()),
    'param_only': ('#define V(TE__) __DA##TE__\n#define X(y) V(y)\n#define Q TE__\nconst char *s = X(Q);\n', ()),
    'cmd': ('const char *s = CAT(X,Y);\n', ('-DCAT(a,b)=P(a,b)', '-DP(a,b)=a##b', '-DX=__DA', '-DY=TE__')),
    'cmd_xpreprocessor': (CAT + 'const char *s = CAT(X,Y);\n', ('-Xpreprocessor', '-DX=__DA', '-Xpreprocessor', '-DY=TE__')),
    'cmd_wp': (CAT + 'const char *s = CAT(X,Y);\n', ('-Wp,-DX=__DA,-DY=TE__',)),
    'bracket': (CAT + '#define E(x)\nconst char *s = CAT(E([) __DA E(]), E([) TE__ E(]));\n', ()),
    'stray': (CAT + '#define E(x)\nconst char *s = CAT(E(") __DA E(") __DA E("x"), TE__);\n', ()),
    'nested_fn': ('#define A(x) __D##x\n#define B(x) A(x)\nconst char *s = B(ATE__);\n', ()),
    'hashhash_trigraph': ('#define A(x,y) x?\?=?\?=y\nconst char *s = A(__DA,TE__);\n'.replace('\\', ''), ('-std=c99',)),
    'define_in_arg': (CAT + 'const char *s = CAT(\n#define Q TE__\n__DA,\nTE__\n);\n', ()),
    'ifs_in_arg': (CAT + 'const char *s = CAT(\n#if (1)\n__DA\n#endif\n,\n#if (1)\nTE__\n#endif\n);\n', ()),
    'ifs_in_arg2': (CAT + '#define E\nconst char *s = CAT(\n#if (1)\nE __DA E\n#endif\n,\n#if (1)\nE TE__ E\n#endif\n);\n', ()),
    'comment_in_arg': (CAT + '#define E()\nconst char *s = CAT(E() /* x */ __DA /* y */ E(), E() /**/ TE__ /**/ E());\n', ()),
    'string_in_arg': ('#define L(a,b,c) b##c\nconst char *s = L("(", __DA, TE__);\n', ()),
    'line_ucn': (CAT + '#define \\u00e9 __DA\nconst char *s = CAT(\\u00e9, TE__);\n', ()),
    'eval_parens': ('#define P(a,b) a##b\n#define Q(x) P x\nconst char *s = Q((__DA, TE__));\n', ()),
    'eval_parens2': ('#define P(a,b) a##b\n#define Q(x) x\n#define LP (\nconst char *s = Q(P)(__DA, TE__);\n', ()),
    'eval_semi': ('#define P(a,b) a##b\n#define Q(x) x\nconst char *s = Q(P) (__DA, TE__);\n', ()),
    'empty_after_call': ('#define Q(x) x\n#define P(a,b) a##b\n#define N()\nconst char *s = Q(P N() (__DA, TE__));\n', ()),
    'attribute': ('#define P(a,b) a##b\n#define A [\nint x[] = { sizeof P(__DA, TE__) };const char *s = P(__DA,TE__);\n', ()),
    'one_letters': ('#define P(a,b,c,d,e,f,g,h) a##b##c##d##e##f##g##h\nconst char *s = P(_,_,D,A,T,E,_,_);\n', ()),
    'one_letters_calls': ('#define E()\n#define P(a,b,c,d,e,f,g,h) a##b##c##d##e##f##g##h\n#define Q(a,b,c,d,e,f,g,h) P(a,b,c,d,e,f,g,h)\nconst char *s = Q(_,_,E() D,E() A,E() T,E() E,_,_);\n', ()),
    'one_letter_mid': ('#define E()\n#define P(a,b,c) a##b##c\n#define Q(a,b,c) P(a,b,c)\nconst char *s = Q(__DA,E() T E(),E__);\n', ()),
    'one_letter_mid2': ('#define P(a,b,c) a##b##c\n#define Q(a,b,c) P(a,b,c)\n#define X\nconst char *s = Q(__DA,X T X,E__);\n', ()),
    'one_letter_mid3': ('#define P(a,b,c) a##b##c\n#define Q(a,b,c) P(a,b,c)\n#define X\nconst char *s = Q(__DA,T,E__);\n', ()),
    'one_letter_split': ('#define P(a) __DA##a##E__\n#define Q(a) P(a)\nconst char *s = Q(T);\n', ()),
    'one_letter_id': ('#define ID(x) x\n#define P(a,b,c) a##b##c\n#define Q(a,b,c) P(a,b,c)\nconst char *s = Q(__DA,ID(T),E__);\n', ()),
    'one_letter_beside': ('#define X\n#define P(a,b,c) a##b##c\n#define Q(a,b,c) P(a,b,c)\nconst char *s = Q(__DA,X T,E__);\n', ()),
    'ucn_macro': ('#define \\u00e9(a,b) a##b\nconst char *s = \\u00e9(__DA,TE__);\n', ()),
    'ucn_macro2': ('#define \\u00e9(a,b) a##b\nconst char *s = é(__DA,TE__);\n', ()),
    'ucn_macro3': ('#define X\\u00e9(a,b) a##b\nconst char *s = X\\u00e9(__DA,TE__);\n', ()),
    'ucn_nothing': (CAT + '#define \\u00e9\nconst char *s = CAT(\\u00e9 __DA \\u00e9,\\u00e9 TE__ \\u00e9);\n', ()),
    'own_glue': ('#include <regex.h>\nconst char *s = __REPB_PREFIX(DATE__);\n', ('-std=c99',)),
    'own_cat': ('#include <sys/cdefs.h>\nconst char *s = __CONCAT(__DA,TE__);\n', ()),
    'own_cat1': ('#include <sys/cdefs.h>\n#define K(a,b) __CONCAT(a,b)\nconst char *s = K(K(__DA,T),E__);\n', ()),
    'own_str': ('#include <assert.h>\n#define W(x) __##x##__\nint i; void f(void) { assert(W(DATE)); }\n', ()),
    'time_letters': ('#define P(a) __TIM##a##__\nconst char *s = P(E);\n', ()),
    'time_letters2': ('#define P(a) __TIM##a\n#define Q(a) P(a)\n#define X(b) Q(E##b)\nconst char *s = X(__);\n', ()),
}


def pasted(text, flags):
    def run(b):
        b.write('a.c', text)
        if b.plain(b.cc, *flags, *C).status:
            skip('it does not compile')
        yield
        b.refused(b.cc, *flags, *C, reason=r'__DATE__|__TIME__|__TIMESTAMP__|date-time', compare=False)
    return run


for _name, _row in PASTED.items():
    test(name='pasted_' + _name, core='gcc' if _name in ('line_comment_between2', 'calls_of_nothing', 'chars', 'one_letter_mid', 'ucn_macro', 'own_glue') else False)(pasted(*_row))


@test()
def words_of_dates_that_nothing_pastes(b):
    """Names, comments and strings of ordinary code."""
    b.write('h.h', '#pragma once\n// #pragma GCC dependency, __TIMESTAMP__ and .incbin, it\'s said\n#define GLUE(x) __##x##__\n#define N_(x) x\nint f(int, const char *);\n')
    b.write('a.c', '#include "h.h"\nenum mode { DATE, TIME = 20, TIMESTAMP };\n#define ASM(x) __asm__(x)\n'
                   'int g(int i) { return i < 3 /* __DATE__ */ ? f(TIME, "__TIME__ .incbin") : f(i, N_("#pragma GCC dependency __TIMESTAMP__")); }\n')
    args = (b.cc, '-c', 'a.c', '-o', 'a.o')
    yield
    if b.cc == 'gcc':
        b.fresh(*args)
        check(b.same(*args).hit, 'it should hit')
    else:
        b.same(*args)


@test(modes=('preprocess', 'direct+preprocess'))
def date_in_preprocess_mode(b):
    """The preprocessed source holds the date as text, so it may be stored there; but never served later."""
    b.write('a.c', 'const char *s = __TIME__;\n')
    yield
    b.cached(b.cc, *C)
    time.sleep(1.1)
    r, v = b.cached(b.cc, *C)
    check(not v.hit, 'WRONG HIT: an old time')


@test()
def date_with_Wdate_time(b):
    b.write('a.c', CAT + 'const char *s = CAT(__DA, TE__);\n')
    yield
    b.refused(b.cc, '-Wdate-time', *C, reason='__DATE__|date-time')


@test()
def word_that_is_no_date(b):
    """What merely looks like one stays cacheable."""
    b.write('a.c', '/* __DATE__ */\nconst char *s = "__TIME__"; // __TIMESTAMP__\nint MY__DATE__;\n')
    yield
    b.proven(b.cc, *C)


@test(modes=MODES)
def source_date_epoch(b):
    b.write('a.c', 'const char *s = __DATE__ " " __TIME__;\n')
    args = (b.cc, *C)
    yield
    one, two = {'SOURCE_DATE_EPOCH': '1000000000'}, {'SOURCE_DATE_EPOCH': '1500000000'}
    probe = b.plain(*args, env=one).files == b.plain(*args, env=two).files
    if probe:
        check(b.clang, 'gcc reads it')
    if b.clang:
        if b.direct:
            b.refused(*args, env=one, reason='__DATE__', compare=False)  # clang before 16 does not read it
        return
    b.stored(*args, env=one)
    b.hit(*args, env=one)
    b.fresh(*args, env=two)
    b.hit(*args, env=one)
    r, v = b.cached(*args)
    check(not v.hit, 'WRONG HIT: a date of another epoch')
    for bad in ('', 'x', '-1', '99999999999999999999'):
        b.same(*args, env={'SOURCE_DATE_EPOCH': bad}) if b.plain(*args, env={'SOURCE_DATE_EPOCH': bad}).status else None


@test()
def source_date_epoch_and_timestamp(b):
    b.write('a.c', 'const char *s = __TIMESTAMP__;\n')
    args = (b.cc, *C)
    env = {'SOURCE_DATE_EPOCH': '1000000000'}
    yield
    b.refused(*args, env=env, reason='__TIMESTAMP__')
    os.utime(b.path('a.c'), (1, 1))
    b.fresh(*args, env=env)


# ---- files behind the assembler's and the preprocessor's back

NAMES = '#define S_(x) #x\n#define S(x) S_(x)\n#define ASM __asm__\n'
INCBINS = {
    'incbin': '__asm__(".incbin \\"blob\\"");\n',
    'incbin_in_a_function': 'void f(void) { __asm__ volatile("jmp 1f\\n\\t.incbin \\"blob\\"\\n1:"); }\n',
    'incbin_in_upper_case': '__asm__(".INCBIN \\"blob\\"");\n',
    'incbin_in_neighbouring_literals': '__asm__(".inc" "bin \\"blob\\"");\n',
    'incbin_by_escapes': '__asm__("\\x2einc\\142in \\"blob\\"");\n',
    'incbin_by_macro': '#define I ".incbin"\n__asm__(I " \\"blob\\"");\n',
    'incbin_of_macro_pieces': '#define A ".inc"\n#define B "bin \\"bl"\n__asm__(A B "ob\\"");\n',
    'incbin_stringised': NAMES + '#define P(a, b) a##b\nASM("." S(P(inc, bin)) " \\"blob\\"");\n',
    'incbin_behind_asm_macro': NAMES + '#define DOT "."\nASM(DOT "i" "ncbin \\"blob\\"");\n',
    'incbin_with_pasted_asm': '#define P(a, b) a##b\nP(__as, m__)(".inc" "bin \\"blob\\"");\n',
    'incbin_by_assembler_macro': '__asm__(".macro m x\\n.inc\\\\x \\"blob\\"\\n.endm\\nm bin\\n");\n',
    'incbin_by_irp': '__asm__(".irp x,bin\\n.inc\\\\x \\"blob\\"\\n.endr\\n");\n',
    'incbin_by_asm_label': 'extern char x __asm__(".in");\nvoid f(void) { __asm__ volatile("jmp 1f\\n%c0cbin \\"blob\\"\\n1:" :: "i"(&x)); }\n',
    'incbin_by_section_name': 'int x __attribute__((section(".data,\\"aw\\",@progbits\\n.in" "cbin \\"blob\\"\\n#"))) = 1;\n',
    'incbin_by_function_name': 'int f(void) __asm__("f\\n.incb" "in \\"blob\\"\\n.globl f");\nint f(void) { return 1; }\n',
    'assembler_include': '__asm__(".include \\"blob.s\\"");\n',
    'incbin_in_header': '#include "h.h"\nTEXT;\n',
    'incbin_in_a_raw_string': '__asm__(R"(.incbin "blob")");\n',
}
INCBIN_FLAGS = {'incbin_in_a_raw_string': ('-std=gnu99',)}


def incbin(b, *flags):
    b.write('blob', 'AAAA')
    b.write('blob.s', '.byte 1\n')
    b.write('h.h', '#define T(x) ".in" #x\n#define TEXT __asm__(T(cbin) " \\"blob\\"")\n')
    args = (b.cc, *flags, *C)
    if b.plain(*args).status:
        skip('the compiler does not take it')
    yield
    for text, s in (('AAAA', '1'), ('BBBB', '2'), ('CCCC', '3')):
        b.rewrite('blob', text)
        b.rewrite('blob.s', '.byte %s\n' % s)
        for _ in range(2):
            v = b.same(*args)
            if not v.hit and not v.stored:
                check(any(re.search('incbin|[Aa]ssembler|asm|which its text', r) for r in v.reasons), 'the reason should name it: %s' % v)


def incbin_test(name, text):
    def run(b):
        b.write('a.c', text)
        yield from incbin(b, *INCBIN_FLAGS.get(name, ()))
    return run


for _name, _text in INCBINS.items():
    test(name=_name, core=_name in ('incbin', 'incbin_of_macro_pieces', 'incbin_by_assembler_macro', 'incbin_by_section_name', 'assembler_include', 'incbin_in_header'))(incbin_test(_name, _text))


@test(core=False)
def incbin_by_define_of_the_command(b):
    b.write('a.c', '__asm__(T);\n')
    yield from incbin(b, '-DT=".incbin \\"blob\\""')


@test(core=False)
def incbin_by_asm_of_the_command(b):
    b.write('a.c', 'X(".inc" "bin \\"blob\\"");\n')
    yield from incbin(b, '-DX=__asm__')


@test(compilers=CLANG)
def incbin_by_irep_of_gnu_as(b):
    """A second name of .irp, with an assembler that is not asked what it reads."""
    b.write('a.c', '__asm__(".irep x,cbin\\n.in\\\\x \\"blob\\"\\n.endr\\n");\n')
    yield from incbin(b, '-fno-integrated-as')


@test(compilers=CLANG)
def assembler_source_with_irep_of_gnu_as(b):
    for name in ('a.s', 'a.S'):
        b.write(name, '.irepc x,c\n.in\\x\\()bin "blob"\n.endr\n')
    b.write('blob', 'AAAA')
    yield
    for name in ('a.s', 'a.S'):
        args = (b.cc, '-fno-integrated-as', '-c', name, '-o', 'a.o')
        b.refused(*args, reason='a macro of the assembler')
        b.rewrite('blob', 'BBBB')
        b.fresh(*args)
        b.rewrite('blob', 'AAAA')


@test(core=False)
def incbin_all_by_the_command(b):
    b.write('a.c', 'X\n')
    yield from incbin(b, '-DX=__asm__(".inc" "bin \\"blob\\"");')


@test(modes=MODES, core=False)
def incbin_in_every_mode(b):
    b.write('a.c', INCBINS['incbin_of_macro_pieces'])
    yield from incbin(b)


@test()
def assembler_sources(b):
    """A macro of the assembler can make any directive: gcc's lists what it reads, clang's does not, and gets none."""
    b.write('a.S', '#include "h.h"\n.text\n.globl f\nf: mov $H, %eax\n ret\n')
    b.write('h.h', header(11))
    b.write('p.s', '.text\n.globl g\ng: ret\n')
    b.write('m.s', '.macro m x\n.inc\\x "blob"\n.endm\nm bin\n')
    b.write('m.S', '#define B bin\n.macro m x\n.inc\\x "blob"\n.endm\nm B\n')
    b.write('i.s', '.irp x,ude\n.incl\\x "more.s"\n.endr\n')
    b.write('d.S', '.ascii __TIME__\n')
    b.write('blob', 'AAAA')
    b.write('more.s', '.byte 1\n')
    yield
    S = ('-c', 'a.S', '-o', 'a.o')
    for words in ((), ('-g',), ('-MD', '-MF', 'a.d'), ('-MMD',), ('-DX=1', '-g', '-pipe')):
        b.proven(b.cc, *words, *S)
    for words in ((), ('-g',), ('-Wa,--noexecstack',)):
        b.proven(b.cc, *words, '-c', 'p.s', '-o', 'a.o')
    b.refused(b.cc, '-c', 'd.S', '-o', 'a.o', reason='__TIME__', compare=False)
    for name in ('m.s', 'm.S', 'i.s'):
        b.refused(b.cc, '-c', name, '-o', 'a.o', reason='assembler|incbin|include')
    yield
    b.rewrite('h.h', header(22))
    b.rewrite('p.s', '.text\n.globl g\ng: nop\n')
    b.fresh(b.cc, *S)
    b.fresh(b.cc, '-c', 'p.s', '-o', 'a.o')
    os.makedirs(b.path('inc'))
    b.same(b.cc, '-Iinc', *S)
    b.write('inc/h.h', header(33))
    b.same(b.cc, '-Iinc', *S)  # "h.h" is the one beside the source
    b.remove('h.h')
    b.fresh(b.cc, '-Iinc', *S)


CAT_ASM = '#define CAT(a, b) a##b\nCAT(.in, cbin) "blob"\n'
ASSEMBLER_READS = {
    'plain': '.incbin "blob"\n', 'capitals': '.INCBIN "blob"\n', 'include': '.include "blob"\n', 'a_word': '#define I incbin\n.I "blob"\n', 'a_dot': '#define D .\nD incbin "blob"\n',
    'a_dot_and_a_comment': '#define D .\nD/**/incbin/**/"blob"\n', 'an_argument': '#define X(a) .a\nX(incbin) "blob"\n', 'pasted': CAT_ASM, 'pasted_digraph': CAT_ASM.replace('##', '%:%:'),
    'pasted_behind_a_comment': CAT_ASM.replace('##', '/*\n*/##'), 'pasted_on_a_line_of_its_own': CAT_ASM.replace('##', '\\\n##'), 'a_splice': '.in\\\ncbin "blob"\n',
    'macro': '.macro m x\n.in\\x "blob"\n.endm\nm cbin\n', 'macro_by_a_macro': '#define M macro\n.M m x\n.in\\x "blob"\n.endm\nm cbin\n', 'irp': '.irp x,cbin\n.in\\x "blob"\n.endr\n',
    'irpc': '.irpc x,c\n.in\\x\\()bin "blob"\n.endr\n', 'altmacro': '.altmacro\n.macro m x\n.in&x "blob"\n.endm\nm cbin\n', 'a_string': '".incbin" "blob"\n',
    'words_of_the_command': '.I "blob"\n', 'pasting_of_the_command': 'P(.in, cbin) "blob"\n', 'a_dot_of_the_command': 'D incbin "blob"\n',
}


def assembler_reads_test(text):
    """In the source and in a header of it, and where it goes to the assembler as it is."""
    def run(b):
        b.write('a.S', text)
        b.write('b.S', '#include "h.h"\n')
        b.write('h.h', text)
        b.write('a.s', text)
        b.write('blob', '.byte 1\n')
        yield
        words = ('-DI=incbin', '-DP(a,b)=a##b', '-DD=.')
        for source in ('a.S', 'b.S', 'a.s'):
            args = (b.cc, *(() if text.startswith('#define') or source == 'a.s' else words), '-c', source, '-o', 'a.o')
            b.rewrite('blob', '.byte 1\n')
            b.same(*args)
            b.same(*args)
            b.rewrite('blob', '.byte 2\n')
            b.same(*args)  # a wrong hit, if it was stored without it
            b.rewrite('blob', '.byte 1\n')
            b.same(*args)
    return run


for _name, _text in ASSEMBLER_READS.items():
    test(name='assembler_reads_by_' + _name, core=False)(assembler_reads_test(_text))


@test()
def assembler_source(b):
    """.S: the preprocessor's headers are inputs, what the assembler reads by itself is refused, absent headers must stay absent."""
    if b.cc != 'gcc':
        skip("clang's assembler does not say what it reads")
    for d in ('one', 'two'):
        os.mkdir(b.path(d))
    b.write('two/h.h', '#define VALUE 1\n.macro put x\n .byte \\x\n.endm\n')
    b.write('a.S', "# don't mind /* this\n// */ .incbin\n#include <h.h>\n .section .note.GNU-stack,\"\",@progbits\n .data\n put VALUE\n")
    args = ('gcc', '-D__ASSEMBLY__', '-Wp,-MMD,a.d', '-Ione', '-Itwo', '-c', '-o', 'a.o', 'a.S')
    yield
    b.fresh(*args)
    check(b.same(*args).hit, 'it should hit')
    b.rewrite('two/h.h', '#define VALUE 2\n.macro put x\n .byte \\x\n.endm\n')
    b.fresh(*args)
    b.write('one/h.h', '#define VALUE 3\n.macro put x\n .byte \\x\n.endm\n')
    b.fresh(*args)
    b.write('blob', 'AAAA')
    b.rewrite('one/h.h', '#define VALUE 3\n.macro put x\n .inc\\()bin "blob"\n.endm\n')
    b.refused(*args, reason='assembler')
    b.rewrite('blob', 'BBBB')
    b.refused(*args, reason='assembler')


@test()
def assembler_reads_another_file_of_the_name(b):
    """gcc tells the assembler the last part of the source's name only."""
    os.mkdir(b.path('sub'))
    b.write('a.c', 'AAAA')
    b.write('sub/a.c', 'int x;\n')
    args = (b.cc, '-c', 'sub/a.c', '-o', 'a.o')
    yield
    b.fresh(*args)
    check(b.same(*args).hit, 'it should hit')
    b.rewrite('sub/a.c', '__asm__(".incbin \\"a.c\\"");\n')
    b.refused(*args, reason='assembler|incbin')
    b.rewrite('a.c', 'BBBB')
    b.refused(*args, reason='assembler|incbin')


@test()
def assembler_source_with_includes(b):
    b.write('a.S', '.include "i.s"\n.incbin "blob"\n')
    b.write('i.s', '.byte 1\n')
    b.write('blob', 'AAAA')
    args = (b.cc, '-c', 'a.S', '-o', 'a.o')
    yield
    b.refused(*args, reason='assembler|incbin|include')
    b.rewrite('blob', 'BBBB')
    b.fresh(*args)
    b.rewrite('i.s', '.byte 2\n')
    b.fresh(*args)


@test()
def embed(b):
    b.write('blob', 'AAAA')
    b.write('a.c', '#if 0\n#embed "blob"\n#endif\n#ifdef __has_embed\n#if __has_embed("blob")\nint x;\n#endif\n'
                   'const char s[] = {\n#embed "blob"\n};\n#endif\n')
    args = (b.cc, *C)
    yield
    b.refused(*args, reason='#embed')
    b.rewrite('blob', 'BBBB')
    b.fresh(*args)


@test()
def pragma_dependency(b):
    b.write('f', 'x')
    b.write('a.c', '#pragma GCC dependency "f" newer\nint x;\n')
    args = (b.cc, *C)
    yield
    b.refused(*args, reason='pragma GCC dependency')
    os.utime(b.path('f'))
    b.fresh(*args)


@test()
def pragma_dependency_by_operator(b):
    b.write('f', 'x')
    b.write('a.c', '#define STR(x) #x\n#define DO(x) _Pragma(STR(x))\nDO(GCC dependency "f")\n_Pragma("GCC  dependency \\"f\\"")\nint x;\n')
    args = (b.cc, *C)
    yield
    b.refused(*args, reason='pragma GCC dependency')
    os.utime(b.path('f'))
    b.fresh(*args)


@test()
def pragma_dependency_by_a_word_or_string(b):
    b.write('f', 'x')
    b.write('a.c', '#define STR(x) #x\n#define XSTR(x) STR(x)\n#define DO(x) _Pragma(XSTR(x))\n#define D dependency\nDO(GCC D "f")\nint x;\n')
    b.write('b.c', '#define DO(x) _Pragma(x)\nDO("GCC dependency \\"f\\"")\nint x;\n')
    yield
    for source in ('a.c', 'b.c'):
        args = (b.cc, '-c', source, '-o', 'a.o')
        b.refused(*args, reason='pragma GCC dependency')
        os.utime(b.path('f'))
        b.fresh(*args)


@test()
def pragma_dependency_pasted(b):
    b.write('f', 'x')
    b.write('a.c', '#define STR(x) #x\n#define XSTR(x) STR(x)\n#define DO(x) _Pragma(XSTR(x))\n#define D depend##ency\n#define P(a, b) a##b\n'
                   'DO(GCC P(depend, ency) "f")\nint x;\n')
    args = (b.cc, *C)
    yield
    b.same(*args)
    b.same(*args)
    os.utime(b.path('f'))
    b.same(*args)


@test(modes=MODES)
def include_of_a_macro(b):
    b.write('a.c', '#define NAME "h.h"\n#include NAME\nint f(void) { return H; }\n')
    b.write('two/h.h', header(11))
    os.makedirs(b.path('one'))
    args = (b.cc, '-Ione', '-Itwo', *CD)
    yield
    b.proven(*args)
    b.rewrite('two/h.h', header(22))
    b.fresh(*args)
    b.write('one/h.h', header(33))
    b.fresh(*args)


@test(modes=MODES)
def include_of_a_macro_that_another_file_defines(b):
    b.write('a.c', '#include "conf.h"\n#include NAME\nint f(void) { return H; }\n')
    b.write('conf.h', '#ifdef X\n#define NAME <x.h>\n#else\n#define NAME <y.h>\n#endif\n')
    b.write('two/x.h', header(11))
    b.write('two/y.h', header(22))
    os.makedirs(b.path('one'))
    yield
    for flags in ((), ('-DX',)):
        args = (b.cc, *flags, '-Ione', '-Itwo', *CD)
        b.proven(*args)
    for name in ('x', 'y'):
        b.write('one/%s.h' % name, header(33))
        for flags in ((), ('-DX',)):
            b.same(b.cc, *flags, '-Ione', '-Itwo', *CD, what=name)
    b.write('conf.h', '#define NAME <z.h>\n')
    b.write('two/z.h', header(44))
    b.fresh(b.cc, '-Ione', '-Itwo', *CD)


@test()
def include_of_a_computed_name(b):
    b.write('a.c', '#define S_(x) #x\n#define S(x) S_(x)\n#define NAME S(h.h)\n#include NAME\n#include S(g.h)\nint f(void) { return H; }\n')
    b.write('h.h', header(11))
    b.write('g.h', '')
    args = (b.cc, *CD)
    yield
    b.refused(*args, reason='#include of')
    b.rewrite('h.h', header(22))
    b.fresh(*args)


@test(compilers=GCC)
def link_to_a_system_header_unlisted(b):
    """gcc names a system header by where its link leads, if that is shorter, in diagnostics and __FILE__; -MMD lists no system header. A link that flips between equal files is another name."""
    b.write('a.c', '#include "h.h"\nconst char *f(void) { return NAME; }\n')
    for d in ('v1', 'v2'):
        b.write(d + '/h.h', '#define NAME __FILE__\n#warning "w"\nstatic inline const char *g(void) { return __FILE__; }\n#undef NAME\n#define NAME g()\n')
    os.symlink('v1', b.path('current'))
    yield
    for words in (('-MMD', '-MF', 'a.d'), ('-Wp,-MMD,a.d',), ('-MD', '-MF', 'a.d'), ()):
        args = (b.cc, '-isystem', b.path('current'), *words, *C)
        b.same(*args)
        b.hit(*args)
        os.unlink(b.path('current'))
        os.symlink('v2', b.path('current'))
        b.same(*args)
        os.unlink(b.path('current'))
        os.symlink('v1', b.path('current'))


@test(compilers=GCC)
def link_to_a_system_header_to_a_shorter_name(b):
    """The name that was the shorter need not be so where the link leads next: in no dependency file does that show."""
    text = 'static inline const char *g(void) { return __FILE__; }\n'
    far, near = b.path('a/folder/with/a/long/name'), b.path('n')
    for d in (far, near):
        b.write(d + '/h.h', text)
    b.write('a.c', '#include <h.h>\nconst char *f(void) { return g(); }\n')
    b.write('p.c', '#include <sys.h>\nconst char *f(void) { return g(); }\n')
    os.makedirs(b.path('some/inc'))
    b.write('user/inc/sys.h', '#pragma GCC system_header\n#include "h.h"\n')
    # A link to the header, to its folder, and beside a header that calls itself one of the system.
    rows = [('some/inc/h.h', '/h.h', ('-isystem', b.path('some/inc')), 'a.c'), ('some/to', '', ('-isystem', b.path('some/to')), 'a.c'),
            ('user/inc/h.h', '/h.h', ('-I', b.path('user/inc')), 'p.c')]
    yield
    for link, name, where, source in rows:
        for words in (('-MD', '-MF', 'a.d'), ('-MMD', '-MF', 'a.d'), ()):
            args = (b.cc, *where, *words, '-c', source, '-o', 'a.o')
            b.link(link, far + name)
            yield
            a = b.plain(*args).files['a.o']
            b.stored(*args)
            b.hit(*args)
            b.link(link, near + name)
            b.fresh(*args)
            check(b.plain(*args).files['a.o'] != a, 'the test proves nothing')


TRACE = '''#define M__(x) #x
#define M_(x) M__(x)
#define M(x) M_(x)
#ifdef TRACE_POINTS
#undef TRACE_POINTS
#include M(MORE)
#define TRACE_POINTS
#endif
'''


@test(core='gcc')
def include_in_a_dead_branch(b):
    """As trace/define_trace.h of Linux has it: while nobody defines the macro, the #include of what a macro makes asks for nothing. Whoever begins to define it makes it live."""
    b.write('trace.h', TRACE)
    b.write('more.h', header(22))
    b.write('a.c', '#define MORE more.h\n#include "first.h"\n#include "trace.h"\n#ifndef H\n#define H 11\n#endif\nint f(void) { return H; }\n')
    b.write('first.h', '')
    b.write('forced.h', '#define TRACE_POINTS\n')
    b.write('empty.h', '')
    os.makedirs(b.path('one'))
    args = (b.cc, '-Ione', *CD)
    yield
    b.proven(*args)
    b.write('one/more.h', header(33))  # nobody asks for it
    b.hit(*args)
    for words in (('-DTRACE_POINTS',), ('-D', 'TRACE_POINTS'), ('-Wp,-DTRACE_POINTS',), ('-Xpreprocessor', '-DTRACE_POINTS'), ('-include', 'forced.h'), ('-imacros', 'forced.h')):
        b.refused(b.cc, *words, '-Ione', *CD, reason='#include of a macro|does not include')
    b.proven(b.cc, '-include', 'empty.h', '-Ione', *CD)
    yield
    for text in ('#define TRACE_POINTS\n', '#def\\\nine TRACE_\\\nPOINTS 1\n', '%:define TRACE_POINTS\n', '/* x\n*/ # /**/ define /**/ TRACE_POINTS\n',
                 '#ifndef TRACE_POINTS\n#define TRACE_POINTS\n#endif\n', '#ifdef TRACE_POINTS\n#else\n#define TRACE_POINTS\n#endif\n'):
        b.rewrite('first.h', text)
        b.refused(*args, reason='#include of a macro|does not include')
        b.same(*args)
    b.rewrite('first.h', '#undef TRACE_POINTS\n')
    yield
    b.proven(*args)
    b.rewrite('trace.h', TRACE.replace('#ifdef TRACE_POINTS', '#ifndef TRACE_POINTS'))
    b.refused(*args, reason='#include of a macro|does not include')

AGAIN = '''#define S__(x) #x
#define S_(x) S__(x)
#ifdef POINTS
#undef POINTS
#include S_(PATH/FILE.h)
#define POINTS
#endif
'''


@test(compilers=GCC)
def computed_include_of_a_known_header(b):
    """As the trace points of Linux have it: a header includes another that includes the first again by a name that macros make. All that was read was known before, so
    the names that it can have been asked by are known too; each place where one of them could appear first counts."""
    b.write('a.c', '#define POINTS\n#include <ev/x.h>\nint f(void) { return VALUE; }\n')
    b.write('one/keep', '')
    b.write('two/ev/x.h', '#undef PATH\n#undef FILE\n#define PATH ev\n#define FILE x\n#ifdef VALUE\n#undef VALUE\n#define VALUE 11\n#else\n#define VALUE 1\n#endif\n#include <define.h>\n')
    b.write('two/define.h', AGAIN)
    args = (b.cc, '-nostdinc', '-Ione', '-Itwo', *CD)
    yield
    b.proven(*args)
    # The quoted name is looked for beside define.h as well: here that is where it stands. <ev/x.h> finds another one, the computed name still this.
    b.write('one/ev/x.h', '#define PATH ev\n#define FILE x\n#define VALUE 5\n#include <define.h>\n')
    b.fresh(*args)
    b.remove('one/ev/x.h')
    b.hit(*args)
    os.rename(b.path('two/define.h'), b.path('one/define.h'))
    yield
    b.proven(*args)
    b.write('one/ev/x.h', '#undef PATH\n#undef FILE\n#define PATH ev\n#define FILE x\n#undef VALUE\n#define VALUE 22\n')
    b.fresh(*args)
    b.remove('one/ev/x.h')
    b.hit(*args)
    b.rewrite('two/ev/x.h', '#undef PATH\n#undef FILE\n#define PATH ev\n#define FILE x\n#ifdef VALUE\n#undef VALUE\n#define VALUE 33\n#else\n#define VALUE 1\n#endif\n#include <define.h>\n')
    b.fresh(*args)


@test(compilers=GCC)
def computed_include_by_another_name(b):
    """Only the name that macros make is looked for in a folder of its own: zero/sub/x.h would be found by "sub/x.h", which no text has."""
    b.write('src/a.c', '#define POINTS\n#include "sub/x.h"\n#include <define.h>\nint f(void) { return VALUE; }\n')
    b.write('src/sub/x.h', '#undef VALUE\n#ifdef PATH\n#define VALUE 11\n#else\n#define VALUE 1\n#endif\n#define PATH sub\n#define FILE x\n')
    b.write('two/define.h', AGAIN)
    os.makedirs(b.path('zero/other'))
    args = (b.cc, '-nostdinc', '-Izero', '-Isrc', '-Itwo', '-MD', '-MF', 'a.d', '-c', 'src/a.c', '-o', 'a.o')
    yield
    for words in ((), ('-MMD',)):
        b.proven(*args, *words)
    for place in ('zero/sub/x.h', 'two/sub/x.h'):
        b.write(place, '#undef VALUE\n#define VALUE 22\n')
        a = b.plain(*args).files['a.o']
        b.fresh(*args)
        b.remove(place)
        b.hit(*args)
        check(b.plain(*args).files['a.o'] != a, 'the test proves nothing')


@test(compilers=GCC)
def computed_include_that_is_not_covered(b):
    """A folder's name with dots in it, a file that is to be included once, names of the system that gcc exchanges, and one that no text leads to."""
    b.write('a.c', '#define POINTS\n#include "sub/x.h"\n#include <define.h>\nint f(void) { return VALUE; }\n')
    x = '#undef VALUE\n#define VALUE 1\n#define PATH sub\n#define FILE x\n'
    b.write('sub/x.h', x)
    b.write('sub/y.h', '')
    b.write('two/define.h', AGAIN)
    args = (b.cc, '-nostdinc', '-I.', '-Itwo', *CD)
    yield
    b.proven(*args)
    for reason, text in (('pragma once', '#pragma once\n' + x), ('may lead to', x.replace('PATH sub', 'PATH ../two/../sub') + '#include "y.h"\n'), ('does not include|#include of', x.replace('FILE x', 'FILE z'))):
        b.write('sub/z.h', '')
        b.rewrite('sub/x.h', text)
        b.refused(*args, reason=reason)
    b.rewrite('sub/x.h', x)
    yield
    b.hit(*args)
    b.refused(b.cc, '-I.', '-isystem', 'two', *CD, reason='system headers')


NOTE = 'int first;\nint g(void) { int unused = 1; return 0; }\n'


@test(compilers=GCC, modes=('direct', 'direct+preprocess'))
def line_of_another_file(b):
    """gcc shows a line as it stands in the file that #line names, seen from the working directory; the text of that file is in no dependency file."""
    b.write('note.y', NOTE)
    b.write('sub/h.h', '#line 1 "sub/../note.y"\nstatic int h(void) { return 0; }\n')
    b.write('back\\slash.y', NOTE)
    texts = {'a.c': '# line 2 "note.y"\nint g(void) { int unused = 1; return 0; }\n', 'b.c': '# 2 "./note.y"\nint g(void) { int unused = 1; return 0; }\n',
             'c.c': 'int a;\n#include "sub/h.h"\n', 'd.i': '# 2 "note.y"\nint g(void) { int unused = 1; return 0; }\n',
             'e.c': '/**/ # /**/ line /**/ 2 /**/ "note.y" /**/\nint g(void) { int unused = 1; return 0; }\n', 'f.c': '#line 2 "%s"\nint g(void) { int unused = 1; return 0; }\n' % b.path('note.y')}
    for name, text in texts.items():
        b.write(name, text)
    yield
    for name in texts:
        args = (b.cc, '-Wall', '-c', name, '-o', 'x.o')
        b.proven(*args)
        b.rewrite('note.y', NOTE.replace('unused', 'UNUSED').replace('first', 'FIRST'))
        b.fresh(*args)
        b.rewrite('note.y', NOTE)
        b.hit(*args)
        os.rename(b.path('note.y'), b.path('gone.y'))
        b.fresh(*args)
        os.rename(b.path('gone.y'), b.path('note.y'))
        b.hit(*args)
    # One that is not there shows nothing, until it comes.
    b.remove('note.y')
    yield
    args = (b.cc, '-Wall', '-DOTHER', '-c', 'a.c', '-o', 'x.o')
    b.proven(*args)
    b.write('note.y', NOTE)
    b.fresh(*args)


@test(compilers=GCC)
def line_of_another_file_without_a_diagnostic(b):
    """Nothing is shown of it, so it does not matter; -Wmisleading-indentation, which compares columns, says nothing behind a #line."""
    b.write('a.c', 'int g(int a)\n{\n#line 1 "note.y"\n  if (a)\n    a = 1;\n    a = 2;\n  return a;\n}\n')
    b.write('note.y', '\n\n\n\n')
    args = (b.cc, '-Wall', *CD)
    yield
    b.proven(*args)
    b.rewrite('note.y', '  if (a)\n    a = 1;\n    a = 2;\n  return a;\n')
    b.hit(*args)
    b.remove('note.y')
    b.hit(*args)


@test(compilers=GCC)
def line_of_a_file_that_is_not_plain(b):
    """Which one it is can't be told where macros make it, or where it is spelled in an unusual way."""
    b.write('note.y', NOTE)
    macro = '#define AT 2 "note.y"\n#define FILE "note.y"\n#define TWO 2\n'
    rest = 'int g(void) { int unused = 1; return 0; }\n'
    b.write('a.c', rest)
    args = (b.cc, '-Wall', *CD)
    yield
    for line in ('#line AT', '#line 2 FILE', '#line TWO "note.y"', '#line 2 "\\x6eote.y"', '#line 2 R"(note.y)"', '%:line AT', '#line \\\n AT'):
        b.write('a.c', macro + line + '\n' + rest)
        yield
        b.refused(b.cc, '-Wall', '-std=gnu11', *CD, reason='a #line that')
    for line in ('/*\n#line AT\n*/', '#line 2', '#line 2 "back\\\\slash\\".y"', '#line 2 "note\\\n.y"'):
        b.write('a.c', macro + line + '\n' + rest)
        yield
        b.proven(*args)


@test()
def include_of_a_macro_of_the_command(b):
    b.write('a.c', '#include NAME\nint f(void) { return H; }\n')
    b.write('one/h.h', header(11))
    args = (b.cc, '-DNAME=<h.h>', '-Izero', '-Ione', *CD)
    yield
    b.same(*args)
    b.same(*args)
    b.write('zero/h.h', header(22))
    b.fresh(*args)


@test(compilers=GCC, modes=MODES)
def fifo_as_header(b):
    b.write('a.c', SRC)
    b.write('two/h.h', header(11))
    os.makedirs(b.path('one'))
    os.mkfifo(b.path('one/h.h'))
    r, w = 0, 0
    yield from fifo(b, (b.cc, '-Ione', '-Itwo', *C))


@test(compilers=CLANG, name='fifo_as_header')
def fifo_as_header_clang(b):
    b.write('a.c', SRC)
    os.makedirs(b.path('one'))
    os.mkfifo(b.path('one/h.h'))
    yield from fifo(b, (b.cc, '-Ione', *C))


def fifo(b, args):
    """One writer: what opens the pipe beside the compiler would take its bytes, or block for ever."""
    yield
    p = subprocess.Popen(['sh', '-c', "printf '#define H 7\\n' > one/h.h"], cwd=b.src)
    try:
        r, v = b.cached(*args)
        if r.status == 0:
            check(b'\x07' in r.files['a.o'], 'the object does not hold what came through the pipe')
        check(not v.hit and not v.stored, 'stored: %s' % v)
        check(v.uncacheable and any('no regular file' in x or 'h.h' in x for x in v.reasons), 'the reason should name it: %s' % v)
    finally:
        p.kill()
        p.wait()


@test()
def fifo_as_source(b):
    os.mkfifo(b.path('p.c'))
    yield
    p = subprocess.Popen(['sh', '-c', "printf 'int f(void) { return 7; }\\n' > p.c"], cwd=b.src)
    try:
        r, v = b.cached(b.cc, '-c', 'p.c', '-o', 'a.o')
        check(r.status == 0 and r.files.get('a.o'), 'no object: %r' % r.err)
        check(v.uncacheable and not v.stored and any('no regular file' in x for x in v.reasons), str(v))
    finally:
        p.kill()
        p.wait()


@test()
def descriptor_as_source(b):
    b.write('a.c', 'int f(void) { return 7; }\n')
    yield
    b.refused('sh', '-c', 'true', reason='') if False else None
    for name in ('/dev/stdin', '/proc/self/fd/0', '/dev/null'):
        r, v = b.cached(b.cc, '-x', 'c', '-c', name, '-o', 'a.o')
        check(v.uncacheable and not v.stored and any('regular' in x or 'stdin' in x for x in v.reasons), '%s: %s' % (name, v))


# ---- the environment

def variable(b, name, values, args, before=None, named=True, compare_plain=True):
    """Each value: stored or refused, and always as plainly. Then each once more, and unset."""
    yield
    base = b.same(*args)
    check(base.stored or base.hit, 'without the variable it should be stored: %s' % base)
    b.hit(*args)
    refusing = []
    for value in list(values) + [None] + list(values):
        if before:
            before()
        what = '%s=%s' % (name, value)
        v = b.same(*args, env={name: value}, what=what)
        if v.uncacheable:
            refusing.append(value)
            check(any(name.rstrip('*') in r or 'date' in r.lower() for r in v.reasons), '%s: the reason should name it: %s' % (what, v))
        else:
            check(v.hit or v.stored, '%s: neither stored nor refused: %s' % (what, v))
        v = b.same(*args, env={name: value}, what=what)
        check(v.hit or v.uncacheable, '%s: no hit: %s' % (what, v))


@test(modes=MODES)
def env_CPATH(b):
    b.write('a.c', '#if __has_include(<h.h>)\n#include <h.h>\n#else\n#define H 0\n#endif\nint f(void) { return H; }\n')
    b.write('p1/h.h', header(11))
    b.write('p2/h.h', header(22))
    yield from variable(b, 'CPATH', ['p1', 'p2', b.src + '/p1', b.src + '/p2', ':', 'p1:p2', 'none:p2', ''], (b.cc, *CD))


def include_path(variable_name, cxx):
    def run(b):
        source = 'a.cc' if cxx else 'a.c'
        b.write(source, '#if __has_include(<h.h>)\n#include <h.h>\n#else\n#define H 0\n#endif\nint f(void) { return H; }\n')
        b.write('p1/h.h', header(11))
        b.write('p2/h.h', header(22))
        yield from variable(b, variable_name, [b.src + '/p1', b.src + '/p2', 'p2:p1', 'none:p1'],
                            (b.cxx if cxx else b.cc, '-c', source, '-o', 'a.o'))
    return run


for _name, _cxx in (('C_INCLUDE_PATH', False), ('CPLUS_INCLUDE_PATH', True), ('OBJC_INCLUDE_PATH', False)):
    test(name='env_' + _name, core='gcc')(include_path(_name, _cxx))


@test()
def env_CPATH_directory_gets_a_header(b):
    b.write('a.c', SRC.replace('"h.h"', '<h.h>'))
    b.write('p2/h.h', header(11))
    os.makedirs(b.path('p1'))
    env = {'CPATH': 'p1:p2'}
    yield
    b.proven(b.cc, *C, env=env)
    b.write('p1/h.h', header(22))
    b.fresh(b.cc, *C, env=env)


FAKE_AS = r'''
#include <unistd.h>
int main(int argc, char **argv) {
  char *a[argc + 2];
  int n = 0;
  a[n++] = "as";
  a[n++] = "-mx86-used-note=%s";
  for (int i = 1; i < argc; i++) a[n++] = argv[i];
  a[n] = 0;
  execv("%s", a);
  return 99;
}
'''


def fake_as(b, name, note):
    """An assembler of our own, whose objects show which one it was. The two are of one size."""
    b.program(name, FAKE_AS % (note.ljust(3), shutil.which('as')) if False else (FAKE_AS % (note, shutil.which('as'))))
    return b.path(name)


def tools_as(b, *dirs):
    for d, note in zip(dirs, ('yes', 'no')):
        fake_as(b, d + '/as', note)


@test()
def env_PATH_and_the_assembler(b):
    """An `as` that comes earlier on PATH."""
    b.write('a.c', 'int f(void) { return 1; }\n')
    args = (b.cc, *C) if b.gcc else (b.cc, '-fno-integrated-as', *C)
    tools_as(b, 'p1', 'p2')
    if b.clang and not b.plain(*args).files:
        skip('clang finds no assembler')
    usual = b.env['PATH']
    yield
    b.proven(*args)
    for path in (b.src + '/p1:' + usual, b.src + '/p2:' + usual, 'p1:' + usual, usual):
        b.same(*args, env={'PATH': path}, what=path[:60])
        b.hit(*args, env={'PATH': path}, what=path[:60])
    if b.plain(*args).files == b.plain(*args, env={'PATH': b.src + '/p1:' + usual}).files:
        skip('this compiler does not look for its assembler on PATH')


@test()
def assembler_appears_earlier_on_PATH(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    args = (b.cc, *C) if b.gcc else (b.cc, '-fno-integrated-as', *C)
    os.makedirs(b.path('early'))
    env = {'PATH': b.src + '/early:' + b.env['PATH']}
    yield
    b.proven(*args, env=env)
    fake_as(b, 'as1', 'yes')
    fake_as(b, 'as2', 'no')
    os.rename(b.path('as1'), b.path('early/as'))
    b.same(*args, env=env)
    yield
    b.same(*args, env=env)
    b.same(*args, env=env)
    os.rename(b.path('as2'), b.path('early/as'))
    b.same(*args, env=env)
    b.remove('early/as')
    b.same(*args, env=env)


@test()
def assembler_that_can_be_run_later(b):
    """One that stands there, but not for running, is taken as soon as its mode says so: no folder changes."""
    b.write('a.c', 'int f(void) { return 1; }\n')
    args = (b.cc, *C) if b.gcc else (b.cc, '-fno-integrated-as', *C)
    fake_as(b, 'early/as', 'yes')
    env = {'PATH': b.src + '/early:' + b.env['PATH']}
    if b.plain(*args, env=env).files == b.plain(*args).files:
        skip('this compiler does not look for its assembler on PATH')
    os.chmod(b.path('early/as'), 0o644)
    yield
    b.refused(*args, env=env, reason="/early/as .*can't be run")
    os.chmod(b.path('early/as'), 0o755)
    yield
    b.same(*args, env=env)
    b.same(*args, env=env)


@test(compilers=GCC)
def env_COMPILER_PATH(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    tools_as(b, 'p1', 'p2')
    plain = b.plain(b.cc, *C).files
    check(b.plain(b.cc, *C, env={'COMPILER_PATH': b.src + '/p1'}).files != plain, 'gcc does not take the assembler')
    yield from variable(b, 'COMPILER_PATH', [b.src + '/p1', b.src + '/p2', 'p1', 'p2', 'none'], (b.cc, *C))


@test(compilers=CLANG, name='env_COMPILER_PATH')
def env_COMPILER_PATH_clang(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    tools_as(b, 'p1', 'p2')
    yield from variable(b, 'COMPILER_PATH', [b.src + '/p1', b.src + '/p2', 'p1', 'p2', 'none'], (b.cc, '-fno-integrated-as', *C))


@test(compilers=GCC)
def env_COMPILER_PATH_directory_gets_an_assembler(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    os.makedirs(b.path('p'))
    fake_as(b, 'as1', 'yes')
    env = {'COMPILER_PATH': b.src + '/p'}
    yield
    b.proven(b.cc, *C, env=env)
    os.rename(b.path('as1'), b.path('p/as'))
    b.fresh(b.cc, *C, env=env)
    os.rename(b.path('p/as'), b.path('as1'))
    b.hit(b.cc, *C, env=env)
    target = b.plain(b.cc, '-dumpmachine').out.decode().strip()
    os.makedirs(b.path('p/' + target))
    os.rename(b.path('as1'), b.path('p/%s/as' % target))
    b.same(b.cc, *C, env=env, what='in the folder of the target')


@test()
def env_GCC_EXEC_PREFIX(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    if b.gcc:
        libexec = os.path.dirname(b.plain(b.cc, '-print-prog-name=cc1').out.decode().strip())
        b.link('lib', os.path.dirname(os.path.dirname(os.path.dirname(libexec))))
    yield from variable(b, 'GCC_EXEC_PREFIX', ['/usr/lib/gcc/', b.src + '/lib/gcc/', b.src + '/none/'], (b.cc, *C))


WARNS = 'int f(int x) { int unused; if (x = 1) return "a" "b" ? 1 : 2; return 0; }\nint g(void) { int other; return 1; }\n'
W = ('-Wall', '-Wextra')


def locale_test(name):
    def run(b):
        b.write('a.c', WARNS)
        b.env.pop('LC_ALL')
        yield from variable(b, name, ['C', 'C.UTF-8', 'POSIX', 'xx_YY.UTF-8', 'en_US.UTF-8', ''], (b.cc, *W, *C))
    return run


for _name in ('LANG', 'LC_ALL', 'LC_CTYPE', 'LC_MESSAGES', 'LANGUAGE'):
    test(name='env_' + _name, core=_name in ('LANG', 'LC_ALL'))(locale_test(_name))


@test(core=False)
def env_LANGUAGE_with_a_locale(b):
    b.write('a.c', WARNS)
    b.env['LC_ALL'] = 'C.UTF-8'
    yield from variable(b, 'LANGUAGE', ['de', 'fr:de', ''], (b.cc, *W, *C))


@test(core=False)
def env_locale_and_the_object(b):
    """Wide strings and identifiers beside ASCII: the locale must not reach the object, or be in the key."""
    b.write('a.c', 'const wchar_t_ *w = L"\u00e4\u20ac";\nconst char *s = "\u00e4";\n'.replace('wchar_t_', '__WCHAR_TYPE__'))
    b.env.pop('LC_ALL')
    yield from variable(b, 'LC_ALL', ['C', 'C.UTF-8', 'POSIX'], (b.cc, *C))


@test(modes=MODES)
def env_SOURCE_DATE_EPOCH(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    yield from variable(b, 'SOURCE_DATE_EPOCH', ['1', '2'], (b.cc, *C))


@test()
def env_TZ(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    b.write('b.c', 'const char *s = __TIMESTAMP__;\n')
    yield from variable(b, 'TZ', ['UTC', 'Europe/Berlin', 'XXX3'], (b.cc, *C))
    b.refused(b.cc, '-c', 'b.c', '-o', 'b.o', env={'TZ': 'UTC'}, reason='__TIMESTAMP__')
    b.refused(b.cc, '-c', 'b.c', '-o', 'b.o', env={'TZ': 'XXX3'}, reason='__TIMESTAMP__')


def refused_variable(name, value, empty_too=True):
    def run(b):
        b.write('a.c', SRC)
        b.write('h.h', header(1))
        args = (b.cc, *C)
        yield
        b.proven(*args)
        values = [value(b) if callable(value) else value] + ([''] if empty_too else [])
        for v in values:
            plain = b.plain(*args, env={name: v})
            verdict = b.same(*args, env={name: v}, what='%s=%r' % (name, v))
            if v:
                check(verdict.uncacheable and any(name in r for r in verdict.reasons), '%s=%s should be refused by name: %s' % (name, v, verdict))
                b.same(*args, env={name: v})
            b.hit(*args, what='after %s=%r' % (name, v))
        # Set when it is stored: what it left must not reach those who have not set it.
        b.write('a.c', SRC + '//\n')
        for v in reversed(values):
            b.same(*args, env={name: v}, what='first with %s=%r' % (name, v))
            b.same(*args, what='after a first with %s=%r' % (name, v))
            b.same(*args, env={name: v}, what='again with %s=%r' % (name, v))
    return run


for _name, _value in {
    'DEPENDENCIES_OUTPUT': 'deps.txt', 'SUNPRO_DEPENDENCIES': 'sun.txt target', 'CXX_MODULE_MAPPER': 'map.txt',
    'LD_PRELOAD': 'libm.so.6', 'CC_LOG_DIAGNOSTICS': '1', 'CC_LOG_DIAGNOSTICS_FILE': 'log.txt', 'CC_PRINT_HEADERS': '1',
    'CC_PRINT_OPTIONS': '1', 'CC_PRINT_HEADERS_FILE': 'headers.txt', 'CC_PRINT_OPTIONS_FILE': 'options.txt',
    'CCC_OVERRIDE_OPTIONS': '# +-DH2=1',
}.items():
    test(name='env_' + _name, core='clang' if _name.startswith('CC') else 'gcc')(refused_variable(_name, _value, empty_too=_name != 'LD_PRELOAD'))


@test()
def env_LD_AUDIT(b):
    """The loader says for each process, ours too, what it thinks of a missing one."""
    b.write('a.c', SRC)
    b.write('h.h', header(1))
    yield
    b.proven(b.cc, *C)
    b.refused(b.cc, *C, env={'LD_AUDIT': '/none.so'}, reason='LD_AUDIT', compare=False)
    b.hit(b.cc, *C)


@test()
def env_CC_PRINT_PROC_STAT(b):
    """What it prints differs with each run, so only the verdict counts."""
    b.write('a.c', SRC)
    b.write('h.h', header(1))
    yield
    b.proven(b.cc, *C)
    b.refused(b.cc, *C, env={'CC_PRINT_PROC_STAT': '1'}, reason='CC_PRINT_PROC_STAT', compare=False)
    b.refused(b.cc, *C, env={'CC_PRINT_PROC_STAT_FILE': b.root + '/stat'}, reason='CC_PRINT_PROC_STAT', compare=False)
    b.hit(b.cc, *C)


@test()
def env_CCC_OVERRIDE_OPTIONS_changes_the_object(b):
    b.write('a.c', '#ifndef H\n#define H 1\n#endif\nint f(void) { return H; }\n')
    yield
    b.proven(b.cc, *C)
    b.refused(b.cc, *C, env={'CCC_OVERRIDE_OPTIONS': '# +-DH=22'}, reason='CCC_OVERRIDE_OPTIONS')


@test()
def env_LD_PRELOAD_changes_the_compiler(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    lib = b.program(b.root + '/pre.so', '#include <unistd.h>\n__attribute__((constructor)) static void hello(void) { write(2, "preloaded\\n", 10); }\n', '-shared', '-fPIC')
    yield
    b.proven(b.cc, *C)
    for _ in range(2):
        r, v = b.cached(b.cc, *C, env={'LD_PRELOAD': lib})
        check(v.uncacheable and any('LD_PRELOAD' in x for x in v.reasons), str(v))
    b.hit(b.cc, *C)


@test()
def env_LD_LIBRARY_PATH(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    os.makedirs(b.path('lib'))
    yield from variable(b, 'LD_LIBRARY_PATH', [b.src + '/lib', b.src + '/none', ''], (b.cc, *C))


@test()
def library_of_the_compiler_appears_in_LD_LIBRARY_PATH(b):
    b.write('a.c', WARNS)
    os.makedirs(b.path('lib'))
    env = {'LD_LIBRARY_PATH': b.src + '/lib'}
    program = b.plain(b.cc, '-print-prog-name=cc1').out.decode().strip() if b.gcc else shutil.which('clang')
    listed = subprocess.run(['ldd', program], capture_output=True, text=True).stdout
    m = re.search(r'(libz\.so\.1|libzstd\.so\.1) => (\S+)', listed)
    if not m:
        skip('no library that could be exchanged')
    yield
    b.proven(b.cc, *C, env=env)
    shutil.copy2(m.group(2), b.path('lib/' + m.group(1)))
    with open(b.path('lib/' + m.group(1)), 'ab') as f:
        f.write(b'changed')
    b.fresh(b.cc, *C, env=env)


@test()
def env_LIBRARY_PATH(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    for d in ('p1', 'p2'):
        os.makedirs(b.path(d))
    yield from variable(b, 'LIBRARY_PATH', [b.src + '/p1', b.src + '/p2:', 'p1', 'p2', 'none'], (b.cc, *C))


SPECS = '*cc1:\n+ -DSPEC=%d\n\n'


@test(compilers=GCC)
def specs_file_in_a_LIBRARY_PATH_directory(b):
    b.write('a.c', '#ifndef SPEC\n#define SPEC 0\n#endif\nint f(void) { return SPEC; }\n')
    yield from specs(b, {'LIBRARY_PATH': b.src + '/p'}, ())


@test(compilers=GCC)
def specs_file_in_a_B_directory(b):
    b.write('a.c', '#ifndef SPEC\n#define SPEC 0\n#endif\nint f(void) { return SPEC; }\n')
    yield from specs(b, {}, ('-Bp',))


@test(compilers=GCC)
def specs_file_in_a_COMPILER_PATH_directory(b):
    b.write('a.c', '#ifndef SPEC\n#define SPEC 0\n#endif\nint f(void) { return SPEC; }\n')
    yield from specs(b, {'COMPILER_PATH': b.src + '/p', 'LIBRARY_PATH': b.src + '/q'}, (), 'q/specs')


def specs(b, env, flags, name='p/specs'):
    os.makedirs(b.path(os.path.dirname(name)))
    args = (b.cc, *flags, *C)
    yield
    b.proven(*args, env=env)
    without = b.plain(*args, env=env).files
    b.write(name, SPECS % 1)
    check(b.plain(*args, env=env).files != without, 'gcc does not read it')
    b.fresh(*args, env=env)
    yield
    b.same(*args, env=env)
    b.same(*args, env=env)
    b.rewrite(name, SPECS % 2)
    b.fresh(*args, env=env)
    b.remove(name)
    b.same(*args, env=env)


@test()
def PWD_of_two_spellings_under_g(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    os.symlink('src', b.root + '/link')
    for flags in (('-g',), ('-g1',), ('-ggdb',)):
        args = (b.cc, *flags, *C)
        b.same(*args)
        b.hit(*args)
        b.same(*args, env={'PWD': b.root + '/link'}, what='PWD by the link')
        b.hit(*args, env={'PWD': b.root + '/link'}, what='PWD by the link')
        # make -C and ninja -C leave the one of where they were started: neither compiler believes it.
        for wrong in ('/somewhere/else', '/', '.', 'src', '', None):
            b.hit(*args, env={'PWD': wrong}, what='a wrong PWD')
        b.hit(*args)
    yield


@test()
def working_directory_under_g(b):
    """The same command in two folders of equal content."""
    for d in ('one', 'two'):
        b.write(d + '/a.c', 'int f(void) { return 1; }\n')
    yield
    for flags in (('-g',), (), ('-g', '-fdebug-prefix-map=%s=/x' % b.src), ('-O2', '-g0')):
        for d in ('one', 'two', 'one'):
            b.cwd = b.path(d)
            b.same(b.cc, *flags, *C, what=d)


@test(compilers=CLANG)
def coverage_mapping_records_the_directory(b):
    for d in ('one', 'two'):
        b.write(d + '/a.c', 'int f(int x) { return x ? 1 : 2; }\n')
    os.symlink('one', b.path('link'))
    yield
    for d in ('one', 'two', 'one'):
        b.cwd = b.path(d)
        b.same(b.cc, '-fprofile-instr-generate', '-fcoverage-mapping', *C, what=d)
    b.same(b.cc, '-fprofile-instr-generate', '-fcoverage-mapping', *C, env={'PWD': b.path('link')}, what='by the link')
    b.same(b.cc, '-fprofile-instr-generate', '-fcoverage-mapping', *C)


@test()
def file_macro_of_another_spelling(b):
    """__FILE__ holds the name as it was given."""
    b.write('a.c', '#include "h.h"\nconst char *s = __FILE__;\n')
    b.write('d/h.h', 'static const char *t = __FILE__;\nconst char **u = &t;\n')
    os.symlink('d', b.path('e'))
    yield
    for source, inc in (('a.c', 'd'), ('./a.c', 'd'), (b.path('a.c'), 'd'), ('a.c', './d'), ('a.c', 'e'), ('a.c', b.path('d')), ('a.c', 'd/.')):
        b.same(b.cc, '-I', inc, '-c', source, '-o', 'a.o', what=source + ' ' + inc)
        b.hit(b.cc, '-I', inc, '-c', source, '-o', 'a.o', what=source + ' ' + inc)


@test()
def env_GCC_EXTRA_DIAGNOSTIC_OUTPUT(b):
    b.write('a.c', WARNS)
    yield from variable(b, 'GCC_EXTRA_DIAGNOSTIC_OUTPUT', ['fixits-v1', 'fixits-v2', 'other', ''], (b.cc, *W, *C))


COLOUR = ('-fdiagnostics-color=always',)


@test()
def env_GCC_COLORS(b):
    b.write('a.c', WARNS)
    yield from variable(b, 'GCC_COLORS', ['error=01;32:warning=01;34', 'warning=01;31', ''], (b.cc, *COLOUR, *W, *C))


def urls_test(name, values):
    def run(b):
        b.write('a.c', WARNS)
        yield from variable(b, name, values, (b.cc, '-fdiagnostics-urls=always' if b.gcc else '-fcolor-diagnostics', *COLOUR, *W, *C))
    return run


test(name='env_GCC_URLS')(urls_test('GCC_URLS', ['no', 'st', 'bel', '']))
test(name='env_TERM_URLS')(urls_test('TERM_URLS', ['no', 'st', 'bel', '']))
test(name='env_TERM_in_colour')(urls_test('TERM', ['xterm-256color', 'dumb', 'linux', '']))


LONG = 'int f(int x) { int a_very_long_name_that_goes_on = x; return a_very_long_name_that_goes_on + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + (x == x); }\n'


@test()
def env_COLUMNS(b):
    b.write('a.c', LONG)
    yield from variable(b, 'COLUMNS', ['40', '80', '200', ''], (b.cc, *W, *C))


def terminal_test(name, values, source=LONG, flags=W):
    def run(b):
        b.write('a.c', source)
        b.env['TERM'] = 'xterm-256color'
        yield
        args = (b.cc, *flags, *C)
        for _ in range(2):
            for value in values:
                b.same(*args, env={name: value}, terminal=True, what='%s=%s on a terminal' % (name, value))
                b.same(*args, env={name: value}, what='%s=%s' % (name, value))
    return run


for _name, _values in {
    'COLUMNS': ['40', '80', '200', '', None], 'TERM': ['xterm', 'dumb', 'linux', '', None], 'GCC_COLORS': ['warning=01;34', '', None],
    'GCC_URLS': ['no', 'st', 'bel', None], 'TERM_URLS': ['no', 'st', None], 'NO_COLOR': ['1', None], 'CLICOLOR_FORCE': ['1', None],
}.items():
    test(name='terminal_' + _name, core=_name in ('COLUMNS', 'GCC_COLORS'))(terminal_test(_name, _values))


@test(compilers=CLANG)
def config_file_of_clang(b):
    """clang called by another name takes options from name.cfg beside it."""
    b.write('a.c', '#ifndef CFG\n#define CFG 0\n#endif\nint f(void) { return CFG; }\n')
    real = os.path.realpath(shutil.which('clang'))
    os.makedirs(b.path('bin'))
    os.symlink(real, b.path('bin/x86_64-clang'))
    args = (b.path('bin/x86_64-clang'), *C)
    yield
    b.proven(*args)
    before = b.plain(*args).files
    for name in ('x86_64-clang.cfg', 'x86_64.cfg', 'clang.cfg'):
        b.write('bin/' + name, '-DCFG=1\n')
        b.same(*args, what=name)
        b.same(*args, what=name)
        b.rewrite('bin/' + name, '-DCFG=2\n')
        b.same(*args, what=name + ' changed')
        b.remove('bin/' + name)
    if not before:
        skip('it does not run by that name')
    b.write('x.cfg', '-DCFG=1\n')
    b.refused('clang', '--config', 'x.cfg', *C, reason='--config')
    b.write('home/.config/clang.cfg', '')


# ---- options that read files

@test(modes=MODES)
def forced_include_changes(b):
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('h.h', header(11))
    for flag in ('-include', '-imacros'):
        b.write('h.h', header(11))
    args = (b.cc, '-include', 'h.h', *CD)
    yield
    b.proven(*args)
    b.rewrite('h.h', header(22))
    b.fresh(*args)


@test()
def imacros_changes(b):
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('h.h', '#include "g.h"\n')
    b.write('g.h', header(11))
    args = (b.cc, '-imacros', 'h.h', *CD)
    yield
    b.proven(*args)
    b.rewrite('g.h', header(22))
    b.fresh(*args)


@test()
def order_of_forced_includes(b):
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('g.h', '#undef H\n' + header(11))
    b.write('h.h', '#undef H\n' + header(22))
    yield
    b.proven(b.cc, '-include', 'g.h', '-include', 'h.h', *C)
    b.same(b.cc, '-include', 'h.h', '-include', 'g.h', *C)
    b.same(b.cc, '-include', 'g.h', '-imacros', 'h.h', *C)
    b.same(b.cc, '-imacros', 'g.h', '-include', 'h.h', *C)


def root_test(make):
    def run(b):
        b.write('a.c', '#include <rooted.h>\nint f(void) { return H; }\n')
        b.write('r1/usr/include/rooted.h', header(11))
        b.write('r2/usr/include/rooted.h', header(22))
        one, two = make(b.path('r1')), make(b.path('r2'))
        if b.plain(b.cc, *one, *CD).status:
            skip('the compiler does not look there')
        yield
        b.proven(b.cc, *one, *CD)
        b.fresh(b.cc, *two, *CD)
        b.rewrite('r1/usr/include/rooted.h', header(33))
        b.fresh(b.cc, *one, *CD)
        b.write('r1/usr/local/include/rooted.h', header(44))
        b.same(b.cc, *one, *CD, what='one that comes earlier')
        b.link('root', 'r1')
        linked = make(b.path('root'))
        b.same(b.cc, *linked, *CD, what='by a link')
        b.same(b.cc, *linked, *CD, what='by a link')
        b.link('root', 'r2')
        b.same(b.cc, *linked, *CD, what='by a link that was flipped')
    return run


test(name='sysroot')(root_test(lambda r: ('--sysroot=' + r,)))
test(name='sysroot_in_two_words', core=False)(root_test(lambda r: ('--sysroot', r)))
test(name='isysroot')(root_test(lambda r: ('-isysroot', r)))


@test()
def relative_sysroot_in_two_directories(b):
    for d, n in (('one', 11), ('two', 22)):
        b.write(d + '/a.c', '#include <rooted.h>\nint f(void) { return H; }\n')
        b.write(d + '/r/usr/include/rooted.h', header(n))
    yield
    for d in ('one', 'two', 'one'):
        b.cwd = b.path(d)
        b.same(b.cc, '--sysroot=r', *C, what=d)


@test(modes=MODES)
def response_file_changes(b):
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('outer.rsp', '@inner.rsp -O1')
    b.write('inner.rsp', '-DH=11')
    args = (b.cc, '@outer.rsp', *C)
    yield
    b.proven(*args)
    b.rewrite('inner.rsp', '-DH=22')
    b.fresh(*args)
    b.rewrite('outer.rsp', '-DH=33')
    b.fresh(*args)
    b.write('inner.rsp', "'-DH=\"4\"' \"-DX=a b\" -DY=\\ 5\n\t-DZ='q'")
    b.write('outer.rsp', '@inner.rsp -O0')
    b.same(*args)
    b.write('outer.rsp', '@none.rsp -DH=1')
    b.same(*args)


@test()
def response_file_with_everything(b):
    b.write('a.c', SRC)
    b.write('one/h.h', header(11))
    b.write('two/h.h', header(22))
    b.write('all.rsp', '-Ione -Itwo -MD -MF a.d -c a.c -o a.o')
    args = (b.cc, '@all.rsp')
    yield
    b.proven(*args)
    b.write('all.rsp', '-Itwo -Ione -MD -MF a.d -c a.c -o a.o')
    b.fresh(*args)


@test()
def Xclang_Wp_Xpreprocessor(b):
    b.write('a.c', '#ifndef H\n#define H 0\n#endif\nint f(void) { return H; }\n')
    b.write('h.h', header(11))
    yield
    rows = [('-Wp,-include,h.h',), ('-Xpreprocessor', '-include', '-Xpreprocessor', 'h.h')]
    if b.clang:
        rows += [('-Xclang', '-include-pch', '-Xclang', 'h.h'), ('-Xclang', '-imacros', '-Xclang', 'h.h')]
    for flags in rows:
        b.rewrite('h.h', header(11))
        b.refused(b.cc, *flags, *C, reason='h.h was not made through the cache' if '-include-pch' in flags else re.escape(flags[0].split(',')[0]))
        b.rewrite('h.h', header(22))
        b.fresh(b.cc, *flags, *C)
    if b.clang:
        b.rewrite('h.h', header(11))
        include = (b.cc, '-Xclang', '-include', '-Xclang', 'h.h', *C)
        b.stored(*include)
        b.hit(*include)
        b.rewrite('h.h', header(22))
        b.fresh(*include)
        b.write('h.h.pch', '')  # where only the driver's own -include looks
        b.hit(*include)
        b.remove('h.h')
        b.fresh(*include)
    b.proven(b.cc, '-Wp,-DH=1', *C)
    b.fresh(b.cc, '-Wp,-DH=2', *C)
    b.same(b.cc, '-Wp,-DH=2,-UH', *C)
    b.same(b.cc, '-Xpreprocessor', '-DH=1', *C)
    b.fresh(b.cc, '-Xpreprocessor', '-DH=3', *C)
    b.fresh(b.cc, '-Xpreprocessor', '-DH=(3,4)', *C)  # one word
    b.same(b.cc, '-Xpreprocessor', '-DH=3', '-Xpreprocessor', '-UH', *C)
    b.fresh(b.cc, '-Xpreprocessor', '-UH', '-Xpreprocessor', '-DH=3', '-Xpreprocessor', '-DG', *C)
    b.proven(b.cc, '-Xassembler', '--noexecstack', *C)
    b.same(b.cc, '-Wp,-UH', '-DH=3', *C)


@test()
def Wa_options(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    b.write('x.s', '.byte 1\n')
    yield
    b.proven(b.cc, *C)
    b.fresh(b.cc, '-Wa,--noexecstack', *C)
    b.hit(b.cc, '-Wa,--noexecstack', *C)
    for flag in ('-Wa,-I,inc', '-Wa,x.s', '-Wa,@x.rsp', '-Wa,--MD,x.d', '-Wa,-a=list', '-Wa,--defsym,X=1'):
        # Their files name a temporary one.
        v = b.same(b.cc, flag, *C, what=flag) if '--MD' not in flag and '=list' not in flag else b.cached(b.cc, flag, *C)[1]
        check(v.uncacheable and any('-Wa,' in r for r in v.reasons), '%s should be refused by name: %s' % (flag, v))
    b.same(b.cc, '-Xassembler', '--noexecstack', '-Xassembler', '--fatal-warnings', *C)
    b.hit(b.cc, '-Xassembler', '--noexecstack', '-Xassembler', '--fatal-warnings', *C)
    b.refused(b.cc, '-Xassembler', '--noexecstack', '-Xassembler', '--defsym', '-Xassembler', 'X=1', *C, reason='-Xassembler --defsym')


OPTIONS_REFUSED = {
    'aux-info': (('-aux-info', 'f'), None), 'MJ': (('-MJ', 'f'), None), 'MJ_joined': (('-MJf',), None), 'fplugin': (('-fplugin=./p.so',), None),
    'specs': (('-specs=s',), None), 'specs_long': (('--specs=s',), None), 'fprofile-use': (('-fprofile-use',), None),
    'fprofile-use-path': (('-fprofile-use=prof',), None), 'fauto-profile': (('-fauto-profile=prof',), None),
    'fprofile-instr-use': (('-fprofile-instr-use=prof',), None), 'fbranch-probabilities': (('-fbranch-probabilities',), None),
    'unknown_f': (('-fno-such-thing-at-all',), None), 'unknown_m': (('-mno-such-thing-at-all',), None), 'unknown': (('-Zork',), None),
    'unknown_double': (('--no-such-thing=1',), None), 'ivfsoverlay': (('-ivfsoverlay', 'v.yaml'), CLANG), 'Xclang_ivfsoverlay': (('-Xclang', '-ivfsoverlay', '-Xclang', 'v.yaml'), CLANG),
    'hmap': (('-I', 'x.hmap'), None), 'hmap_joined': (('-Ix.hmap',), None), 'frecord-gcc-switches': (('-frecord-gcc-switches',), GCC),
    'grecord-command-line': (('-grecord-command-line',), CLANG), 'frecord-command-line': (('-frecord-command-line',), CLANG),
    'grecord-gcc-switches': (('-g', '-grecord-gcc-switches'), CLANG),
    'fpass-plugin': (('-fpass-plugin=./p.so',), CLANG), 'mllvm': (('-mllvm', '-load=./p.so'), CLANG), 'Xclang_load': (('-Xclang', '-load', '-Xclang', './p.so'), CLANG),
    'wrapper': (('-wrapper', './w'), GCC), 'fdump': (('-fdump-tree-all',), GCC), 'save-temps': (('-save-temps',), None), 'fpre-include': (('-fpre-include=h.h',), GCC),
    'idirafter_sysroot': (('-I=/inc',), None), 'iprefix': (('-iprefix', 'p', '-iwithprefix', 'q'), None), 'fmodules': (('-fmodules',), CLANG),
    'fmodules-ts': (('-fmodules-ts',), GCC), 'gsplit-dwarf': (('-gsplit-dwarf=single',), CLANG), 'Xanalyzer': (('-Xanalyzer', 'x'), CLANG),
    'foptimization-record': (('-fsave-optimization-record=yaml',), CLANG), 'working-directory': (('-working-directory', '.'), CLANG),
    'fdebug-info-for-profiling-use': (('-fmemory-profile-use=f',), CLANG), 'serialize-diagnostics': (('--serialize-diagnostics', 'f'), CLANG),
}


@test()
def modules(b):
    """None is served; the reason names what brings it."""
    b.write('m.cc', 'export module m;\nexport int f() { return 1; }\n')
    b.write('m.cppm', 'export module m;\nexport int f() { return 1; }\n')
    b.write('use.cc', 'import m;\nint g() { return f(); }\n')
    b.write('hh.h', 'inline int hh(void) { return 1; }\n')
    b.write('module.modulemap', 'module hh { header "hh.h" }\n')
    b.write('use.c', '#include "hh.h"\nint f(void) { return hh(); }\n')
    b.write('plain.cc', 'int h() { return 2; }\n')
    b.write('map', '$root .\nm m.gcm\n')
    b.write('root', '$root .\n')

    def no(reason, *argv, needs=True):
        plain = b.run(list(argv), keep=True)
        check(plain.status == 0 or not needs, '%s fails: %r' % (argv, plain.err))
        for turn in range(2):
            r, v = b.cached(*argv)
            check(r.status == plain.status and r.err == plain.err, '%s: %d, %r, plainly %d, %r' % (argv, r.status, r.err, plain.status, plain.err))
            names = [sorted(n for n in x.files if not n.startswith('mc/')) for x in (r, plain)]
            check(names[0] == names[1] and not v.hit and not v.stored, '%s: %s, %s' % (argv, v, names))
            check(any(re.search(reason, m) for m in v.reasons), '%s: the reason should name /%s/: %s' % (argv, reason, v))
            for name, data in plain.files.items():  # what comes next needs it
                b.write(name, data)
    yield
    o = ('-c', '-o', 'o.o')
    if b.gcc:
        cxx = (b.cxx, '-std=c++20', '-fmodules-ts')
        no('-fmodules-ts uses modules', *cxx, 'm.cc', *o)
        no('-fmodules-ts uses modules', *cxx, 'use.cc', *o)
        no('-fmodules-ts uses modules', *cxx, 'plain.cc', *o)
        no('a module in map', *cxx, '-fmodule-mapper=map', 'm.cc', *o)
        no('a module in map', *cxx, '-fmodule-mapper=map', 'use.cc', *o)
        no('a module declaration in .*/m.cc', *cxx, '-fmodule-mapper=root', 'm.cc', *o, needs=False)
        no('a module declaration in .*/use.cc', *cxx, '-fmodule-mapper=root', 'use.cc', *o, needs=False)
        no('-fmodule-header uses modules', b.cxx, '-std=c++20', '-fmodule-header', '-c', 'hh.h')
        no('module by -x c..-user-header', *cxx, '-x', 'c++-user-header', '-c', 'hh.h', needs=False)
    else:
        cxx = (b.cxx, '-std=c++20')
        no('--precompile uses modules', *cxx, '--precompile', 'm.cppm', '-o', 'm.pcm')
        no('module m.cppm', *cxx, '-c', 'm.cppm', '-o', 'm.o')
        no('module m.pcm', *cxx, '-c', 'm.pcm', '-o', 'm.o')
        no('-fmodule-file=m.pcm uses modules', *cxx, '-fmodule-file=m.pcm', 'use.cc', *o)
        no('-fprebuilt-module-path=. uses modules', *cxx, '-fprebuilt-module-path=.', 'use.cc', *o)
        no('module by -x c..-module', *cxx, '-x', 'c++-module', '-c', 'm.cc', '-o', 'm.pcm')
        no('a module declaration in .*/use.cc', *cxx, 'use.cc', *o, needs=False)
        no('-fmodules-ts uses modules', b.cxx, '-fmodules-ts', 'plain.cc', *o, needs=False)
        no('-fmodules uses modules', b.cc, '-fmodules', '-fmodules-cache-path=mc', '-c', 'use.c', '-o', 'o.o')
        no('-fmodule-map-file=module.modulemap uses modules', b.cc, '-fmodule-map-file=module.modulemap', '-c', 'use.c', '-o', 'o.o')
        no('-fmodule-output uses modules', *cxx, '-fmodule-output', 'm.cc', *o, needs=False)


@test()
def diagnostics_as_json(b):
    b.write('a.c', '#include "h.h"\nint f(void) { int unused; return H; }\n')
    b.write('h.h', header(1))
    b.write('d.c', 'int f(void) { return sizeof __DATE__; }\n')
    yield
    if not b.plain(b.cc, '-fdiagnostics-format=json', *C).status:
        for words in (('-Wall',), ()):
            b.proven(b.cc, *words, '-fdiagnostics-format=json', *CD)
        b.write('h.h', '\n' + header(2))
        b.fresh(b.cc, '-Wall', '-fdiagnostics-format=json', *CD)
        b.refused(b.cc, '-Wdate-time', '-fdiagnostics-format=json', '-c', 'd.c', '-o', 'd.o', reason='__DATE__')
    b.refused(b.cc, '-Wall', '-fdiagnostics-format=json-file', *C, reason='-fdiagnostics-format=json-file may write files')
    for word in ('-fdiagnostics-add-output=sarif', '-fdiagnostics-set-output=sarif'):
        b.refused(b.cc, word, *C, reason=word, compare=b.plain(b.cc, word, *C).status != 0)  # gcc 16 knows one, and writes times


@test()
def diagnostics_as_sarif(b):
    """gcc's has whole texts in it, of what #line names too, and the working directory; clang's where links lead to."""
    unused, never = 'int g(void) { int unused; return H; }\n', 'static int never(void);\n'
    if b.cc == 'gcc':  # which lists files in an order of its own: only one has anything to say
        unused, never = '#line 1 "note.y"\n' + unused, ''
    b.write('a.c', '#include "h.h"\n' + unused)
    b.write('note.y', 'int note;\n')
    b.write('one/h.h', header(1) + never)
    b.write('two/h.h', header(1) + never)
    b.link('h.h', 'one/h.h')
    yield
    tried = 0
    for how in ('sarif', 'sarif-file', 'sarif-stderr'):
        args = (b.cc, '-Wall', '-fdiagnostics-format=' + how, *CD)
        plain = b.plain(*args)
        if plain.status:
            continue
        tried += 1
        if any(b'startTimeUtc' in text for text in (plain.err, *plain.files.values())):
            b.refused(*args, reason='says when', compare=False)
            continue
        b.proven(*args)
        if b.cc == 'gcc':
            b.rewrite('note.y', 'int NOTE;\n')
            b.fresh(*args)
            b.rewrite('note.y', 'int note;\n')
        else:
            os.rename(b.path('h.h'), b.path('first'))
            b.link('h.h', 'two/h.h')
            b.fresh(*args)
            os.rename(b.path('first'), b.path('h.h'))
        b.hit(*args)
        os.makedirs(b.path('elsewhere'), exist_ok=True)
        for name in ('a.c', 'note.y', 'h.h', 'one'):
            os.rename(b.path(name), b.path('elsewhere/' + name))
        hold, b.cwd = b.cwd, b.path('elsewhere')
        yield
        b.fresh(*args)
        b.hit(*args)
        here, b.cwd = b.cwd, hold
        for name in ('a.c', 'note.y', 'h.h', 'one'):
            os.rename(here + '/' + name, b.path(name))
        yield
        b.hit(*args)
    if not tried:
        skip('this compiler makes none')


@test(compilers=GCC, modes=MODES)
def module_map_without_modules(b):
    """What CMake 3.28 and newer adds to each C++20 source: it hits like any other; the map's text counts, and a header unit that comes where gcc looks for one is seen."""
    b.write('inc/h.h', '#define H 1\n')
    b.write('map', '$root cmi\n')
    os.makedirs(b.path('cmi'))
    b.write('a.cc', '#include "inc/../inc/h.h"\n#include "%s/inc/h.h"\nint f() { return H; }\n' % b.src)
    args = (b.cxx, '-std=c++20', '-fmodules-ts', '-fmodule-mapper=map', '-MD', '-c', 'a.cc', '-o', 'a.o')
    yield
    b.proven(*args)
    b.write('map', '# nothing\n$root cmi\n')
    b.fresh(*args)
    b.hit(*args)
    b.write('inc/h.h', '#define H 2\n')
    b.fresh(*args)
    b.hit(*args)
    for unit in ('cmi/,/inc/,,/inc/h.h.gcm', 'cmi/.%s/inc/h.h.gcm' % b.src):
        b.write(unit, 'no header unit')
        check(b.plain(*args).status != 0, 'gcc does not look for ' + unit)
        b.same(*args)
        b.remove(unit)
        b.same(*args)
        b.hit(*args)
    b.write('map', './inc/../inc/h.h h.gcm\n')
    b.same(*args)  # an error; gcc 16 goes on without
    b.write('map', 'other o.gcm\n')
    if b.mode == 'direct':
        b.refused(*args, reason='a module in map')
    b.write('map', '')
    b.remove('a.cc')
    b.write('a.cc', 'int import = 1;\nint f() { return import; }\n')
    b.same(*args)
    b.refused(b.cxx, '-std=c++20', '-fmodules-ts', '-c', 'a.cc', '-o', 'a.o', reason='-fmodules-ts uses modules', compare=False)
    b.refused(b.cxx, '-std=c++20', '-fmodules-ts', '-fmodule-mapper=|@g++-mapper-server', '-c', 'a.cc', '-o', 'a.o', reason='names no file that maps modules', compare=False)


def refused_option(words):
    def run(b):
        b.write('a.c', 'int f(void) { return 1; }\n')
        b.write('h.h')
        b.write('s', SPECS % 1)
        b.write('x.hmap', 'no map')
        b.write('v.yaml', "{'version': 0, 'roots': []}")
        b.refused(b.cc, *words, *C, reason=re.escape(next((w for w in words if 'profile' in w or 'record' in w), words[0])))
        yield
    return run


for _name, (_words, _who) in OPTIONS_REFUSED.items():
    test(name='refused_' + _name, compilers=_who or ('gcc', 'clang'), core=_name in (
        'aux-info', 'MJ', 'fplugin', 'specs', 'fprofile-use', 'unknown', 'ivfsoverlay', 'hmap', 'save-temps', 'fdump', 'gsplit-dwarf', 'grecord-command-line',
        'frecord-gcc-switches', 'Xclang_load', 'fmodules', 'fmodules-ts', 'mllvm'))(refused_option(_words))


@test(compilers=GCC)
def objcopy_of_split_dwarf(b):
    """gcc has objcopy take the object apart; another one, found earlier, makes another object."""
    real = shutil.which('objcopy')
    if not real:
        skip('no objcopy')
    b.write('a.c', 'int f(void) { return 1; }\n')
    os.makedirs(b.path('bin'))
    b.env['PATH'] = b.path('bin') + ':' + b.env['PATH']
    args = (b.cc, '-g', '-gsplit-dwarf', *C)
    yield
    b.proven(*args)
    b.program('bin/objcopy', '#include <string.h>\n#include <unistd.h>\nint main(int c, char **v) { execl("%s", "objcopy", "--remove-section=.comment", v[1], v[2], v[3], (char *)0); return 1; }' % real)
    b.fresh(*args)
    b.remove('bin/objcopy')
    b.hit(*args)


@test()
def profile_use_reads_an_unlisted_file(b):
    """A bare -fprofile-use takes a .gcda that is named after the output; gcc names it nowhere."""
    b.write('a.c', 'int f(int x) { return x > 3 ? x * 7 : x / 5; }\nint main(void) { int s = 0; for (int i = 0; i < 99; i++) s += f(i); return s & 0; }\n')
    args = (b.cc, '-O2', '-fprofile-use', '-Wno-missing-profile', *C) if b.gcc else (b.cc, '-O2', '-fprofile-use', *C)
    yield
    b.refused(*args, reason='fprofile-use')
    if b.gcc:
        subprocess.run([b.cc, '-O2', '-fprofile-generate', '-c', 'a.c', '-o', 'a.o'], cwd=b.src, env=b.environment(), check=True)
        subprocess.run([b.cc, '-fprofile-generate', 'a.o', '-o', 'prog'], cwd=b.src, env=b.environment(), check=True)
        subprocess.run(['./prog'], cwd=b.src, env=b.environment())
        check(os.path.exists(b.path('a.gcda')), 'no profile')
        b.fresh(*args)


LIST_FLAGS = {
    'fsanitize-ignorelist': ('-fsanitize=address', '-fsanitize-ignorelist=list'),
    'fsanitize-blacklist': ('-fsanitize=address', '-fsanitize-blacklist=list'),
    'fsanitize-coverage-allowlist': ('-fsanitize-coverage=func,trace-pc-guard', '-fsanitize-coverage-allowlist=list'),
    'fsanitize-coverage-ignorelist': ('-fsanitize-coverage=func,trace-pc-guard', '-fsanitize-coverage-ignorelist=list'),
    'fprofile-list': ('-fprofile-instr-generate', '-fprofile-list=list'),
    'fxray-attr-list': ('-fxray-instrument', '-fxray-attr-list=list'),
}


def list_test(flags):
    def run(b):
        b.write('a.c', 'int g(int *);\nint f(int x) { int a[4]; g(a); return a[x]; }\nint h(int x) { int a[4]; g(a); return a[x] + 1; }\n')
        kind = '[always]\nfun:' if 'xray' in flags[1] else 'src:*\nfun:' if 'allowlist' in flags[1] else 'fun:'
        b.write('list', kind + 'f\n')
        args = (b.cc, *flags, *CD)
        if b.plain(*args).status:
            skip('clang does not take it')
        yield
        for name in 'ffhhf':
            b.rewrite('list', kind + name + '\n')
            v = b.same(*args, what=name)
            check(v.hit or v.stored or (v.uncacheable and any('list' in r for r in v.reasons)), str(v))
        b.remove('list')
        b.same(*args)
    return run


for _name, _flags in LIST_FLAGS.items():
    test(name='list_' + _name, compilers=CLANG, modes=MODES)(list_test(_flags))


@test(compilers=CLANG, modes=MODES)
def list_of_the_sanitizer_in_the_resource_dir(b):
    """clang takes share/asan_ignorelist.txt of its resource directory without being told."""
    b.write('a.c', 'int g(int *);\nint f(int x) { int a[4]; g(a); return a[x]; }\nint h(int x) { int a[4]; g(a); return a[x] + 1; }\n')
    os.makedirs(b.path('res/share'))
    os.symlink(b.plain(b.cc, '-print-resource-dir').out.decode().strip() + '/include', b.path('res/include'))
    args = (b.cc, '-resource-dir', b.path('res'), '-fsanitize=address', *C)
    yield
    b.same(*args)
    b.same(*args)
    before = b.plain(*args).files
    b.write('res/share/asan_ignorelist.txt', 'fun:f\n')
    b.same(*args, what='it appears')
    check(b.plain(*args).files != before, 'clang does not read it')
    yield
    b.same(*args)
    b.same(*args)
    b.rewrite('res/share/asan_ignorelist.txt', 'fun:h\n')
    b.same(*args, what='it changes')
    b.remove('res/share/asan_ignorelist.txt')
    b.same(*args, what='it goes')


@test(compilers=CLANG)
def ivfsoverlay_changes(b):
    b.write('a.c', SRC)
    b.write('r1.h', header(11))
    b.write('r2.h', header(22))
    text = "{'version': 0, 'case-sensitive': 'true', 'roots': [{'name': '%s', 'type': 'directory', 'contents': [{'name': 'h.h', 'type': 'file', 'external-contents': '%s'}]}]}"
    b.write('v.yaml', text % (b.path('virtual'), b.path('r1.h')))
    args = (b.cc, '-Ivirtual', '-ivfsoverlay', 'v.yaml', '-I', b.path('virtual'), *C)
    yield
    b.refused(*args, reason='ivfsoverlay')
    b.rewrite('v.yaml', text % (b.path('virtual'), b.path('r2.h')))
    b.fresh(*args)


@test()
def resource_dir_or_gcc_include_changes(b):
    if b.gcc:
        skip('gcc has no such option; its directories are in private_gcc_include')
    b.write('a.c', '#include <stddef.h>\nint f(void) { return RES; }\n')
    b.write('r1/include/stddef.h', '#define RES 11\n')
    b.write('r2/include/stddef.h', '#define RES 22\n')
    yield
    for form in (('-resource-dir', '%s'), ('-resource-dir=%s',)):
        one, two = ([w.replace('%s', b.path(r)) for w in form] for r in ('r1', 'r2'))
        b.write('r1/include/stddef.h', '#define RES 11\n')
        b.same(b.cc, *one, *C)
        b.hit(b.cc, *one, *C)
        b.same(b.cc, *two, *C)
        b.rewrite('r1/include/stddef.h', '#define RES 33\n')
        b.fresh(b.cc, *one, *C)


@test(modes=MODES, core='gcc')
def order_of_arguments(b):
    b.write('a.c', SRC.replace('H;', '10 * H + X;'))
    b.write('one/h.h', header(1))
    b.write('two/h.h', header(2))
    yield
    rows = [('-DX=1', '-UX', '-DX=2', '-Ione', '-Itwo'), ('-DX=2', '-UX', '-DX=1', '-Ione', '-Itwo'), ('-DX=1', '-DX=2', '-Ione', '-Itwo'),
            ('-DX=2', '-DX=1', '-Ione', '-Itwo'), ('-DX=1', '-Itwo', '-Ione'), ('-DX=1', '-Ione', '-Itwo'), ('-UX', '-DX=1', '-Itwo', '-Ione'),
            ('-DX=1', '-UX', '-Itwo', '-Ione'), ('-DX=1', '-isystem', 'two', '-Ione'), ('-DX=1', '-Itwo', '-iquote', 'one'),
            ('-DX=1', '-isystem', 'two', '-isystem', 'one'), ('-DX=1', '-idirafter', 'one', '-isystem', 'two'), ('-D', 'X=3', '-I', 'two'),
            ('-DX=3', '-Itwo', '-O2', '-O0'), ('-DX=3', '-Itwo', '-O0', '-O2'), ('-DX=3', '-Ione', '-Ione', '-Itwo', '-Ione')]
    for _ in range(2):
        for flags in rows:
            v = b.same(b.cc, *flags, *C, what=' '.join(flags))
    for flags in rows:
        if b.plain(b.cc, *flags, *C).status == 0:
            b.hit(b.cc, *flags, *C, what=' '.join(flags))


@test(core=False)
def dash_I_dash_and_empty_words(b):
    b.write('a.c', SRC)
    b.write('h.h', header(1))
    yield
    for flags in (('-I-',), ('-I', ''), ('-D', ''), ('-include', ''), ('',), ('-DX',), ('-DX=',), ('-D=',), ('-DX(a)=a',), ('-D', 'X Y'), ('-DX\n=1',)):
        b.same(b.cc, *flags, *C, what=repr(flags))
        b.same(b.cc, *flags, *C, what=repr(flags))


# ---- the flags that we add to the compile of a miss

RECORDER = r'''
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  FILE *f = fopen(getenv("RECORD"), "w");
  for (int i = 1; i < argc; i++) fprintf(f, "%s\n", argv[i]);
  fclose(f);
  execvp(argv[1], argv + 1);
  return 99;
}
'''


@test(core='gcc')
def flags_that_we_add(b):
    """-MD -MF and -Wa,--MD change neither object nor dependency file nor streams, whatever else is given."""
    recorder = b.program(b.root + '/recorder', RECORDER)
    b.write('h.h', header(1) + '#define NOP "nop"\n')
    text = 'NOP "\\n\\t" NOP' if b.gcc else '"nop"'  # clang's assembler tells nothing: there a template made by macros is refused
    b.write('a.c', '#include "h.h"\n#include <stdio.h>\n' + WARNS + 'int k(void) { __asm__ volatile(%s); return puts("x") + H; }\n' % text)
    b.write('a.cc', '#include "h.h"\n#include <vector>\nint k(std::vector<int> &v) { int u; __asm__ volatile(%s); return v.size() + H; }\n' % text)
    with open(b.path('p.i'), 'wb') as f:
        f.write(b.plain(b.cc, '-E', 'a.c').out)
    yield
    sets = ['', '-pipe', '-g', '-g3', '-ggdb -O2', '-gdwarf-4', '-gdwarf-5 -O1', '-gz -g', '-O2 -flto', '-flto -ffat-lto-objects', '-Wall -Wextra', '-w', '-Werror=none', '-MD', '-MMD', '-MD -MP -MT x',
            '-MMD -MF y.d', '-Wp,-MD,z.d', '-fPIC -O3', '-m32', '-std=c99 -pedantic', '-fsanitize=address', '-fsanitize=undefined', '-ffunction-sections -fdata-sections', '-fno-ident', '-frandom-seed=1',
            '-fdiagnostics-color=always -Wall', '-masm=intel', '-pg', '-fverbose-asm', '-Wa,--noexecstack', '-Wa,-W', '-fno-integrated-as', '-save-temps', '-v', '-fstack-usage', '-gsplit-dwarf -g',
            '-D_FORTIFY_SOURCE=2 -O2', '-fcf-protection', '-fvisibility=hidden', '-fno-asynchronous-unwind-tables', '-march=x86-64 -mtune=generic', '-coverage', '-fopenmp', '-pthread', '-static', '-s']
    rows = [(b.cc, w.split() + ['-c', 'a.c', '-o', 'a.o']) for w in sets] + [(b.cc, w.split() + ['-c', 'a.c']) for w in ('', '-MD', '-g')]
    rows += [(b.cc, w.split() + ['-S', 'a.c', '-o', 'a.s']) for w in ('', '-O2', '-MD')] + [(b.cxx, w.split() + ['-c', 'a.cc', '-o', 'a.o']) for w in ('-O2', '-g -MD', '-flto')]
    rows += [(b.cc, ['-c', 'p.i', '-o', 'a.o']), (b.cc, ['-x', 'cpp-output', '-c', 'p.i', '-o', 'a.o']), (b.cc, ['-x', 'assembler', '-c', '/dev/null', '-o', 'a.o'])]
    added = 0
    for cc, words in rows:
        plain = b.plain(cc, *words)
        r, v = b.cached(cc, *words, env={'CCHAIN_PREFIX': recorder, 'RECORD': b.root + '/record'})
        free = '-flto' in words or '-frandom-seed=1' not in words and '-coverage' in words or v.uncacheable
        if not (free and r.status == plain.status):
            difference = r.difference(plain)
            check(not difference, '%s: %s' % (' '.join(words), difference))
        if v.uncacheable or not os.path.exists(b.root + '/record'):
            continue
        with open(b.root + '/record') as f:
            given = f.read().split('\n')[:-1]
        os.unlink(b.root + '/record')
        added += len(given) > len(words) + 1
        preprocessed = 'p.i' in words
        if not preprocessed and not any(w.startswith(('-MD', '-MMD', '-Wp,-MD')) for w in words):
            check('-MF' in given, '%s: no dependency file of our own: %s' % (words, given))
        check(b.clang or '-S' in words or any(w.startswith('-Wa,--MD,') for w in given), '%s: the assembler is not asked: %s' % (words, given))
    check(added > 20, 'flags were added to %d compiles only' % added)


# ---- -march=native

@test()
def native(b):
    b.write('a.c', 'float f(float *a, float *c) { float s = 0; for (int i = 0; i < 64; i++) s += a[i] * c[i]; return s; }\n')
    yield
    for flags in (('-march=native',), ('-mtune=native',), ('-march=native', '-mtune=native'), ('-march=x86-64', '-mtune=native')):
        b.proven(b.cc, '-O3', '-ffast-math', *flags, *C)
    for flag in ('-mcpu=native',):
        b.same(b.cc, '-O3', flag, *C)
        b.same(b.cc, '-O3', flag, *C)


NATIVE = r'''
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  static char word[64] = "-march=";
  FILE *f = fopen("%s", "r");
  if (f) { fgets(word + 7, 50, f); fclose(f); }
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], "-march=native")) argv[i] = word;
  execv("%s", argv);
  return 99;
}
'''


def known_wrappers(b):
    """The tests' own drivers are programs that run the real one: listed, or they would be refused."""
    b.env['CCHAIN_CONFIG'] = b.root + '/wrappers.json'
    with open(b.env['CCHAIN_CONFIG'], 'w') as f:
        f.write('{"compilers": [{"compiler": "%s"}, {"compiler": "link-%s"}]}' % (b.cc, b.cc))


@test()
def wrapper_that_is_a_program(b):
    """As Open MPI's mpicc: it takes options from a file that no compiler names. Its name tells nothing either."""
    b.write('a.c', '#ifndef M\n#define M 0\n#endif\nint f(void) { return M; }\n')
    text = NATIVE.replace('"-march="', '"-DM="').replace('-march=native', '-DM=?').replace('execv(', 'argv[0] = "%s"; execv(' % shutil.which(b.cc))
    text = text.replace('-march=', '-DM=')
    yield
    for name in (b.cc, 'mpicc', 'my-' + b.cc):
        driver = b.program('bin/' + name, text % (b.root + '/number', shutil.which(b.cc)))
        for n in ('11', '22'):
            with open(b.root + '/number', 'w') as f:
                f.write(n)
            v = b.refused(driver, '-DM=?', *C, reason='runs another one|not what its name says')


@test()
def native_on_two_hosts(b):
    """One cache, two hosts: the second is played by a driver that takes the processor from a file, and by private state of its own."""
    b.write('a.c', 'float f(float *a, float *c) { float s = 0; for (int i = 0; i < 64; i++) s += a[i] * c[i]; return s; }\n')
    known_wrappers(b)
    real = shutil.which(b.cc)
    driver = b.program(b.root + '/host/' + b.cc, NATIVE.replace('execv(', 'argv[0] = "%s"; execv(' % real) % (b.root + '/cpu', real))
    args = (driver, '-O3', '-ffast-math', '-march=native', *C)
    yield

    def on(cpu):
        with open(b.root + '/cpu', 'w') as f:
            f.write(cpu)
        return {'CCHAIN_STATE_DIR': b.root + '/state-' + cpu}
    for _ in range(2):
        for cpu in ('haswell', 'skylake-avx512', 'x86-64'):
            b.same(*args, env=on(cpu), what=cpu)
    for cpu in ('haswell', 'skylake-avx512', 'x86-64'):
        b.hit(*args, env=on(cpu), what=cpu)


# ---- the compiler itself

def patch_version(path, new):
    """Changes the packager's word wherever it stands before the version, which goes into each object: same size. False if it is not in there."""
    with open(path, 'r+b') as f:
        data = f.read()
        pattern = rb'(Debian|Ubuntu|SUSE|Red Hat|GNU|Alpine)(?=[ -][0-9]| \0 version )'
        if not re.search(pattern, data):
            return False
        data = re.sub(pattern, lambda m: new.encode().ljust(len(m.group()), b'x')[:len(m.group())], data)
        f.seek(0)
        f.write(data)
    return True


def private_gcc(b, proper='cc1'):
    """A driver and its cc1 in a folder of our own, found as in an installation."""
    real = b.plain(b.cc, '-print-prog-name=' + proper).out.decode().strip()
    if not os.path.isabs(real):
        skip('where %s is can\'t be told' % proper)
    base = os.path.dirname(real)
    tail = '/'.join(base.split('/')[-3:])
    lib = b.path('tool/lib/' + tail)
    os.makedirs(b.path('tool/bin'))
    os.makedirs(lib)
    for name in os.listdir(base):
        if name != proper:
            os.symlink(base + '/' + name, lib + '/' + name)
    shutil.copy2(real, lib + '/' + proper)
    driver = b.path('tool/bin/' + (b.cc if proper == 'cc1' else b.cxx))
    shutil.copy2(os.path.realpath(shutil.which(os.path.basename(driver))), driver)
    used = b.plain(driver, '-print-prog-name=' + proper).out.decode().strip()
    if os.path.realpath(used) != lib + '/' + proper:
        skip('the copied driver takes ' + used)
    return driver, lib + '/' + proper


def private_clang(b):
    real = os.path.realpath(shutil.which('clang'))
    listed = subprocess.run(['ldd', real], capture_output=True, text=True).stdout
    m = re.search(r'(libclang-cpp\S*) => (\S+)', listed)
    if not m:
        skip('clang is one large program')
    driver, library = b.path('tool/bin/clang'), b.path('tool/lib/' + m.group(1))
    os.makedirs(b.path('tool/bin'))
    os.makedirs(b.path('tool/lib'))
    shutil.copy2(real, driver)
    shutil.copy2(os.path.realpath(m.group(2)), library)
    res = b.plain('clang', '-print-resource-dir').out.decode().strip()
    os.makedirs(b.path('tool/lib/clang'))
    os.symlink(res, b.path('tool/lib/clang/' + os.path.basename(res)))
    b.env['LD_LIBRARY_PATH'] = b.path('tool/lib')
    if library not in subprocess.run(['ldd', driver], env=b.env, capture_output=True, text=True).stdout.replace('/bin/../', '/'):
        skip('the copied clang takes another library')
    return driver, library


def private_tool(b, proper='cc1'):
    return private_gcc(b, proper) if b.gcc else private_clang(b)


def upgraded(b, change, proper='cc1'):
    """The program that makes the objects is changed; the driver is not."""
    name = 'a.c' if proper == 'cc1' else 'a.cc'
    b.write(name, 'int f(void) { return 1; }\n')
    driver, program = private_tool(b, proper)
    args = (driver, '-c', name, '-o', 'a.o')
    yield
    b.proven(*args)
    before = b.plain(*args).files
    change(program)
    if b.plain(*args).files == before:
        skip('the version in the objects could not be changed')
    b.fresh(*args)
    yield
    b.same(*args)
    b.hit(*args)


def in_place(program):
    st = os.stat(program)
    if not patch_version(program, 'Zebian'):
        skip('no packager in the version')
    os.utime(program, ns=(st.st_atime_ns, st.st_mtime_ns))


def replaced(program):
    st = os.stat(program)
    shutil.copy2(program, program + '.n')
    if not patch_version(program + '.n', 'Zebian'):
        skip('no packager in the version')
    os.utime(program + '.n', ns=(st.st_atime_ns, st.st_mtime_ns))
    os.rename(program + '.n', program)


@test()
def compiler_upgraded_in_place(b):
    """cc1 (libclang-cpp) of equal size and mtime, the driver as it was."""
    yield from upgraded(b, in_place)


@test(core=False)
def compiler_replaced_with_equal_size_and_mtime(b):
    yield from upgraded(b, replaced)


@test(compilers=GCC)
def cc1plus_changed_under_the_same_driver(b):
    yield from upgraded(b, replaced, 'cc1plus')


@test()
def driver_changed(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    known_wrappers(b)
    driver = b.path('tool/' + b.cc)
    os.makedirs(b.path('tool'))
    text = NATIVE.replace('-march=native', '-DNEVER1') % ('/dev/null', shutil.which(b.cc))
    with_h = text.replace('execv(', 'argv[0] = "%s"; execv(' % b.cc)
    b.program(driver, with_h)
    args = (driver, *C)
    yield
    b.proven(*args)
    b.program(driver, with_h.replace('NEVER1', 'NEVER2'))
    b.fresh(*args)


@test(compilers=GCC)
def private_gcc_include(b):
    """A header of the compiler's own directory changes."""
    b.write('a.c', '#include <stddef.h>\n#include <own.h>\nint f(void) { return H; }\n')
    os.makedirs(b.path('tool/bin'))
    base = os.path.dirname(b.plain(b.cc, '-print-prog-name=cc1').out.decode().strip())
    lib = b.path('tool/lib/' + '/'.join(base.split('/')[-3:]))
    if not os.path.isdir(base + '/include'):
        skip('cc1 and the headers are in folders of their own')
    os.makedirs(lib)
    for name in os.listdir(base):
        os.symlink(base + '/' + name, lib + '/' + name)
    os.unlink(lib + '/include')
    shutil.copytree(base + '/include', lib + '/include')
    driver = shutil.copy2(os.path.realpath(shutil.which(b.cc)), b.path('tool/bin/gcc'))
    own = os.path.relpath(lib, b.src) + '/include/own.h'
    b.write(own, header(11))
    args = (driver, *CD)
    if b.plain(*args).status:
        skip('the copied driver looks elsewhere')
    yield
    b.proven(*args)
    b.rewrite(own, header(22))
    b.fresh(*args)


@test(compilers=GCC)
def assembler_in_a_B_directory_changes(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    fake_as(b, 'tools/as', 'yes')
    fake_as(b, 'other', 'no')
    st = os.stat(b.path('tools/as'))
    args = (b.cc, '-Btools/', *C)
    check(b.plain(*args).files != b.plain(b.cc, *C).files, 'gcc does not take it')
    yield
    b.proven(*args)
    os.utime(b.path('other'), ns=(st.st_atime_ns, st.st_mtime_ns))
    os.rename(b.path('other'), b.path('tools/as'))
    b.fresh(*args)
    yield
    b.same(*args)
    b.hit(*args)


@test()
def assembler_appears_in_a_B_directory(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    fake_as(b, 'as1', 'yes')
    os.makedirs(b.path('tools'))
    args = (b.cc, '-Btools', *C) if b.gcc else (b.cc, '-fno-integrated-as', '-Btools', *C)
    yield
    b.proven(*args)
    os.rename(b.path('as1'), b.path('tools/as'))
    v = b.same(*args)
    check(not v.hit, 'a hit after it appeared')
    b.remove('tools/as')
    b.same(*args)


@test(compilers=GCC)
def cc1_appears_in_a_B_directory(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    os.makedirs(b.path('tools'))
    real = b.plain(b.cc, '-print-prog-name=cc1').out.decode().strip()
    args = (b.cc, '-Btools/', *C)
    yield
    b.proven(*args)
    shutil.copy2(real, b.path('new'))
    if not patch_version(b.path('new'), 'Zebian'):
        skip('no packager in the version')
    os.rename(b.path('new'), b.path('tools/cc1'))
    b.fresh(*args)
    yield
    b.same(*args)
    b.hit(*args)


@test()
def compiler_behind_a_link_that_is_flipped(b):
    known_wrappers(b)
    b.write('a.c', 'int f(void) { return M; }\n')
    text = NATIVE.replace('argv[i] = word', '0').replace('execv(', 'char *v[argc + 2]; v[0] = "%s"; v[1] = "-DM=NUMBER"; for (int i = 1; i <= argc; i++) v[i + 1] = argv[i]; argv = v; execv(' % shutil.which(b.cc))
    for n in (11, 22):
        b.program('v%d/%s' % (n, b.cc), text.replace('NUMBER', str(n)) % ('/dev/null', shutil.which(b.cc)))
    b.link('current', 'v11')
    b.link('link-' + b.cc, 'v11/' + b.cc)
    yield
    for path, flip in ((b.path('current/' + b.cc), lambda n: b.link('current', 'v%d' % n)),
                       (b.path('link-' + b.cc), lambda n: b.link('link-' + b.cc, 'v%d/%s' % (n, b.cc)))):
        args = (path, *C)
        b.proven(*args)
        flip(22)
        b.fresh(*args)
        b.hit(*args)
        flip(11)
        b.hit(*args)
    env = {'PATH': b.path('current') + ':' + b.env['PATH']}
    b.same(b.cc, *C, env=env)
    b.hit(b.cc, *C, env=env)
    b.link('current', 'v22')
    b.same(b.cc, *C, env=env)  # a hit is right: that one has compiled it before


@test()
def compiler_appears_earlier_on_PATH(b):
    known_wrappers(b)
    b.write('a.c', '#ifndef M\n#define M 0\n#endif\nint f(void) { return M; }\n')
    text = NATIVE.replace('argv[i] = word', '0').replace('execv(', 'char *v[argc + 2]; v[0] = "%s"; v[1] = "-DM=5"; for (int i = 1; i <= argc; i++) v[i + 1] = argv[i]; argv = v; execv(' % shutil.which(b.cc))
    b.program('new', text % ('/dev/null', shutil.which(b.cc)))
    os.makedirs(b.path('early'))
    env = {'PATH': b.path('early') + ':' + b.env['PATH']}
    yield
    b.proven(b.cc, *C, env=env)
    os.rename(b.path('new'), b.path('early/' + b.cc))
    b.fresh(b.cc, *C, env=env)


@test()
def called_by_another_name(b):
    """clang takes target and language from the name it is called by; the file is the same."""
    b.write('a.c', 'int f(void) { return sizeof(long) + sizeof(\'a\'); }\n')
    real = shutil.which(b.cc)
    names = ['i686-linux-gnu-clang', 'aarch64-linux-gnu-clang', 'clang++', 'clang'] if b.clang else ['my-gcc', 'gcc', 'x86_64-linux-gnu-gcc']
    os.makedirs(b.path('bin'))
    for n in names:
        os.symlink(os.path.realpath(real), b.path('bin/' + n))
    yield
    for _ in range(2):
        for n in names:
            b.same(b.path('bin/' + n), *C, what=n)
    for n in names:
        b.hit(b.path('bin/' + n), *C, what=n)


@test()
def script_compiler(b):
    b.write('a.c', '#ifndef M\n#define M 0\n#endif\nint f(void) { return M; }\n')
    script = b.write('bin/' + b.cc, '#!/bin/sh\nexec %s -DM="${MARK:-$(cat %s)}" "$@"\n' % (shutil.which(b.cc), b.path('mark')))
    os.chmod(script, 0o755)
    b.write('mark', '11')
    args = (script, *C)
    yield
    b.refused(*args, reason='script')
    b.rewrite('mark', '22')
    b.fresh(*args)
    b.refused(*args, reason='script', env={'MARK': '3'})
    # Its files and variables are told.
    config = b.root + '/config.json'
    with open(config, 'w') as f:
        f.write('{"compilers": [{"compiler": "%s", "extra_files": ["%s"], "extra_env": ["MARK"]}]}' % (script, b.path('mark')))
    env = {'CCHAIN_CONFIG': config}
    yield
    b.proven(*args, env=env)
    b.rewrite('mark', '33')
    b.fresh(*args, env=env)
    b.fresh(*args, env=dict(env, MARK='4'))
    b.fresh(*args, env=dict(env, MARK='5'))
    yield
    b.same(*args, env=env)
    b.same(*args, env=env)
    with open(script, 'a') as f:
        f.write('# changed\n')
    b.fresh(*args, env=env)


@test()
def script_without_an_interpreter_line(b):
    b.write('a.c', 'int f(void) { return 1; }\n')
    script = b.write('bin/' + b.cc, 'exec %s "$@"\n' % shutil.which(b.cc))
    os.chmod(script, 0o755)
    yield
    for _ in range(2):
        r, v = b.cached(script, *C)
        check(not v.hit and not v.stored, str(v))
        check(r.status == 0 and 'a.o' in r.files, 'it does not run: %r' % r.err)


@test(compilers=CLANG)
def gcc_installation_appears_for_clang(b):
    """clang takes C++ headers of the newest lib/gcc/…: all recorded files are unchanged when another appears."""
    target = b.plain(b.cc, '-print-multiarch').out.decode().strip() or 'x86_64-linux-gnu'
    machine = b.plain(shutil.which('gcc') or b.cc, '-dumpmachine').out.decode().strip()
    b.write('a.cc', '#include <vecky>\nint f(void) { return H; }\n')

    def install(n, value):
        b.write('root/usr/include/c++/%d/vecky' % n, header(value))
        lib = 'root/usr/lib/gcc/%s/%d/' % (machine, n)
        for name in ('crtbegin.o', 'crtend.o'):
            b.write(lib + name)
        os.makedirs(b.path('root/usr/include/%s/c++/%d' % (machine, n)), exist_ok=True)
    install(11, 11)
    b.write('root/usr/lib/x86_64-linux-gnu/x', '')
    args = (b.cxx, '--sysroot=' + b.path('root'), '-stdlib=libstdc++', '-c', 'a.cc', '-o', 'a.o')
    if b.plain(*args).status:
        skip('this clang does not look there')
    yield
    b.proven(*args)
    install(12, 22)
    b.fresh(*args)
    yield
    b.same(*args)
    b.hit(*args)
    shutil.rmtree(b.path('root/usr/lib/gcc/%s/12' % machine))
    b.same(*args, what='the installation goes')
    install(12, 33)
    b.same(*args, what='it comes back with other headers')


@test(compilers=CLANG)
def headers_of_the_gcc_installation_come_later(b):
    machine = b.plain(shutil.which('gcc') or b.cc, '-dumpmachine').out.decode().strip()
    b.write('a.cc', '#if __has_include(<vecky>)\n#include <vecky>\n#else\n#define H 0\n#endif\nint f(void) { return H; }\n')
    for n in (11, 12):
        for name in ('crtbegin.o', 'crtend.o'):
            b.write('root/usr/lib/gcc/%s/%d/%s' % (machine, n, name))
    b.write('root/usr/include/c++/11/vecky', header(11))
    args = (b.cxx, '--sysroot=' + b.path('root'), '-stdlib=libstdc++', '-c', 'a.cc', '-o', 'a.o')
    yield
    b.proven(*args)
    b.write('root/usr/include/c++/12/vecky', header(22))
    b.same(*args, what='the headers of 12 appear')
    b.same(*args)


# ---- precompiled headers

def make_gch(b, name, text, folder=False):
    """A precompiled header of `text`, as gcc would take it in place of the header that now says something else."""
    keep = open(b.path(name)).read() if os.path.exists(b.path(name)) else None
    b.write(name, text)
    out = b.path(name + '.gch')
    if folder:
        os.makedirs(out, exist_ok=True)
        out += '/any'
    subprocess.run([b.cc, '-x', 'c-header', b.path(name), '-o', out], cwd=b.src, env=b.environment(), check=True)
    if keep is None:
        b.remove(name)
    else:
        b.write(name, keep)


def gch(where, setup, args, folder=False, modes=('direct',)):
    def run(b):
        b.write('a.c', SRC)
        for name in setup:
            b.write(name, header(11))
        command = (b.cc, *args, *CD)
        yield
        b.proven(*command)
        make_gch(b, where, header(22), folder)
        plain = b.plain(*command)
        b.refused(*command, reason='precompiled header|gch')
        shutil.rmtree(b.path(where + '.gch')) if folder else b.remove(where + '.gch')
        b.same(*command)
    return run


test(name='gch_beside_a_header', compilers=GCC, modes=MODES)(gch('h.h', ['h.h'], ()))
test(name='gch_folder_beside_a_header', compilers=GCC, modes=MODES)(gch('h.h', ['h.h'], (), folder=True))
test(name='gch_where_the_header_is_not', compilers=GCC)(gch('one/h.h', ['one/x.h', 'two/h.h'], ('-Ione', '-Itwo')))
test(name='gch_folder_where_the_header_is_not', compilers=GCC, core=False)(gch('one/h.h', ['one/x.h', 'two/h.h'], ('-Ione', '-Itwo'), folder=True))
test(name='gch_beside_a_header_later_in_the_path', compilers=GCC, core=False)(gch('two/h.h', ['one/x.h', 'two/h.h'], ('-Ione', '-Itwo')))
test(name='gch_of_a_forced_include', compilers=GCC)(gch('g.h', ['g.h', 'h.h'], ('-include', 'g.h')))


def precompiled_test(words, name='p.h'):
    """A compile that gcc takes a precompiled header for, and what made that: keyed on what it was made of."""
    def run(b):
        b.write('own.h', '#pragma once\n#define OWN 1\nstatic inline int own(void) { return OWN; }\n')
        b.write('p.h', '#include "own.h"\n#include <limits.h>\n#ifdef __cplusplus\n#include <vector>\n#endif\n')
        b.write('late.h', header(5))
        b.write('a.c', '#include "own.h"\n#include "late.h"\nint f(int x) { return x + own() + OWN + H + INT_MAX; }\n')
        b.write('none.c', '')
        b.write('a.cc', open(b.path('a.c')).read())
        cc = b.cxx if '-std=c++20' in words else b.cc
        make = (cc, *words, '-x', 'c++-header' if cc == b.cxx else 'c-header', '-include', name, '-MD', '-o', 'p.h.gch', '-c', 'none.c')
        use = (cc, *words, '-include', name, '-MD', '-c', 'a.cc' if cc == b.cxx else 'a.c', '-o', 'a.o')

        def made(what, hit=None):
            b.remove('p.h.gch') if os.path.lexists(b.path('p.h.gch')) else None
            r, v = b.cached(*make)
            check(r.status == 0 and not r.err and len(r.files.get('p.h.gch', b'')) > 10000, '%s: the header is not made: %r' % (what, r.err))
            with open(b.path('p.h.gch'), 'wb') as f:  # the harness has taken it away
                f.write(r.files['p.h.gch'])
            check(hit is None or v.hit == hit, '%s: the header should %shave been a hit: %s' % (what, '' if hit else 'not ', v))
        yield
        made('first', False)
        yield
        b.proven(*use)
        first = open(b.path('p.h.gch'), 'rb').read()
        made('again', True)
        check(open(b.path('p.h.gch'), 'rb').read() == first, 'another precompiled header is delivered')
        b.hit(*use)
        b.write('late.h', header(6))
        b.fresh(*use)
        b.hit(*use)
        # Made anew of the same, by gcc alone and by us: not known, and known.
        subprocess.run(make, cwd=b.src, env=b.environment(), check=True)
        check(open(b.path('p.h.gch'), 'rb').read() != first, 'gcc makes the same twice by now')
        b.refused(*use, reason='not made through the cache')
        made('known again', True)
        b.hit(*use)
        # One that was made of something else.
        b.write('own.h', '#pragma once\n#define OWN 2\nstatic inline int own(void) { return OWN; }\n')
        b.same(*use, what='a header is newer')
        b.same(*use, what='a header is newer')
        made('edited', False)
        b.fresh(*use)
        yield
        b.hit(*use)
        b.write('own.h', '#pragma once\n#define OWN 1\nstatic inline int own(void) { return OWN; }\n')
        for turn in range(2):
            b.same(*use, what='the header is as it was, what is precompiled is not')
        made('as it was', True)
        b.hit(*use)
        # With other options it does not fit, and gcc reads the text.
        for turn in range(2):
            b.same(*use, '-DOTHER=1', what='options')
            b.same(*use, '-DINT_MAX=3', what='options that do not fit')
            b.same(*use, '-funsigned-char', what='options that do not fit')
        b.remove('p.h.gch')
        b.same(*use, what='none')
        b.hit(*use, what='none')
        os.mkdir(b.path('p.h.gch'))
        b.refused(*use, reason='precompiled header|gch')
        os.rmdir(b.path('p.h.gch'))
        b.hit(*use, what='none again')
        made('at last', True)
        b.hit(*use)
        os.rename(b.path('p.h.gch'), b.path('own.h.gch'))
        b.refused(*use, reason='precompiled header|gch')
        os.rename(b.path('own.h.gch'), b.path('p.h.gch'))
        os.unlink(b.path('p.h'))
        b.same(*use, what='without its text')
    return run


for _name, _words in {'': (), '_g': ('-g', '-O2'), '_cxx': ('-std=c++20', '-Winvalid-pch', '-Wall'), '_pic': ('-fPIC', '-fstack-protector-strong')}.items():
    test(name='precompiled_header' + _name, compilers=GCC, core=_name in ('', '_g'))(precompiled_test(_words))
test(name='precompiled_header_by_its_path', compilers=GCC)(precompiled_test(('-O1',), './p.h'))


def included_again(what):
    """The source includes the header whose precompiled one it is given."""
    def run(b):
        b.write('inc/p.h', '#ifndef P_H\n#define P_H\n#include "own.h"\n#include <limits.h>\n#endif\n#define TIMES __COUNTER__\n')
        b.write('inc/own.h', header(1))
        b.write('src/a.c', '#include %s\nint f(void) { return H + TIMES + INT_MIN; }\n' % what.replace('{src}', b.src))
        out = 'inc/p.h.gch' if b.gcc else 'inc/p.h.pch'
        make = (b.cc, '-Iinc', '-g', '-x', 'c-header', '-c', 'inc/p.h', '-o', out)
        use = (b.cc, '-Iinc', '-g', '-include', 'inc/p.h', '-MD', '-c', 'src/a.c', '-o', 'a.o')

        def made(hit):
            if os.path.exists(b.path(out)):
                b.remove(out)
            r, v = b.cached(*make)
            check(r.status == 0 and v.hit == hit, 'the header should %shave been a hit: %s' % ('' if hit else 'not ', v))
            b.write(out, r.files[out])
        yield
        made(False)
        yield
        b.proven(*use)
        made(True)
        b.hit(*use)
        b.write('inc/own.h', header(2))
        b.fresh(*use)
        made(False)
        b.fresh(*use)
        yield
        b.hit(*use)
        b.remove(out)
        b.fresh(*use)
        b.hit(*use)
    return run


for _name, _what in {'': '"p.h"', '_by_another_name': '"../inc/p.h"', '_by_its_path': '"{src}/inc/p.h"', '_by_its_folder': '<p.h>'}.items():
    test(name='precompiled_header_included_again' + _name, core=not _name or 'path' in _name)(included_again(_what))


@test(compilers=GCC)
def precompiled_header_beside_another_header(b):
    """Its macros are those of texts that the header beside it does not lead to: `#error` in a header that is never to be read, or another -I."""
    macros = '#define PASTE(a, b) a##b\n#define JOIN(a, b) PASTE(a, b)\n'
    for name, text in (('real/p.h', macros), ('p.h', '#error not precompiled\n'), ('one/m.h', macros), ('two/m.h', '#define M\n'), ('q.h', '#include <m.h>\n')):
        b.write(name, text)
    b.write('a.c', 'const char *f(void) { return JOIN(__TI, ME__); }\n')
    yield

    def make(out, *words):
        for hit in (False, True):
            r, v = b.cached(b.cc, '-x', 'c-header', *words, '-o', out)
            check(v.hit == hit and r.files[out], 'the precompiled header: %s' % v)
        b.write(out, r.files[out])
    make('p.h.gch', '-c', 'real/p.h')
    make('q.h.gch', '-Ione', '-c', 'q.h')
    yield
    for words in (('-include', 'p.h'), ('-Itwo', '-include', 'q.h')):
        b.refused(b.cc, *words, *C, compare=False, reason='made of other texts|pasted')
    b.refused(b.cc, '-Ione', '-include', 'q.h', *C, compare=False, reason='__TIME__')
    b.write('a.c', 'int f(void) { return JOIN(1, 2); }\n')
    yield
    b.proven(b.cc, '-Ione', '-include', 'q.h', *C)


@test(compilers=GCC)
def gch_there_from_the_start(b):
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    make_gch(b, 'h.h', header(22))
    yield
    b.refused(b.cc, *CD, reason='precompiled header|gch')
    b.remove('h.h.gch')
    b.same(b.cc, *CD)


@test(compilers=GCC)
def gch_appears_during_the_compile(b):
    """In any folder but the object's own, where one that is gone again is not seen (DESIGN.md) and one that stays is."""
    b.write('a.c', '#include <h.h>\nint f(void) { return H; }\n')
    b.write('inc/h.h', header(11))
    make_gch(b, 'inc/h.h', header(22))
    os.rename(b.path('inc/h.h.gch'), b.path('keep'))
    yield from during(b, (b.cc, '-Iinc', *CD), 'mv keep inc/h.h.gch', 'mv inc/h.h.gch keep')


@test(compilers=GCC)
def gch_appears_beside_the_object_during_the_compile(b):
    b.write('a.c', SRC)
    b.write('h.h', header(11))
    make_gch(b, 'h.h', header(22))
    os.rename(b.path('h.h.gch'), b.path('keep'))
    yield
    meddled(b, (b.cc, *CD), 'mv keep h.h.gch')  # it is taken away with what the compile made
    b.same(b.cc, *CD)
    b.same(b.cc, *CD)


PCH_USES = {
    'cmake': ('-Xclang', '-include-pch', '-Xclang', 'p.h.pch', '-Xclang', '-include', '-Xclang', 'p.h'), 'beside': ('-include', 'p.h'), 'gch': ('-include', 'p.h'),
    'option': ('-include-pch', 'p.h.pch'), 'path': ('-include', './p.h'), 'after': ('-include-pch', 'p.h.pch', '-Xclang', '-include', '-Xclang', 'late.h')}


def pch_test(way, words=(), timed=True, deps='-MD'):
    """clang's precompiled headers and what uses them. OWN is text that clang reads again where it is used; q.h is read by way of the precompiled header only."""
    def run(b):
        cxx = '-std=c++20' in words
        cc, lang, src = (b.cxx, 'c++-header', 'a.cc') if cxx else (b.cc, 'c-header', 'a.c')
        own = '#pragma once\n#define OWN "own%d"\nstatic inline int own(void) { return %d; }\n'
        b.write('own.h', own % (1, 1))
        b.write('inc/q.h', 'enum { Q = 1 };\n')
        b.write('other/q.h', 'enum { Q = 2 };\n')
        b.write('p.h', '#include "own.h"\n#include <q.h>\n#include <limits.h>\n#ifdef __cplusplus\n#include <vector>\n#endif\n')
        b.write('late.h', '#pragma once\n' + header(5))
        b.write(src, '#include "own.h"\n#include "late.h"\nint f(int x) { return x + own() + Q + H + INT_MAX; }\nconst char *g(void) { return OWN; }\n')
        b.write('none.c', '')
        out = 'p.h.gch' if way == 'gch' else 'p.h.pch'
        untimed = () if timed else ('-Xclang', '-fno-pch-timestamp')
        parts = ('-Winvalid-pch', '-fpch-instantiate-templates', '-Xclang', '-emit-pch', '-Xclang', '-include', '-Xclang', 'p.h', '-x', lang, '-MD', '-MT', out, '-MF', out + '.d', '-o', out, '-c', 'none.c')
        make = (cc, *words, '-Iinc', *untimed, *(parts if way == 'cmake' else ('-x', lang, 'p.h', '-o', out)))
        use = (cc, *words, '-Iinc', *PCH_USES[way], deps, '-c', src, '-o', 'a.o')

        def made(what, hit, argv=make):
            if os.path.lexists(b.path(out)):
                b.remove(out)
            v = b.same(*argv, what=what)
            check(v.hit == hit, '%s: the header should %shave been a hit: %s' % (what, '' if hit else 'not ', v))
            check(hit or v.stored, '%s: the header should be stored: %s' % (what, v))
            subprocess.run([b.suite.cchain, *argv], cwd=b.src, env=b.environment(), check=True)
            b.last_stats = None
        yield
        made('first', False)
        yield
        b.proven(*use)
        made('again', True)
        b.hit(*use)
        b.write('late.h', '#pragma once\n' + header(6))
        b.fresh(*use)
        b.hit(*use)
        first = open(b.path(out), 'rb').read()
        # A text behind it changes under the same size and times; clang reads that again and mixes.
        b.rewrite('own.h', own % (2, 2))
        for turn in range(2):
            b.fresh(*use, reason='made of another .*own.h')
        made('rewritten', False)
        b.fresh(*use)
        yield
        b.hit(*use)
        b.rewrite('own.h', own % (1, 1))
        b.fresh(*use)
        made('as it was', True)
        check(open(b.path(out), 'rb').read() == first, 'another one is delivered')
        b.hit(*use)
        b.rewrite('inc/q.h', 'enum { Q = 3 };\n')
        for turn in range(2):
            b.fresh(*use, reason='made of another .*q.h')
        b.rewrite('inc/q.h', 'enum { Q = 1 };\n')
        b.hit(*use)
        # Another time: clang says that it has to be made again.
        b.write('own.h', own % (1, 1))
        b.fresh(*use) if timed else b.hit(*use)
        b.fresh(*use, reason='has another time') if timed else b.hit(*use)
        made('another time', not timed)
        if timed:
            p = subprocess.run([b.suite.cchain, 'explain', out], cwd=b.src, env=b.environment(), capture_output=True, timeout=60)
            check(b'the time of one, which clang writes' in p.stdout, 'explain: %r' % p.stdout)
        check((open(b.path(out), 'rb').read() == first) == (not timed), 'the time is in it or not')
        b.hit(*use)
        # Made of what stands elsewhere on the path of who made it, with other macros, or by another.
        made('of another', False, (cc, *words, '-Iother', *make[1:]))
        b.fresh(*use)
        b.same(*use)
        made('with a macro', False, (make[0], '-DINT=7', *make[1:]))
        b.fresh(*use)
        b.same(*use)
        subprocess.run([*make[:1], '-DINT=8', *make[1:]], cwd=b.src, env=b.environment(), check=True)
        b.refused(*use, reason='was not made through the cache')
        if shutil.which('gcc'):
            subprocess.run(['gcc', '-Iinc', '-x', 'c-header', 'p.h', '-o', out], cwd=b.src, env=b.environment(), check=True)
            b.refused(*use, reason='was not made through the cache')
        b.remove(out)
        b.fresh(*use, what='none')
        v = b.same(*use, what='none')
        check(v.hit == (PCH_USES[way][0] == '-include'), 'none: %s' % v)  # then the text is read
        os.mkdir(b.path(out))
        b.refused(*use, reason='is no regular file')
        os.rmdir(b.path(out))
        made('at last', True)
        b.hit(*use)
        # A name that comes earlier on the path of who made it.
        b.write('q.h', 'enum { Q = 4 };\n')
        early = (*make[:1], '-I.', *make[1:])
        made('with a folder in front', False, early)
        yield
        b.fresh(*use)
        b.hit(*use)
        b.remove('q.h')
        made('without it', False, early)
        b.fresh(*use)
        yield
        b.hit(*use)
        b.write('q.h', 'enum { Q = 5 };\n')
        b.same(*use)
        b.same(*use)
        made('with it', False, early)
        b.fresh(*use)
        os.rename(b.path('p.h'), b.path('elsewhere'))
        b.fresh(*use)
        b.same(*use)
    return run


for _way in PCH_USES:
    test(name='pch_' + _way, compilers=CLANG, core=_way in ('cmake', 'beside'))(pch_test(_way))
test(name='pch_cxx', compilers=CLANG, core=False)(pch_test('cmake', ('-std=c++20', '-g', '-O2')))
test(name='pch_untimed', compilers=CLANG)(pch_test('cmake', ('-g', '-fPIC'), timed=False))
test(name='pch_untimed_cxx', compilers=CLANG, core=False)(pch_test('option', ('-std=c++20', '-O1'), timed=False))
test(name='pch_MMD', compilers=CLANG, core=False)(pch_test('cmake', ('-O2',), deps='-MMD'))
test(name='pch_without_dependencies', compilers=CLANG, core=False)(pch_test('beside', deps='-DNONE'))
test(name='pch_by_content', compilers=CLANG, core=False)(pch_test('beside', ('-Wall', '-fpch-validate-input-files-content')))


@test(compilers=CLANG, modes=('preprocess', 'direct+preprocess'))
def pch_in_preprocess_mode(b):
    """Preprocessed source does not show what -include-pch brings."""
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('h.h', header(11))
    yield
    subprocess.run([b.suite.cchain, b.cc, '-x', 'c-header', 'h.h', '-o', 'x.pch'], cwd=b.src, env=b.environment(), check=True)
    b.last_stats = None
    if b.mode == 'preprocess':
        b.refused(b.cc, '-include-pch', 'x.pch', *C, reason='precompiled header')
    else:
        b.proven(b.cc, '-include-pch', 'x.pch', *C)
    b.write('h.h', header(22))
    subprocess.run([b.cc, '-x', 'c-header', 'h.h', '-o', 'x.pch'], cwd=b.src, env=b.environment(), check=True)
    b.refused(b.cc, '-include-pch', 'x.pch', *C, reason='precompiled header')
    b.remove('x.pch')
    os.mkdir(b.path('x.pch'))
    b.refused(b.cc, '-include-pch', 'x.pch', *C, reason='x.pch')


@test(compilers=CLANG)
def pch_of_clang(b):
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('h.h', header(11))
    subprocess.run([b.cc, '-x', 'c-header', 'h.h', '-o', 'x.pch'], cwd=b.src, env=b.environment(), check=True)
    yield
    b.refused(b.cc, '-include-pch', 'x.pch', *C, reason='x.pch was not made through the cache')
    b.proven(b.cc, '-include', 'h.h', *C)
    subprocess.run([b.cc, '-x', 'c-header', 'h.h', '-o', 'h.h.pch', '-DNOT=1'], cwd=b.src, env=b.environment(), check=True)
    b.refused(b.cc, '-include', 'h.h', *C, reason='h.h.pch was not made through the cache')
    b.remove('h.h.pch')
    b.hit(b.cc, '-include', 'h.h', *C)
    os.mkdir(b.path('h.h.gch'))
    b.refused(b.cc, '-include', 'h.h', *C, reason='h.h.gch is no regular file')
    os.rmdir(b.path('h.h.gch'))
    b.hit(b.cc, '-include', 'h.h', *C)
    b.write('one.h', '#define ONE 1\n')
    open(b.path('h.h.pch'), 'w').close()
    b.refused(b.cc, '-include', 'one.h', '-include', 'h.h', *C, reason='a precompiled header stands beside h.h')
    b.refused(b.cc, '-include-pch', 'x.pch', '-include', 'h.h', *C, reason='a precompiled header stands beside h.h')
    b.remove('h.h.pch')
    b.refused(b.cc, '-include-pch', 'x.pch', '-Xclang', '-include-pch', '-Xclang', 'x.pch', *C, reason='two precompiled headers')
    b.refused(b.cc, '-x', 'c-header', '-include-pch', 'x.pch', '-c', 'one.h', '-o', 'y.pch', reason='made of another one', compare=False)
    b.refused(b.cc, '-Xclang', '-emit-pch', *C, reason='precompiled header without -x c-header')


@test(compilers=CLANG)
def pch_appears_beside_a_forced_include_found_later(b):
    """clang looks for h.h.pch beside the word of -include, and not along the path."""
    b.write('a.c', 'int f(void) { return H; }\n')
    b.write('inc/h.h', header(11))
    b.write('other/h.h', header(22))
    args = (b.cc, '-Iinc', '-include', 'h.h', *C)
    yield
    b.proven(*args)
    for where in ('h.h', 'inc/h.h'):
        subprocess.run([b.cc, '-x', 'c-header', 'other/h.h', '-o', where + '.pch'], cwd=b.src, env=b.environment(), check=True)
        b.same(*args, what=where)
        b.same(*args, what=where)
        b.remove(where + '.pch')


# ---- links

def flip(flag, same_content, args=CD, deep=False, source=SRC):
    def run(b):
        b.write('a.c', source.replace('"h.h"', '<sub/h.h>' if deep else '<h.h>'))
        sub = '/sub' if deep else ''
        b.write('v1%s/h.h' % sub, header(11) + 'static const char *file_ = __FILE__;\nconst char **where_ = &file_;\n')
        b.write('v2%s/h.h' % sub, header(11 if same_content else 22) + 'static const char *file_ = __FILE__;\nconst char **where_ = &file_;\n')
        b.link('current-version-of-it', 'v1')
        words = (b.cc, flag, 'current-version-of-it', *args)
        yield
        b.proven(*words)
        b.link('current-version-of-it', 'v2')
        v = b.same(*words)
        check(not v.hit or same_content, 'a hit after the flip')
        yield
        b.same(*words)
        b.same(*words)
        b.link('current-version-of-it', 'v1')
        b.same(*words)
    return run


test(name='link_in_the_search_path_flipped', modes=MODES)(flip('-I', False))
test(name='link_in_the_system_path_flipped', modes=MODES)(flip('-isystem', False))
test(name='link_in_the_quote_path_flipped')(flip('-iquote', False, deep=False, source=SRC)) if False else None
test(name='link_flipped_to_equal_content', modes=MODES)(flip('-I', True))
test(name='system_link_flipped_to_equal_content', modes=MODES)(flip('-isystem', True))
test(name='system_link_flipped_to_equal_content_without_deps', core=False)(flip('-isystem', True, args=C))
test(name='system_link_flipped_to_equal_content_under_g', core=False)(flip('-isystem', True, args=('-g', *CD)))
test(name='system_link_flipped_to_equal_content_under_MMD')(flip('-isystem', True, args=('-MMD', *C)))
test(name='system_link_flipped_deep', core=False)(flip('-isystem', True, deep=True))


@test(modes=MODES)
def link_inside_the_system_path_flipped(b):
    """The folder given is no link; one below it is. gcc writes the target's name where that is shorter."""
    b.write('a.c', '#include <lib/h.h>\nint f(void) { return H; }\n')
    text = header(11) + 'static const char *file_ = __FILE__;\nconst char **where_ = &file_;\n'
    b.write('v1/h.h', text)
    b.write('v2/h.h', text)
    os.makedirs(b.path('a-long-name-of-a-folder'))
    b.link('a-long-name-of-a-folder/lib', '../v1')
    args = (b.cc, '-isystem', 'a-long-name-of-a-folder', *CD)
    yield
    b.proven(*args)
    b.link('a-long-name-of-a-folder/lib', '../v2')
    b.same(*args)
    yield
    b.same(*args)
    b.same(*args)


@test()
def link_to_a_header_flipped_to_equal_content(b):
    b.write('a.c', '#include <h.h>\nint f(void) { return H; }\n')
    text = header(11) + 'static const char *file_ = __FILE__;\nconst char **where_ = &file_;\n'
    b.write('v1', text)
    b.write('v2', text)
    os.makedirs(b.path('a-long-name-of-a-folder'))
    b.link('a-long-name-of-a-folder/h.h', '../v1')
    args = (b.cc, '-isystem', 'a-long-name-of-a-folder', *CD)
    yield
    b.proven(*args)
    b.link('a-long-name-of-a-folder/h.h', '../v2')
    b.same(*args)


@test()
def parent_of_the_search_path_is_a_link_that_flips(b):
    b.write('a.c', SRC.replace('"h.h"', '<h.h>'))
    b.write('v1/inc/h.h', header(11))
    b.write('v2/inc/h.h', header(22))
    b.link('now', 'v1')
    args = (b.cc, '-Inow/inc', '-Inow/../v1/inc', *CD)
    yield
    b.proven(*args)
    b.link('now', 'v2')
    b.fresh(*args)


@test()
def duplicate_directories_that_part(b):
    """Two -I of one inode count once; then the link leads elsewhere."""
    b.write('a.c', '#include <h.h>\nint f(void) { return H; }\n')
    b.write('v1/h.h', '#ifndef ONE\n#define ONE\n#include_next <h.h>\n#endif\n')
    b.write('v2/h.h', header(22))
    b.write('v3/h.h', header(33))
    b.link('dup', 'v1')
    args = (b.cc, '-Iv1', '-Idup', '-Iv3', *C)
    yield
    b.proven(*args)
    b.link('dup', 'v2')
    b.fresh(*args)


@test()
def I_that_becomes_a_system_directory(b):
    """gcc drops an -I that is one of its system directories by inode."""
    b.write('a.c', WARNS + '#include <stdio.h>\n')
    b.write('v1/x.h')
    b.link('inc', 'v1')
    args = (b.cc, '-Iinc', *W, *CD)
    yield
    b.proven(*args)
    b.link('inc', '/usr/include')
    b.same(*args)
    b.same(*args)


# ---- #pragma once

@test(compilers=GCC, modes=MODES)
def once_twins_of_equal_content_and_mtime(b):
    """gcc takes two files for one by content and mtime: `touch` alone changes the object."""
    b.write('a.c', '#include "x/o.h"\n#include "y/o.h"\nint f(void) { return N; }\n')
    text = '#pragma once\n#ifdef N\n#undef N\n#define N 2\n#else\n#define N 1\n#endif\n'
    when = (10**18, 10**18)
    b.write('x/o.h', text, when)
    b.write('y/o.h', text, when)
    args = (b.cc, *CD)
    yield
    twins = b.plain(*args).files
    b.same(*args)
    b.same(*args)
    os.utime(b.path('y/o.h'), ns=(10**18 + 10**9,) * 2)
    check(b.plain(*args).files != twins, 'touch does not change the object')
    b.same(*args, what='after a touch')
    os.utime(b.path('y/o.h'), ns=when)
    b.same(*args, what='touched back')
    yield
    b.same(*args)
    b.same(*args)
    if b.direct:
        b.refused(*args, reason='pragma once')


@test(compilers=GCC)
def once_twins_by_import_and_forced(b):
    text = '#ifdef N\n#undef N\n#define N 2\n#else\n#define N 1\n#endif\n'
    b.write('a.c', '#import "y/o.h"\n#import "x/o.h"\nint f(void) { return N; }\n')
    when = (10**18, 10**18)
    b.write('x/o.h', text, when)
    b.write('y/o.h', text, when)
    args = (b.cc, *CD)
    yield
    b.same(*args)
    b.same(*args)
    os.utime(b.path('y/o.h'), ns=(10**18 + 10**9,) * 2)
    b.same(*args, what='after a touch')


@test(compilers=GCC)
def once_twin_appears(b):
    """They differ at first; then one gets the other's content and mtime."""
    text = '#pragma once\n#ifdef N\n#undef N\n#define N 2\n#else\n#define N 1\n#endif\n'
    b.write('a.c', '#include "x/o.h"\n#include "y/o.h"\nint f(void) { return N; }\n')
    when = (10**18, 10**18)
    b.write('x/o.h', text, when)
    b.write('y/o.h', text + '//\n', when)
    args = (b.cc, *CD)
    yield
    b.proven(*args)
    b.write('y/o.h', text, when)
    b.same(*args)
    os.utime(b.path('y/o.h'), ns=(10**18 + 10**9,) * 2)
    b.same(*args, what='after a touch')


@test(compilers=GCC, core=False)
def once_by_pragma_operator(b):
    text = '_Pragma("once")\n#ifdef N\n#undef N\n#define N 2\n#else\n#define N 1\n#endif\n'
    b.write('a.c', '#include "x/o.h"\n#include "y/o.h"\nint f(void) { return N; }\n')
    when = (10**18, 10**18)
    b.write('x/o.h', text, when)
    b.write('y/o.h', text, when)
    yield
    b.same(b.cc, *CD)
    b.same(b.cc, *CD)
    os.utime(b.path('y/o.h'), ns=(10**18 + 10**9,) * 2)
    b.same(b.cc, *CD, what='after a touch')


@test(compilers=GCC, core=False)
def once_in_one_of_equal_files(b):
    """x has seen `#pragma once` by way of a macro that the other did not have; a third name is a twin that is included once more."""
    text = '#pragma once\nint n_;\n'
    b.write('a.c', '#include "x/o.h"\n#include "x/../x/o.h"\n#include "z/o.h"\nint f(void) { return 1; }\n')
    when = (10**18, 10**18)
    b.write('x/o.h', text, when)
    b.link('z', 'x')
    yield
    b.same(b.cc, *CD)
    b.same(b.cc, *CD)
    os.utime(b.path('x/o.h'))
    b.same(b.cc, *CD, what='after a touch')


def once_inode(link):
    def run(b):
        b.write('a.c', '#include "x/o.h"\n#include "y/o.h"\nint f(void) { return N; }\n')
        text = '#pragma once\n#ifdef N\n#undef N\n#define N 2\n#else\n#define N 1\n#endif\n'
        b.write('x/o.h', text)
        os.makedirs(b.path('y'))

        def join():
            if os.path.lexists(b.path('y/o.h')):
                b.remove('y/o.h')
            link(b.path('x/o.h'), b.path('y/o.h'))
        join()
        args = (b.cc, *CD)
        yield
        one = b.plain(*args).files
        b.same(*args)
        b.same(*args)
        b.write('y/o.h', text)  # equal bytes, a file of its own
        check(b.plain(*args).files != one, 'the inode does not change the object') if b.clang else None
        b.same(*args, what='two files')
        yield
        b.same(*args, what='two files')
        b.same(*args, what='two files')
        join()
        b.same(*args, what='one file again')
        b.same(*args, what='one file again')
    return run


test(name='once_of_hard_links')(once_inode(os.link))
test(name='once_of_links')(once_inode(lambda a, l: os.symlink('../x/o.h', l)))


# ---- preprocess mode

@test(modes=('preprocess', 'direct+preprocess'))
def g3_in_preprocess_mode(b):
    b.write('a.c', SRC)
    b.write('h.h', header(1) + '#define UNUSED 11\n')
    args = (b.cc, '-g3', *C)
    yield
    b.same(*args)
    b.same(*args)
    b.rewrite('h.h', header(1) + '#define UNUSED 22\n')
    if b.mode == 'preprocess':
        b.refused(*args, reason='-g3')
    b.same(*args)
    yield
    b.same(*args)
    b.write('a.c', '#define AT_HOME 1\n' + SRC)
    b.same(*args)
    for form in ('-ggdb3', '-g2 -g3', '-g3 -g1', '-gdwarf-4 -g3'):
        v = b.same(b.cc, *form.split(), *C)
        if b.mode == 'preprocess' and form != '-g3 -g1':
            check(v.uncacheable, '%s: %s' % (form, v))


def switch(comment):
    return 'int f(int x) { switch (x) { case 1: x++; %s\n case 2: return 3; } return x; }\n' % comment


@test(modes=MODES)
def fallthrough_comment(b):
    b.write('a.c', switch('/* fallthrough */'))
    args = (b.cc, *W, *C)
    yield
    b.proven(*args)
    b.write('a.c', switch('/* something else */'))
    b.same(*args)
    yield
    b.same(*args)
    b.same(*args)
    b.write('a.c', switch('/* fallthrough */'))
    b.same(*args)


@test(modes=MODES)
def fallthrough_comment_in_a_header(b):
    b.write('a.c', '#include "h.h"\n')
    b.write('h.h', switch('/* fall through */'))
    args = (b.cc, *W, *C)
    yield
    b.proven(*args)
    b.write('h.h', switch('/* not so much */'))
    b.same(*args)
    b.write('h.h', switch('// FALLTHRU'))
    b.same(*args)


@test(modes=('preprocess', 'direct+preprocess'))
def spelling_that_a_diagnostic_shows(b):
    """The caret line shows comments and macros as they are written, which -E does not."""
    b.write('a.c', '#define M(x) (x)\nint f(int x) { return M(y); }\n'.replace('y', '"s"'))
    args = (b.cc, *C)  # a warning that is on by default
    yield
    b.same(*args)
    b.same(*args)
    b.write('a.c', '#define M(x) (x)\nint f(int x) { return /* why */ M("s"); }\n')
    b.same(*args, what='a comment')
    yield
    b.same(*args)
    b.write('a.c', '#define M(x) ( x )\nint f(int x) { return M("s"); }\n')
    b.same(*args, what='the macro in another spelling')


@test(modes=('preprocess', 'direct+preprocess'))
def spelling_in_a_header_that_a_diagnostic_shows(b):
    b.write('a.c', '#include "h.h"\nint f(int x) { return M("s"); }\n')
    b.write('h.h', '#define M(x) (x)\n')
    args = (b.cc, *C)
    yield
    b.same(*args)
    b.same(*args)
    b.write('h.h', '#define M(y) (y)\n')
    b.same(*args)
    yield
    b.same(*args)
    b.same(*args)


@test(modes=('preprocess', 'direct+preprocess'))
def columns_under_g(b):
    """Columns reach the debug information; -E keeps them but roughly."""
    b.write('a.c', 'int g(int);\nint f(int x) { return g(x)+g(2); }\n')
    args = (b.cc, '-g', '-O1', *C)
    yield
    b.same(*args)
    b.same(*args)
    b.write('a.c', 'int g(int);\nint f(int x) { return g(x)   +    g(2); }\n')
    b.same(*args)
    yield
    b.same(*args)
    b.write('a.c', 'int g(int);\nint f(int x) { return g(x)/*    */+/*   */g(2); }\n')
    b.same(*args)


@test(modes=('preprocess', 'direct+preprocess'))
def builtins_that_know_the_column(b):
    b.write('a.cc', 'int f(int c = __builtin_COLUMN()) { return c; }\nint g() { return f(); }\n')
    args = (b.cxx, '-c', 'a.cc', '-o', 'a.o')
    yield
    b.same(*args)
    b.same(*args)
    b.write('a.cc', 'int f(int c = __builtin_COLUMN()) { return c; }\nint g() { /*   */ return   f(); }\n')
    b.same(*args)
    yield
    b.same(*args)


@test(modes=('preprocess', 'direct+preprocess'), core=False)
def warning_of_the_preprocessor_appears(b):
    """What -E warns of is not in its text."""
    yield
    for before, after in (('/* x */', '#warning "now"'), ('#endif', '#endif FOO')):
        b.write('a.c', '#if 1\n#endif\n%s\nint f(void) { return 1; }\n' % ('#if 1\n' + before if before[0] == '#' else before))
        b.same(b.cc, *C)
        yield
        b.same(b.cc, *C)
        b.hit(b.cc, *C)
        b.write('a.c', '#if 1\n#endif\n%s\nint f(void) { return 1; }\n' % ('#if 1\n' + after if before[0] == '#' else after))
        b.same(b.cc, *C, what=after)
        b.write('a.c', '#if 1\n#endif\n%s\nint f(void) { return 1; }\n' % ('#if 1\n' + before if before[0] == '#' else before))
        b.same(b.cc, *C, what=before + ' again')


def columns_test(*flags):
    def run(b):
        yield
        args = (b.cc, *flags, '-O1', *C)
        for text in ('x   [y] << y', 'x /**/    [y] << y', 'x   [y]   << /*      */ y'):
            b.write('a.c', 'int f(int *x, int y) { __asm__("nop"); return %s; }\n' % text)
            b.same(*args, what=text)
            yield
            b.same(*args, what=text)
            b.hit(*args, what=text)
    return run


test(name='columns_under_fsanitize', modes=('preprocess', 'direct+preprocess'))(columns_test('-fsanitize=undefined'))
test(name='columns_under_flto', modes=('preprocess', 'direct+preprocess'), compilers=CLANG)(columns_test('-flto'))
test(name='columns_under_coverage', modes=('preprocess', 'direct+preprocess'), compilers=CLANG)(columns_test('-fprofile-instr-generate', '-fcoverage-mapping'))


@test(modes=('preprocess', 'direct+preprocess'))
def dependencies_in_preprocess_mode(b):
    """A header that contributes no text is still in the dependency file."""
    b.write('a.c', '#include "h.h"\n#ifdef G\n#include "g.h"\n#endif\nint f(void) { return 1; }\n')
    b.write('h.h', '#define NOTHING\n')
    b.write('g.h', '#define NO\n')
    args = (b.cc, *CD)
    yield
    b.same(*args)
    b.hit(*args)
    b.write('h.h', '#include "g.h"\n')
    b.same(*args, what='one more header without text')
    yield
    b.same(*args, what='one more header without text')
    b.same(*args)


@test(CLANG, modes=('preprocess', 'direct+preprocess'))
def dependencies_that_the_preprocessed_text_does_not_show(b):
    """clang lists what was tested for and what #pragma once left out: its -E shows neither."""
    args = (b.cc, *CD)
    rest = 'int f(void) { return 1; }\n'
    b.write('a.c', '#if __has_include("opt.h")\n#endif\n' + rest)
    b.write('h.h', '#pragma once\nint h;\n')
    b.link('g.h', 'h.h')
    yield
    b.stored(*args)
    b.hit(*args)
    b.write('opt.h')
    b.fresh(*args)
    yield
    b.same(*args)
    b.hit(*args)
    b.remove('opt.h')
    b.same(*args)
    twice = '#include "h.h"\n#include "g.h"\n' + rest
    b.write('a.c', twice)
    yield
    b.stored(*args)
    b.hit(*args)
    b.write('a.c', twice.replace('#include "g.h"', ''))
    b.fresh(*args)


@test(modes=MODES)
def preprocessed_source_changes(b):
    """No compiler prints a preprocessed text of what is one."""
    for name, words in (('a.i', ()), ('a.ii', ()), ('a.c', ('-x', 'cpp-output')), ('b.c', ('-x', 'c++-cpp-output'))):
        args = (b.cc, *words, '-c', name, '-o', 'a.o')
        b.write(name, 'int f(void) { return 1; }\n')
        yield
        b.proven(*args)
        b.write(name, 'int f(void) { return 2; }\n')
        b.fresh(*args)


@test(CLANG, modes=MODES)
def preprocessed_source_with_directives(b):
    """To clang it is a source like any other."""
    b.write('h.h', header(1))
    for text, reason in (('#include "h.h"\nint f(void) { return H; }\n', 'include directive'), ('#if __has_include("g.h")\nint f;\n#endif\n', 'existence test'),
                         ('#define X "h.h"\n#include X\nint f(void) { return H; }\n', 'include directive'), ('#ifdef Y\nconst char *t = __TIME__;\n#endif\n', '__TIME__'),
                         ('#ifdef Y\n#define C(a, b) a##b\nconst char *t = C(__TI, ME__);\n#endif\n', '__TIME__')):
        for name in ('a.i', 'a.ii'):
            b.write(name, text)
            yield
            b.refused(b.cc, '-c', name, '-o', 'a.o', reason=reason)
    b.write('a.i', '# 1 "a.c"\n# 1 "h.h" 1\nint h;\n#pragma pack(4)\n# 2 "a.c" 2\nint f(void) { return h; }\n')
    yield
    b.proven(b.cc, '-c', 'a.i', '-o', 'a.o')


@test(modes=MODES)
def working_directory_by_the_assembler(b):
    """It is in the line table of .file and .loc, whatever the options say."""
    rows = [('a.c', 'void f(void) { __asm__(".file 1 \\"x.c\\"\\n.loc 1 1\\nnop"); }\n')]
    if b.gcc:
        rows += [('b.s', '.text\n.file 1 "x.c"\n.loc 1 1\nnop\n'), ('c.S', '.text\n.file 1 "x.c"\n.loc 1 1\nnop\n')]
    for name, text in rows:
        for d in ('', 'one/', 'two/'):
            b.write(d + name, text)
        yield
        args = (b.cc, '-c', name, '-o', 'a.o')
        for d in ('one', 'two', '.', 'one', 'two'):
            b.cwd = os.path.normpath(b.path(d))
            v = b.same(*args, what=d)
            if name == 'a.c':
                check(v.stored or v.hit, 'it is not cached: %s' % v)
        b.hit(*args) if b.direct else b.same(*args)
        b.cwd = b.src


@test(modes=MODES)
def expansion_of_a_system_macro_and_warnings(b):
    """Warnings are silent in system headers: what is one matters, -isystem against -I."""
    b.write('a.c', '#include <h.h>\nint g(int x) { return h(x); }\n')
    b.write('inc/h.h', 'static inline int h(int x) { int unused; return x; }\n')
    yield
    for flag in ('-I', '-isystem', '-I'):
        b.same(b.cc, *W, flag, 'inc', *C)
        b.hit(b.cc, *W, flag, 'inc', *C)


# ---- tenants, private files, bases

@test(modes=MODES)
def two_tenants_never_share(b):
    b.write('a.c', SRC)
    b.write('h.h', header(1))
    args = (b.cc, *C)
    yield
    b.proven(*args, env={'CCHAIN_TENANT': 'red'})
    b.stored(*args, env={'CCHAIN_TENANT': 'blue'})
    b.hit(*args, env={'CCHAIN_TENANT': 'blue'})
    b.hit(*args, env={'CCHAIN_TENANT': 'red'})
    b.stored(*args)
    # Even if their folders are exchanged: the tenant is in the key.
    compile_dir = b.root + '/cache/compile'
    names = sorted(os.listdir(compile_dir))
    check(names == ['blue', 'local', 'red'], 'the folders are %s' % names)
    for space in ('compile', 'inputs'):
        d = b.root + '/cache/' + space
        if os.path.isdir(d + '/red'):
            shutil.rmtree(d + '/blue')
            os.rename(d + '/red', d + '/blue')
    b.fresh(*args, env={'CCHAIN_TENANT': 'blue'})


@test()
def planted_state_is_not_used(b):
    """Digests and probes in a folder that others can write would defeat everything."""
    b.write('a.c', SRC)
    b.write('h.h', header(1))
    args = (b.cc, *C)
    yield
    for make in (lambda d: os.chmod(d, 0o777), lambda d: (os.rename(d, d + '2'), os.symlink(d + '2', d))):
        state = b.root + '/state'
        shutil.rmtree(b.root + '/state', ignore_errors=True)
        os.makedirs(state, 0o700)
        make(state)
        b.same(*args, env={'CCHAIN_STATE_DIR': state})
        b.same(*args, env={'CCHAIN_STATE_DIR': state})
        real = os.path.realpath(state)
        if os.stat(real).st_mode & 0o077 or os.path.islink(state):
            check(not os.listdir(real), 'it wrote %s into a folder that is not its own' % os.listdir(real))
        if os.path.islink(state):
            os.unlink(state)


@test(core='gcc')
def checkout_named_in_a_header(b):
    """base_dirs: no prefix map reaches a string that a generated header holds."""
    for d in ('one', 'two'):
        b.write(d + '/a.c', '#include "gen.h"\nconst char *f(void) { return DATADIR; }\n')
        b.write(d + '/gen.h', '#define DATADIR "%s"\n' % b.path(d))
    config = b.root + '/config.json'
    with open(config, 'w') as f:
        f.write('{"base_dirs": ["%s", "%s"]}' % (b.path('one'), b.path('two')))
    yield
    for env in ({'CCHAIN_CONFIG': config}, {'CCHAIN_BASE_DIRS': b.path('one') + ':' + b.path('two')}, {}):
        for d in ('one', 'two', 'one'):
            b.cwd = b.path(d)
            b.same(b.cc, '-I', b.path(d), *C, env=env, what=d)
            b.same(b.cc, '-DDIR="%s"' % b.path(d), *C, env=env, what=d)
            b.same(b.cc, *C, env=env, what=d)


@test()
def image_with_the_same_inode_numbers(b):
    """Two images that differ in the bytes of one header only: same inode, size and times, and the same loop device."""
    if os.geteuid() or not shutil.which('mkfs.ext4'):
        skip('mounting needs root and mkfs.ext4')
    b.write('a.c', SRC.replace('"h.h"', '<h.h>'))
    os.makedirs(b.root + '/tree')
    os.makedirs(b.path('mnt'))
    with open(b.root + '/tree/h.h', 'w') as f:
        f.write(header(11))
    one, two = b.root + '/one.img', b.root + '/two.img'
    subprocess.run(['truncate', '-s', '8M', one], check=True)
    made = subprocess.run(['mkfs.ext4', '-q', '-O', '^has_journal', '-d', b.root + '/tree', one], capture_output=True)
    data = open(one, 'rb').read()
    if made.returncode or data.count(header(11).encode()) != 1:
        skip('mkfs.ext4 can\'t fill an image')
    with open(two, 'wb') as f:
        f.write(data.replace(header(11).encode(), header(22).encode()))
    args = (b.cc, '-Imnt', *CD)

    def mounted(image):
        return subprocess.run(['mount', '-o', 'loop,ro', image, b.path('mnt')], capture_output=True).returncode == 0
    if not mounted(one):
        skip('no loop device can be mounted')
    yield
    try:
        b.proven(*args)
        subprocess.run(['umount', b.path('mnt')], check=True)
        check(mounted(two), 'the second image can\'t be mounted')
        b.last_plain = None  # the same numbers and times
        b.fresh(*args)
        b.same(*args)
    finally:
        subprocess.run(['umount', b.path('mnt')], capture_output=True)


# ---- dependency files

@test(modes=MODES)
def dependency_file_of_a_changed_set_of_headers(b):
    b.write('a.c', SRC)
    b.write('h.h', '#if X\n#include "x.h"\n#else\n#include "y.h"\n#endif\n' + header(1))
    b.write('x.h')
    b.write('y.h')
    yield
    for flags in (('-DX=1',), ('-DX=0',), ('-DX=1',)):
        b.same(b.cc, *flags, *CD)
        b.hit(b.cc, *flags, *CD)
    b.write('h.h', '#include "x.h"\n#include "y.h"\n' + header(1))
    b.fresh(b.cc, '-DX=1', *CD)


@test()
def header_in_a_dead_branch_comes_to_life(b):
    b.write('a.c', SRC)
    b.write('h.h', '#include "conf.h"\n#ifdef USE\n#include "use.h"\n#else\n#define H 1\n#endif\n')
    b.write('conf.h', '')
    b.write('use.h', header(5))
    args = (b.cc, *CD)
    yield
    b.proven(*args)
    b.write('conf.h', '#define USE\n')
    b.fresh(*args)
    b.hit(*args)
    b.rewrite('use.h', header(6))
    b.fresh(*args)
    b.write('conf.h', '')
    b.hit(*args)


if __name__ == '__main__':
    sys.exit(suite.main(sys.argv))
