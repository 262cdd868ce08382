#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checkouts in two folders that share results ("base_dirs"), with real compilers, through `cchain`.

  relocate.py [--core] [--list] [--keep] [NAME…]

What the second checkout gets must equal what a plain compile with the same prefix map gives there now: object, dependency file, both
streams and exit status. Where something carries the first checkout's path that no map reaches, it must not be a hit.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Suite, Wrong, check  # noqa: E402

suite = Suite(__doc__)
test = suite.test
GCC, CLANG = ('gcc',), ('clang',)
BOTH = (0, 1)


class Two:
    """Two checkouts of one project: `proj` in a short and in a long path. One is at hand: the box's src, cwd and base folder."""

    def __init__(self, b, cwd='build'):
        self.b, self.sub = b, cwd
        self.dirs = [b.src + '/a/proj', b.src + '/somewhere/else-altogether/checkouts/second.proj']
        for d in self.dirs:
            os.makedirs(d + '/build')
        self.bases = [[d] for d in self.dirs]
        self.at(0)

    def at(self, k):
        b = self.b
        self.k, self.dir = k, self.dirs[k]
        b.src, b.cwd = self.dir, os.path.join(self.dir, self.sub)
        b.env['CCHAIN_BASE_DIRS'] = ':'.join(self.bases[k])
        return self

    def write(self, name, text):
        """The same file in both; {dir} is the checkout's own folder."""
        for k, d in enumerate(self.dirs):
            self.at(k).b.write(name, text.replace('{dir}', d))
        self.at(0)

    def argv(self, argv, mapped):
        argv = [w.replace('{dir}', self.dir) for w in argv]
        maps = ['-ffile-prefix-map=%s=/cchain-base-%d' % (d, i) for i, d in enumerate(self.bases[self.k])]
        maps += ['-fno-canonical-system-headers'] if mapped == 'spelled' else []
        return argv, argv[:1] + (maps if mapped in (True, 'spelled') else list(mapped or [])) + argv[1:]

    def same(self, k, argv, mapped=True, env=None, terminal=False):
        self.at(k)
        env = {n: v.replace('{dir}', self.dir) for n, v in (env or {}).items()}
        ours, plain_argv = self.argv(argv, mapped)
        plain = self.b.plainly(plain_argv, env, terminal)
        check(plain.status == 0, 'the plain compile fails: %r' % plain.err)
        result, verdict = self.b.cached(*ours, env=env, terminal=terminal)
        difference = result.difference(plain)
        if difference:
            raise Wrong('%sin checkout %d, %s: %s' % ('WRONG HIT: ' if verdict.hit else '', k, verdict, difference))
        self.last = plain
        return verdict

    def stored(self, k, argv, **kw):
        v = self.same(k, argv, **kw)
        check(v.miss and v.stored, 'checkout %d: should have been a miss that is stored, but: %s' % (k, v))

    def hit(self, k, argv, **kw):
        v = self.same(k, argv, **kw)
        check(v.hit, 'checkout %d: should have been a hit, but: %s' % (k, v))

    def shared(self, *argv, **kw):
        self.stored(0, argv, **kw)
        for k in (0, 1, 1, 0):
            self.hit(k, argv, **kw)

    def apart(self, *argv, **kw):
        """Each checkout has its own: a miss in the second, then hits in both."""
        first = []
        for k in BOTH:
            self.stored(k, argv, **kw)
            self.hit(k, argv, **kw)
            first.append(self.last.files)
        for k in BOTH:
            self.hit(k, argv, **kw)
        return first


PROJECT = {
    'src/a.c': '#include "a.h"\n#include <deep/d.h>\nconst char *where(void) { return __FILE__; }\nint f(int i) { return i + A + D + inl(i); }\n',
    'src/a.h': '#define A 1\nstatic inline int inl(int i) { return i * 2; }\nstatic const char *header(void) { return __FILE__; }\nconst char *(*p)(void) = header;\n',
    'include/deep/d.h': '#define D 2\n',
}


def project(t):
    for name, text in PROJECT.items():
        t.write(name, text)


C = ('-c', '{dir}/src/a.c', '-o', 'a.o')
CD = ('-MD', '-MT', 'a.o', '-MF', 'a.d') + C
INC = ('-I{dir}/include',)


@test()
def absolute_paths_with_debug_information(b):
    t = Two(b)
    project(t)
    yield
    for words in (('-g',), ('-g', '-O2'), ('-gdwarf-4',), ('-g3',), ()):
        t.shared(b.cc, *words, *INC, *CD)
    t.shared(b.cc, '-g', *INC, '-MD', '-MP', '-c', '{dir}/src/a.c', '-o', '{dir}/build/x.o')  # absolute in the dependency file too
    t.shared(b.cc, '-g', *INC, '-MMD', '-MQ', '{dir}/build/y.o', '-MF', '{dir}/build/y.d', '-c', '{dir}/src/a.c', '-o', 'y.o')
    t.shared(b.cc, '-g', '-I', '{dir}/include', *C)


@test()
def names_in_the_object_are_the_fixed_ones(b):
    t = Two(b)
    project(t)
    yield
    t.stored(0, (b.cc, '-g', *INC, *CD))
    t.hit(1, (b.cc, '-g', *INC, *CD))
    o, d = t.last.files['build/a.o'], t.last.files['build/a.d']
    check(b'/cchain-base-0/src/a.c' in o and t.dirs[0].encode() not in o and t.dirs[1].encode() not in o, 'the object holds other paths')
    check(t.dirs[1].encode() + b'/src/a.h' in d and t.dirs[0].encode() not in d and b'cchain-base' not in d, 'the dependency file: %r' % d)


@test()
def compiled_in_the_base_itself(b):
    t = Two(b, '')
    project(t)
    yield
    t.shared(b.cc, '-g', '-Iinclude', '-MD', '-c', 'src/a.c', '-o', 'a.o')
    t.shared(b.cc, '-g', '-Iinclude', '-c', '{dir}/src/a.c')


@test()
def source_and_build_folders_apart(b):
    t = Two(b)
    project(t)
    out = [b.root + '/src/out/one', b.root + '/src/b2']
    for k, d in enumerate(out):
        os.makedirs(d)
        t.bases[k] = [t.dirs[k], d]
    yield
    argv = (b.cc, '-g', *INC, *CD)
    for k, stored in ((0, True), (0, False), (1, False)):
        t.at(k)
        b.src = b.root + '/src'
        keep, t.sub = t.sub, out[k]
        try:
            ours, plain = t.at(k).argv(argv, True)
            b.src = out[k]
            p = b.plainly(plain, None, False)
            r, v = b.cached(*ours)
        finally:
            t.sub = keep
        check(not r.difference(p), 'checkout %d: %s' % (k, r.difference(p)))
        check(v.stored if stored else v.hit, 'checkout %d: %s' % (k, v))
        check(b'/cchain-base-1' in p.files['a.o'], 'the build folder is not in the object')


@test()
def diagnostics_name_the_checkout_at_hand(b):
    t = Two(b)
    project(t)
    t.write('src/w.c', '#include "w.h"\nint g(void) { int unused; return W; }\n')
    t.write('src/w.h', '#include "w2.h"\n#define W 1\nstatic int h(void) { int unused2; return 0; }\n')
    t.write('src/w2.h', '#warning "here"\n')
    yield
    argv = (b.cc, '-Wall', '-g', '-MD', '-c', '{dir}/src/w.c', '-o', 'w.o')
    t.shared(*argv)
    check(t.dirs[0].encode() in t.last.err, 'no path in the diagnostics: the test proves nothing')
    t.shared(b.cc, '-Wall', '-c', '../src/w.c', '-o', 'w.o')


@test()
def diagnostics_whose_lines_are_broken_by_their_length(b):
    t = Two(b)
    t.write('src/w.c', 'struct a_rather_long_name { int i; };\nint g(struct a_rather_long_name *p) { long *q = p; int unused_with_a_long_name; return 1; }\n')
    yield
    t.apart(b.cc, '-Wall', '-fmessage-length=60', '-c', '{dir}/src/w.c', '-o', 'w.o')


@test()
def diagnostics_below_an_include_of_an_absolute_path(b):
    t = Two(b)
    t.write('src/x.h', '#pragma once\nint x;\n')
    t.write('build/u.c', '#include "{dir}/src/x.h"\n#include_next "{dir}/src/x.h"\nint f(void) { int unused; return 0; }\n')
    yield
    t.apart(b.cc, '-Wall', '-pedantic', '-c', 'u.c', '-o', 'u.o')


# ---- what carries the path where no map reaches it

@test()
def generated_header_with_the_path_in_a_string(b):
    t = Two(b)
    t.write('build/gen.h', '#define DATADIR "{dir}/data"\n')
    t.write('src/a.c', '#include "gen.h"\nconst char *d = DATADIR;\n')
    yield
    a, c = t.apart(b.cc, '-g', '-I.', *CD)
    check(a['build/a.o'] != c['build/a.o'], 'the test proves nothing')
    check(any('gen.h says where this checkout is' in r for r in b.stats()['miss_reasons']), 'the reason should name the header: %s' % b.stats()['miss_reasons'])


@test()
def path_in_a_comment_keeps_a_file_apart(b):
    t = Two(b)
    t.write('src/a.c', '/* from {dir}/x.in */\nint a;\n')
    yield
    t.apart(b.cc, *C)


@test()
def another_checkouts_path_in_a_file(b):
    """A copied tree: its files name the checkout that it was copied from, which a map of that one only reaches."""
    t = Two(b)
    t.write('src/y.h', 'int y;\n')
    t.write('src/l.c', '#line 1 "%s/src/l.y"\nconst char *f(void) { return __FILE__; }\n' % t.dirs[0])
    t.write('src/m.c', '# 1 "%s/src/m.y" 1\nconst char *f(void) { return __FILE__; }\n' % t.dirs[0])
    t.write('src/i.c', '#include "%s/src/y.h"\nint f(void) { return y; }\n' % t.dirs[0])
    yield
    for name in 'lmi':
        for words in ((), ('-g',)):
            argv = (b.cc, *words, '-c', '{dir}/src/%s.c' % name, '-o', 'x.o')
            t.stored(0, argv)
            v = t.same(1, argv)
            check(not v.hit, '%s.c: a hit in the other checkout' % name)


@test()
def define_with_the_path(b):
    t = Two(b)
    t.write('src/a.c', 'const char *d = DATADIR;\n')
    yield
    for words in (('-DDATADIR="{dir}/data"',), ('-D', 'DATADIR="{dir}"'), ('-DDATADIR="x:{dir}"',)):
        a, c = t.apart(b.cc, *words, *C, mapped=False)
        check(a['build/a.o'] != c['build/a.o'], 'the test proves nothing')
    check(any('the word -DDATADIR=… holds a base folder' in r for r in b.stats()['miss_reasons']), 'the reason should name the word: %s' % b.stats()['miss_reasons'])
    # The same literal in both: the first's own folder is nothing to the second but text.
    argv = (b.cc, '-DDATADIR="%s"' % t.dirs[0], *C)
    t.stored(0, argv, mapped=False)
    v = t.same(1, argv)
    check(not v.hit, 'a hit')


@test()
def variable_with_the_path(b):
    t = Two(b)
    project(t)
    yield
    t.apart(b.cc, '-g', *CD, env={'CPATH': '{dir}/include'}, mapped=False)


@test()
def unity_source_of_absolute_includes(b):
    t = Two(b)
    project(t)
    t.write('build/unity.c', '/* generated */\n\n#include "{dir}/src/a.c"\n\n# include   "{dir}/src/b.c"\n')
    t.write('src/b.c', 'const char *where_b(void) { return __FILE__; }\n')
    yield
    t.shared(b.cc, *INC, '-MD', '-c', '{dir}/build/unity.c', '-o', 'u.o')
    # clang's debug information (DWARF 5) has a checksum of each file that it names, if all of them have one.
    for words in (('-g',), ('-g', '-gdwarf-4'), ('-g', '-S')):
        argv = (b.cc, *words, *INC, '-MD', '-c', '{dir}/build/unity.c', '-o', 'u.o')
        (t.shared if b.gcc or '-gdwarf-4' in words else t.apart)(*argv)


@test()
def forced_include_of_an_absolute_path(b):
    t = Two(b)
    project(t)
    t.write('build/pch.h', '/* generated */\n#pragma GCC system_header\n#include "{dir}/src/a.h"\n')
    yield
    for words in ((), ('-g',)):
        argv = (b.cc, *words, *INC, '-include', '{dir}/build/pch.h', '-MD', '-MT', 'a.o', '-MF', 'a.d', '-c', '{dir}/src/b.c', '-o', 'a.o')
        t.write('src/b.c', 'int b(void) { return A; }\n')
        t.shared(*argv)  # the forced text itself is in no line table


OWN_H = ('#pragma once\n#define HERE __FILE__\nstatic inline const char *where(void) { return __FILE__; }\n'
         'static inline unsigned long length(void) { return sizeof __FILE__ + %d; }\n')


def precompiled(words=()):
    """A precompiled header holds paths: each checkout makes its own, and what uses it is shared. In the text that it was made of __FILE__ is replaced already."""
    def run(b):
        t = Two(b)
        maps = {'mapped': 'spelled' if b.gcc and '-g' in words else True}  # gcc's debug information names its options
        t.write('src/own.h', OWN_H % 0)
        t.write('build/pch.h', '/* generated */\n#pragma GCC system_header\n#include "{dir}/src/own.h"\n')
        t.write('build/none.c', '')
        t.write('src/a.c', '#include "own.h"\nconst char *a(void) { return where(); }\nunsigned long n(void) { return length(); }\nconst char *h(void) { return HERE; }\n')
        if b.gcc:
            out, taken = 'build/pch.h.gch', ('-include', '{dir}/build/pch.h')
            make = (b.cc, *words, '-x', 'c-header', *taken)
        else:
            out, text = 'build/pch.h.pch', ('-Xclang', '-include', '-Xclang', '{dir}/build/pch.h')
            taken = ('-Xclang', '-include-pch', '-Xclang', '{dir}/build/pch.h.pch', *text)
            make = (b.cc, *words, '-Xclang', '-emit-pch', *text, '-x', 'c-header')
        make += ('-MD', '-MT', 'pch', '-MF', 'pch.d', '-o', '{dir}/' + out, '-c', '{dir}/build/none.c')
        use = (b.cc, *words, *taken, *INC, '-MD', '-MT', 'a.o', '-MF', 'a.d', '-c', '{dir}/src/a.c', '-o', 'a.o')

        def made(k, hit, reason=None):
            t.at(k)
            if os.path.exists(b.path(out)):
                b.remove(out)
            argv, _ = t.argv(make, False)
            r, v = b.cached(*argv)
            check(r.status == 0 and not r.err and v.hit == hit and (hit or v.stored), 'checkout %d: the precompiled header: %s, %r' % (k, v, r.err))
            check(not reason or any(re.search(reason, m) for m in v.miss_reasons), 'checkout %d: the reason: %s' % (k, v))
            b.write(out, r.files[out])

        def stale(k):
            """As the compiler does, which may fail."""
            for turn in BOTH:
                argv, plain = t.at(k).argv(use, True)
                want = b.plainly(plain, None, False)
                r, v = b.cached(*argv)
                check(r.status == want.status and not v.hit and not v.stored, 'checkout %d: a precompiled header of another text: %s' % (k, v))
        t.write('include/unused.h', '')
        yield
        made(0, False)
        made(1, False, 'each checkout makes its own')
        yield
        t.shared(*use, **maps)
        for k in BOTH:
            made(k, True)
            t.hit(k, use, **maps)
        # In the second the text is another, and again what it was.
        t.at(1).b.write('src/own.h', OWN_H % 7)
        stale(1)
        made(1, False)
        t.stored(1, use, **maps)
        t.hit(0, use, **maps)
        yield
        t.hit(1, use, **maps)
        t.at(1).b.write('src/own.h', OWN_H % 0)
        stale(1)
        made(1, b.gcc or '-fno-pch-timestamp' in words)
        t.hit(1, use, **maps)
        # One that the compiler made alone has paths that no map has reached.
        argv, _ = t.argv(make, False)
        b.remove(out)
        b.run(argv, keep=True)
        v = t.same(1, use, mapped=False)
        check(v.uncacheable, 'one that was not made through the cache: %s' % v)
    return run


test(name='precompiled_headers')(precompiled())
test(name='precompiled_headers_with_debug_information', compilers=GCC)(precompiled(('-g', '-O1')))
test(name='precompiled_headers_with_checksums', compilers=CLANG)(precompiled(('-g', '-O1')))
test(name='precompiled_headers_untimed', compilers=CLANG)(precompiled(('-O1', '-Xclang', '-fno-pch-timestamp')))


@test()
def line_directives_of_generators(b):
    t = Two(b)
    t.write('build/y.c', '#line 3 "{dir}/src/y.y"\nconst char *f(void) { return __FILE__; }\n#line 5 "{dir}/build/y.c"\nint g(void) { return 1; }\n')
    yield
    t.shared(b.cc, '-c', '{dir}/build/y.c', '-o', 'y.o')
    t.shared(b.cc, '-g', '-c', 'y.c', '-o', 'y.o')  # clang takes no checksums where #line names a file


@test()
def preprocessed_source(b):
    t = Two(b)
    t.write('build/p.i', '# 0 "{dir}/src/p.c"\n# 0 "{dir}/build//"\n# 1 "{dir}/src/p.c"\nint f(void) { return 1; }\n')
    yield
    how = ('-S', 'p.i', '-o', 'p.s')  # gcc's assembler names a p.c, which is not known here
    t.shared(b.cc, *how)
    (t.shared if b.gcc else t.apart)(b.cc, '-g', *how)


@test()
def what_looks_like_a_directive(b):
    t = Two(b)
    t.write('src/raw.cc', 'const char *s = R"(\n#include "{dir}/x.h"\n)";\n')
    t.write('src/body.c', '#define STR2(x) #x\n#define STR(x) STR2(x)\n#define BODY \\\n#include "{dir}/x.h"\nconst char *s = STR(BODY);\n')
    t.write('src/body2.c', '#define STR2(x) #x\n#define STR(x) STR2(x)\n#define BODY \\   \n# 1 "{dir}/x.h"\nconst char *s = STR(BODY);\n')
    t.write('src/body3.c', '#define STR2(x) #x\n#define STR(x) STR2(x)\n#define BODY ?\?/\n#include "{dir}/x.h"\nconst char *s = STR(BODY);\n'.replace('\\', ''))
    t.write('src/tail.c', '#line 1 "{dir}/x.y" \nint i;\n#include "x.h" /* {dir} */\n')
    t.write('src/x.h', '')
    yield
    for name, words in (('raw.cc', ('-xc++',)), ('body.c', ()), ('body2.c', ()), ('body3.c', ('-std=c99',)), ('tail.c', ())):
        t.apart(b.cc, *words, '-c', '{dir}/src/' + name, '-o', 'x.o')


@test()
def inline_assembler_reads_by_an_absolute_path(b):
    t = Two(b)
    t.write('src/data', 'abc')
    t.write('src/a.c', '__asm__(".section .rodata\\n.incbin \\"{dir}/src/data\\"\\n.text\\n");\nint a;\n')
    yield
    for k in BOTH:
        v = t.same(k, (b.cc, *C))
        check(k == 0 or not v.hit, 'a hit')


@test()
def names_that_compilers_make_of_paths(b):
    t = Two(b)
    t.write('src/n.cc', '''
constexpr unsigned hash(const char *s) { unsigned r = 7; while (*s) r = r * 31 + static_cast<unsigned char>(*s++); return r; }
unsigned file = hash(__FILE__), base = hash(__BASE_FILE__), builtin = hash(__builtin_FILE());
namespace { int hidden() { return 3; } struct S { S(); }; S::S() { file += static_cast<unsigned>(hidden()); } S s; }
int f() { auto l = [](int k) { return k + 1; }; return l(1); }
''')
    t.write('src/pretty.cc', '''
constexpr unsigned hash(const char *s) { unsigned r = 7; while (*s) r = r * 31 + static_cast<unsigned char>(*s++); return r; }
template <class T> constexpr unsigned type_id() { return hash(__PRETTY_FUNCTION__); }
unsigned f() { auto l = [](int k) { return k + 1; }; return type_id<decltype(l)>(); }
struct { int i; } anonymous;
unsigned g() { return type_id<decltype(anonymous)>(); }
''')
    t.write('src/named.cc', 'template <class T> const char *name() { return __PRETTY_FUNCTION__; }\nconst char *f() { auto l = [] {}; return name<decltype(l)>(); }\n')
    yield
    for words in ((), ('-g',), ('-O2', '-g')):
        t.shared(b.cxx, *words, '-c', '{dir}/src/n.cc', '-o', 'n.o')
    for name in ('pretty', 'named'):
        (t.shared if b.gcc else t.apart)(b.cxx, '-c', '{dir}/src/%s.cc' % name, '-o', 'n.o')


@test()
def options_that_hide_or_carry_the_path(b):
    t = Two(b)
    project(t)
    yield
    both = ['-frandom-seed={dir}/a.o', '-fsanitize=address', '-fsanitize=undefined', '-flto', '-fprofile-generate']
    clang = ['-fdebug-compilation-dir={dir}/x', '-ffile-compilation-dir={dir}/x', '-fcoverage-compilation-dir={dir}/x', '-funique-internal-linkage-names', '-gembed-source -gdwarf-5']
    for w in both + (clang if b.clang else []):
        argv = (b.cc, '-g', *w.split(), *INC, *C)
        plain = b.plain(*t.at(0).argv(argv, False)[0])
        if plain.status != 0:
            continue
        if w in ('-flto', '-fprofile-generate') and b.gcc:  # with random numbers in them
            t.at(0)
            b.cached(*t.argv(argv, False)[0])
            r, v = t.at(1).b.cached(*t.argv(argv, False)[0])
            check(not v.hit, w + ': a hit')
            continue
        t.same(0, argv, mapped=False)
        v = t.same(1, argv, mapped=False)
        check(not v.hit, w + ': a hit in the second checkout')
    # Compressed, the sections can't be searched.
    for w in ('-gz', '-Wa,--compress-debug-sections'):
        t.apart(b.cc, '-g', w, *INC, *C)


@test()
def prefix_maps_of_the_user(b):
    t = Two(b)
    project(t)
    yield
    fpm = '-ffile-prefix-map='
    t.shared(b.cc, '-g', fpm + '{dir}=.', *INC, *CD, mapped=False)
    t.shared(b.cc, '-g', fpm + '{dir}=/usr/src/proj', *INC, *CD, mapped=False)
    # From above: each checkout's own part of the path stays.
    above = os.path.dirname(os.path.dirname(t.dirs[0]))
    for w in (fpm + above + '=.', '-fdebug-prefix-map=%s=/top' % above, fpm + '/=X/', '-fmacro-prefix-map=%s=' % above[:-2]):
        a, c = t.apart(b.cc, '-g', w, *INC, *C, mapped=False)
        check(a['build/a.o'] != c['build/a.o'], w + ': the test proves nothing')
    # A part of it only.
    maps = True if b.gcc else False
    for w in ('-fdebug-prefix-map={dir}=.', '-fmacro-prefix-map={dir}=.', fpm + '{dir}/src=S', fpm + '{dir}/=D/'):
        t.same(0, (b.cc, '-g', w, *INC, *CD), mapped=maps if 'D/' not in w or b.gcc else False)
        t.same(1, (b.cc, '-g', w, *INC, *CD), mapped=maps if 'D/' not in w or b.gcc else False)
    t.apart(b.cc, '-g', fpm + '/x={dir}/y', *INC, *CD, mapped=False)


@test()
def folder_beside_the_base_that_begins_like_it(b):
    t = Two(b)
    beside = t.dirs[0] + '2'
    os.makedirs(beside + '/inc')
    t.at(0)
    b.write(beside + '/inc/s.h', 'static inline const char *s(void) { return __FILE__; }\n')
    b.write(beside + '/src/a.c', 'const char *a(void) { return __FILE__; }\n')
    t.write('src/a.c', '#include "s.h"\nconst char *a(void) { return s(); }\n')
    yield
    for k in BOTH:
        argv = (b.cc, '-g', '-I' + beside + '/inc', *CD)
        v = t.same(k, argv, mapped=k == 1)
        check(not v.hit, 'a hit')
    argv = (b.cc, '-g', '-c', beside + '/src/a.c', '-o', 'a.o')
    for k in BOTH:
        v = t.same(k, argv, mapped=k == 1)
        check(not v.hit, 'a hit')


@test(compilers=GCC)
def names_of_system_headers_by_their_length(b):
    """gcc writes the shorter of a system header's name and of where links lead: which one that is depends on where the checkout is."""
    t = Two(b)
    os.makedirs(b.root + '/opt')
    b.write(b.root + '/opt/s.h', '#define S 1\nstatic inline const char *s(void) { return __FILE__; }\n')
    t.write('src/a.c', '#include <s.h>\nconst char *a(void) { return s(); }\nint i = S;\n')
    for k in BOTH:
        t.at(k)
        os.makedirs(t.dir + '/ext/include')
        os.symlink(b.root + '/opt/s.h', t.dir + '/ext/include/s.h')
    spelled = ['-fno-canonical-system-headers']
    yield
    for words in (('-isystem', '{dir}/ext/include'), ('-isystem{dir}/build/../ext/include',), ('-idirafter', '../ext/include')):
        argv = (b.cc, '-g', *words, *CD)
        for k, want in ((0, 'stored'), (0, 'hit'), (1, 'hit'), (1, 'hit')):
            maps = ['-ffile-prefix-map=%s=/cchain-base-0' % t.dirs[k]] + spelled
            getattr(t, want)(k, argv, mapped=maps)


@test(compilers=GCC)
def names_behind_a_system_header_pragma(b):
    """The same of what a header that calls itself one includes beside itself, in a folder that no -isystem names."""
    t = Two(b)
    there = b.root + '/src/somewhat/longer'
    b.write(there + '/s.h', 'static inline const char *s(void) { return __FILE__; }\n')
    t.write('include/sys.h', '#pragma GCC system_header\n#include "s.h"\n')
    t.write('src/a.c', '#include "sys.h"\nconst char *a(void) { return s(); }\n')
    for k in BOTH:
        os.symlink(there + '/s.h', t.dirs[k] + '/include/s.h')
    yield
    plain = [b.plain(*t.at(k).argv((b.cc, *INC, *C), True)[1]).files['build/a.o'] for k in BOTH]
    check((b'/include/s.h' in plain[0]) != (b'/include/s.h' in plain[1]), 'the test proves nothing')
    for words in ((), ('-g',)):
        argv = (b.cc, *words, *INC, *CD)
        for k, want in ((0, 'stored'), (0, 'hit'), (1, 'hit'), (1, 'hit')):
            getattr(t, want)(k, argv, mapped=['-ffile-prefix-map=%s=/cchain-base-0' % t.dirs[k], '-fno-canonical-system-headers'])
    t.apart(b.cc, '-fcanonical-system-headers', *INC, *CD, mapped=False)


@test()
def files_that_are_looked_for_by_FILE(b):
    """The mapped name is that of no file: such a source is compiled without maps, or a build breaks."""
    t = Two(b)
    again = '#ifndef AGAIN\n#define AGAIN\n%s\nint tail;\n#else\nint twice;\n#endif\n'
    t.write('src/self.h', '#define SELF __FILE__\n')
    rows = {
        'self': again % '#include __FILE__',
        'base': again % '#include __BASE_FILE__',
        'macro': '#include "self.h"\n' + again % '#include SELF',
        'call': '#define F(x) x\n' + again % '#include F(__FILE__)',
        'guarded': '#define F(x) x\n#define NOW_OR_NEVER\n#ifdef NOW_OR_NEVER\n' + again % '#include F(__FILE__)' + '#endif\n',
        'test': '#if defined __has_include && __has_include(__FILE__)\nint yes;\n#else\nint no;\n#endif\n',
        'binary': '__asm__(".data\\nx: .incbin \\"" __FILE__ "\\"\\n.text\\n");\nint a;\n',
    }
    for name, text in rows.items():
        t.write('src/%s.c' % name, text)
    t.write('src/unused.h', '#include __FILE__\n')
    t.write('src/unused.c', '#ifdef NOT_HERE\n#include "unused.h"\n#endif\nconst char *f(void) { return __FILE__; }\n')
    yield
    for name in rows:
        for k in (0, 0, 1):
            t.same(k, (b.cc, '-c', '{dir}/src/%s.c' % name, '-o', 'x.o'), mapped=False)
    t.apart(b.cc, '-g', '-c', '{dir}/src/unused.c', '-o', 'x.o', mapped=False)


@test()
def options_that_choose_by_paths(b):
    t = Two(b)
    project(t)
    t.write('build/list', 'src:*second.proj*\n')
    t.write('build/attributes', '[always]\nsrc:*second.proj*\n')
    yield
    rows = [('-finstrument-functions', '-finstrument-functions-exclude-file-list=else-altogether')] if b.gcc else \
        [('-fxray-instrument', '-fxray-always-instrument=list'), ('-fxray-instrument', '-fxray-attr-list=attributes')]
    for words in rows:
        a, c = t.apart(b.cc, *words, *INC, *C, mapped=False)
        check(len(a['build/a.o']) != len(c['build/a.o']), '%s: the test proves nothing' % words[1])


@test()
def changes_in_the_second_checkout(b):
    t = Two(b)
    project(t)
    os.makedirs(t.dirs[1] + '/first')
    os.makedirs(t.dirs[0] + '/first')
    yield
    argv = (b.cc, '-g', '-I{dir}/first', *INC, *CD)
    t.stored(0, argv)
    t.hit(1, argv)
    t.at(1).b.write('include/deep/d.h', '#define D 7\n')
    v = t.same(1, argv)
    check(v.miss, 'a changed header: %s' % v)
    t.hit(0, argv)
    t.at(1).b.write('first/deep/d.h', '#define D 9\n')
    v = t.same(1, argv)
    check(v.miss, 'a header that shadows: %s' % v)
    t.hit(0, argv)
    t.at(1).b.write('src/a.c', PROJECT['src/a.c'] + 'int more;\n')
    v = t.same(1, argv)
    check(v.miss, 'another source: %s' % v)


@test()
def other_base_folders_for_the_same_files(b):
    """What is remembered for one list of base folders must not answer for another."""
    t = Two(b)
    t.write('src/g.h', '#line 1 "{dir}/src/g.y"\nstatic inline const char *g(void) { return __FILE__; }\n')
    t.write('src/a.c', '#include "g.h"\nconst char *a(void) { return g(); }\n')
    yield
    argv = (b.cc, '-I../src', '-c', '../src/a.c', '-o', 'a.o')
    yield
    t.stored(0, argv)
    t.hit(0, argv)
    for bases in ([os.path.dirname(t.dirs[0])], [t.dirs[0] + '/src', t.dirs[0] + '/build'], [t.dirs[0] + '/build', t.dirs[0] + '/src'], [b.root + '/nowhere']):
        t.bases[0] = bases
        v = t.same(0, argv, mapped=bases != [b.root + '/nowhere'])
        check(v.miss, '%s: %s' % (bases, v))
        t.hit(0, argv, mapped=bases != [b.root + '/nowhere'])
    t.bases[0] = [t.dirs[0]]
    t.hit(0, argv)


@test()
def without_base_folders_nothing_changes(b):
    t = Two(b)
    project(t)
    yield
    argv = (b.cc, '-g', *INC, *CD)
    bases = t.bases
    t.bases = [[], []]
    t.stored(0, argv, mapped=False)
    t.bases = [[b.root + '/nowhere'], []]
    t.hit(0, argv, mapped=False)  # of no concern to it
    t.bases = bases
    t.stored(0, argv)
    t.bases = [[], []]
    t.hit(0, argv, mapped=False)


@test()
def working_directory_by_way_of_a_link(b):
    t = Two(b)
    project(t)
    for k, d in enumerate(t.dirs):
        os.symlink(d + '/build', b.root + '/link%d' % k)
    yield
    argv = (b.cc, '-g', *INC, *CD)
    for k in BOTH:
        env = {'PWD': b.root + '/link%d' % k}
        v = t.same(k, argv, env=env)
        check(v.stored, 'checkout %d: %s' % (k, v))


@test()
def response_files(b):
    t = Two(b)
    project(t)
    t.write('build/flags.rsp', '-g -I{dir}/include -DX=1\n')
    t.write('build/define.rsp', '-g -I{dir}/include -DX="{dir}"\n')
    yield
    t.shared(b.cc, '@flags.rsp', *CD)
    t.apart(b.cc, '@{dir}/build/define.rsp', *CD, mapped=False)


@test()
def on_a_terminal(b):
    t = Two(b)
    t.write('src/w.c', 'int g(void) { int unused; return 1; }\n')
    t.write('src/q.c', 'int g(void) { return 1; }\n')
    yield
    t.shared(b.cc, '-g', '-c', '{dir}/src/q.c', '-o', 'w.o', terminal=True)
    t.apart(b.cc, '-Wall', '-c', '{dir}/src/w.c', '-o', 'w.o', terminal=True)


@test()
def wrong_base_folders(b):
    t = Two(b)
    project(t)
    os.symlink(t.dirs[0], b.root + '/src/link')
    yield
    argv = (b.cc, '-g', *INC, *CD)
    for bases, text in ((['/'], 'everything lies under it'), ([b.root + '/src/link'], 'leads through a link'), ([t.dirs[0] + '/build/..'], r'"\.\."'), (['relative'], 'no absolute path'),
                        ([t.dirs[0], t.dirs[0] + '/build'], 'begins as the other'), ([t.dirs[0], t.dirs[0]], 'given twice'), ([t.dirs[0] + '/a b'], 'letters, digits')):
        t.bases[0] = bases
        v = t.same(0, argv, mapped=False)
        check(v.miss or v.hit, '%s: %s' % (bases, v))
        troubles = [x['text'] for x in b.stats()['troubles']]
        check(any(re.search(text, x) and 'CCHAIN_BASE_DIRS' in x for x in troubles), '%s: the troubles should name it: %s' % (bases, troubles))


if __name__ == '__main__':
    sys.exit(suite.main(sys.argv))
