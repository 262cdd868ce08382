# SPDX-License-Identifier: Apache-2.0
"""A small C and C++ project that changes at random, in the ways that caches get wrong. Python 3 standard library only.

Each way is a *row*: a row of the tables in the list ROWS below, most of them an edit of the project (`edit_…`), some a kind of text or of command. A row is
counted each time its deed is done. Rows of the tables that need a full disk, a FIFO that somebody feeds, an image that is exchanged, or a forged file are
tested by themselves (tests/correctness, tests/faults).
"""
import os
import random
import shutil
import subprocess
import time

DIRS = ('.', 'one', 'two', 'sys', 'sub', 'cur')
NAMES = ['h%d.h' % i for i in range(6)]
HOUR = 3600 * 10**9
AS = shutil.which('as') or '/usr/bin/as'

ROWS = {  # name: what is done
    # what is easy to forget of the inputs
    'shadow': 'a header, or a directory of the search path, appears where it was looked for in vain, or goes',
    'restored': 'a text changes, its size and times do not',
    'race': 'a file changes while the compiler runs, for good or for that moment only',
    'race-swap': 'directories change places, or a link flips, while the compiler runs',
    'date': '__DATE__, __TIME__, __TIMESTAMP__, whole or pasted, SOURCE_DATE_EPOCH',
    'incbin': '.incbin and .include, in a source or pasted by macros',
    'native': '-march=native',
    'variables': 'variables of the environment that compilers read',
    'option-files': 'files behind options: -include, -imacros, -B, @file in @file, -Wp, -Wa, -Xclang, --sysroot, -specs',
    'unknown': 'an option that no table knows',
    'compiler': 'the compiler is another one under the same name',
    'script': 'the compiler is a script',
    'order': 'the order of -D, -U and -I changes',
    'link': 'a link in the search path flips, or a header becomes a link',
    'gch': 'a .gch comes beside an included name, or goes',
    'precompiled': 'the first -include has a precompiled header that was made through the cache, of what its header says or said',
    'dependency': '#pragma GCC dependency',
    'assembler': 'an assembler appears earlier on PATH or in a -B directory',
    'session': 'a build session goes on while files change',
    'comments': 'a comment changes, also one that steers a warning',
    'g3': '-g3, and -E the same',
    'record': '-grecord-gcc-switches and -grecord-command-line',
    'alias': 'a macro stands for __has_include',
    'twins': 'equal files of #pragma once and #import: copies, links, touched ones',
    'overlay': '-ivfsoverlay, a specs file, lists of the sanitizers',
    'pwd': 'the working directory is another, or spelled otherwise; -g, -fcoverage-mapping, __FILE__',
    'special': 'an input is no regular file',
    'reuse': 'a file goes and another gets its inode number, name and times',
    'tenants': 'two tenants, one key',
    'back': 'an old text comes back',
    'moved': 'directories of the project are renamed',
    # of the outputs
    'dependency-file': '-MD, -MMD, -MF, -MT, -MQ, -MP, -Wp,-MD',
    'two-objects': 'one source, two names of objects',
    'more-outputs': '-gsplit-dwarf, --coverage, -fstack-usage, -fcallgraph-info, -save-temps, -fsave-optimization-record, -ftime-trace',
    'width': 'width and colour of diagnostics',
    'warnings': 'a success with warnings',
    'output-form': 'the output is a link, has a second name, is read-only, is /dev/null, its folder is missing',
    'edited-later': 'the object is changed in place after it was delivered',
    'no-object': 'no -o; several sources; -E, -S; standard input; --version',
    'failure': 'a compile that fails',
    'parallel': 'compiles side by side',
}


class World:
    def __init__(self, root, seed, count):
        self.random, self.root, self.seed, self.count = random.Random(seed), root, seed, count
        self.src, self.steps, self.said, self.commands, self.number = root + '/src', 0, [], [], 0
        for d in ('tmp', 'home', 'bin', 'tools', 'src/one', 'src/two', 'src/sys', 'src/sub', 'src/v1', 'src/v2', 'src/deep/er'):
            os.makedirs(root + '/' + d, exist_ok=True)
        os.symlink('v1', self.src + '/cur')
        os.symlink('src', root + '/way')
        self.exchange_compiler()
        with open(root + '/bin/script-cc', 'w') as f:
            f.write('#!/bin/sh\nexec gcc -DSCRIPT=1 "$@"\n')
        os.chmod(root + '/bin/script-cc', 0o755)
        self.old = []
        for _ in range(self.random.randrange(5, 12)):
            self.write_header()
        self.sources = []
        for i in range(3):
            where, ext = self.random.choice(('.', 'sub')), self.random.choice(('.c', '.c', '.cc'))
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
        if kind < 0.52:
            self.count('alias')
            return '#define HI%d __has_include\n#if HI%d(%s)\n#define HAVE%d %d\n#endif' % (j, j, form, j, self.value())
        if kind < 0.55:
            return '#if __has_include(%s)\n#import %s\n#endif' % (form, form)
        return '#if __has_include(%s)\n#include %s\n#endif' % (form, form) if r.random() < 0.95 else '#include %s' % form

    def oddity(self):
        """Text of the rows that caches have to refuse or to know; rare, so that most compiles stay cacheable."""
        r, v, x = self.random, self.value(), self.random.random()
        if x < 0.003:
            self.count('date')
            date = r.choice(('__DATE__', '__TIME__', '__TIMESTAMP__', 'P(__DA, TE__)', 'P(__TI, ME__)'))
            return '#define P_(a, b) a##b\n#define P(a, b) P_(a, b)\nstatic const char *const date%d __attribute__((used)) = %s;\n#undef P\n#undef P_' % (v, date)
        if x < 0.006:
            self.count('incbin')
            word = r.choice(('".incbin \\"blob\\""', '".inc" "bin \\"blob\\""', '".include \\"blob.s\\""', 'Q(inc) "bin \\"blob\\""'))
            return '#define Q(a) "." #a\n__asm__(".pushsection .rodata\\n" %s "\\n.popsection");\n#undef Q' % word
        if x < 0.008:
            self.count('dependency')
            return r.choice(('#pragma GCC dependency "blob"', '_Pragma("GCC dependency \\"blob\\"")'))
        if x < 0.03:
            return r.choice(('/* __DATE__ .incbin #pragma GCC dependency "blob" */', 'static const char *const word%d __attribute__((used)) = "__TIME__ %d";' % (v, v)))
        return None

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
            self.count('pwd')
            lines.append('static const char *const file%d_%d __attribute__((used)) = __FILE__;' % (i, self.value()))
        if r.random() < 0.1:
            self.count('warnings')
            lines.append('#warning "w%d"' % self.value())
        if r.random() < 0.01:
            self.count('failure')
            lines.append('#error "e%d"' % self.value())
        lines.append(self.oddity() or '')
        if guard < 0.4:
            lines.append('#endif')
        return '\n'.join(lines) + '\n'

    def source(self):
        r = self.random
        lines = [self.include(r.choice((-1, -1, 0, 1))) for _ in range(r.randrange(1, 4))]
        if r.random() < 0.1:
            lines.append('#include <%s>' % r.choice(('stdio.h', 'limits.h', 'string.h')))
        lines.append(self.oddity() or '')
        body = '\n'.join('#ifdef H%d\n  s += %d * H%d;\n#endif\n#ifdef SEEN%d\n  s += SEEN%d;\n#endif\n#ifdef HAVE%d\n  s -= HAVE%d;\n#endif' % (i, i + 2, i, i, i, i, i) for i in range(len(NAMES)))
        return '%s\nint f(int x) { int s = x; int unused = %d;\n%s\n#ifdef X\n s += 1000 * X;\n#endif\n  switch (s) { case 1: s++; /* %s */\n case 2: return 3; }\n  return s; }\n' % (
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
            if st.st_size == len(text):
                self.count('restored')
        elif times < 0.8:
            os.utime(path, ns=(time.time_ns() - HOUR,) * 2)

    def write_header(self, i=None):
        i = self.random.randrange(len(NAMES)) if i is None else i
        path = self.path(self.random.choice(DIRS), NAMES[i])
        if not os.path.lexists(path):
            self.count('shadow')
        self.put(path, self.header(i), self.random.random() < 0.7)

    def write_source(self, i):
        self.put(self.path(*self.sources[i]), self.source(), self.random.random() < 0.7)

    def headers(self):
        return [self.path(d, n) for d in DIRS for n in NAMES if os.path.isfile(self.path(d, n)) and not os.path.islink(self.path(d, n))]

    def a_header(self):
        return self.random.choice(self.headers() or [self.path(*self.sources[0])])

    def edit_new(self):
        self.write_header()

    def edit_digits(self):
        r, p = self.random, self.a_header()
        text = list(open(p).read())
        at = [k for k, c in enumerate(text) if c in '123456789' and k > 0 and text[k - 1] in ' 0123456789']
        if at:
            text[r.choice(at)] = r.choice('123456789')
            self.put(p, ''.join(text), r.random() < 0.5)

    def edit_delete(self):
        odd = [self.path(d, n + e) for d in DIRS for n in NAMES for e in ('', '.gch', '.pch') if (e or not os.path.isfile(self.path(d, n))) and os.path.lexists(self.path(d, n + e))]
        if odd and self.random.random() < 0.6:
            p = self.random.choice(odd)
            os.rmdir(p) if os.path.isdir(p) and not os.path.islink(p) else os.unlink(p)
            self.count('gch' if p.endswith(('.gch', '.pch')) else 'special')
            return
        p = self.a_header()
        if p.endswith('.h'):
            self.old.append((p, open(p).read()))
            os.unlink(p)
            self.count('shadow')

    def edit_move(self):
        p = self.a_header()
        to = self.path(self.random.choice(DIRS), os.path.basename(p))
        if p.endswith('.h') and not os.path.islink(to):
            os.rename(p, to)
            self.count('shadow')

    def edit_twin(self):
        r, p = self.random, self.a_header()
        to = self.path(r.choice(DIRS), os.path.basename(p))
        if os.path.realpath(to) == os.path.realpath(p) or not p.endswith('.h'):
            return
        if os.path.lexists(to):
            os.unlink(to)
        how = r.choice(('copy', 'hard', 'link', 'device'))
        if how == 'copy':
            shutil.copy2(p, to)
            self.count('twins')
        elif how == 'hard':
            os.link(p, to)
            self.count('twins')
        elif how == 'link':
            os.symlink(os.path.realpath(p), to)
            self.count('link')
        elif r.random() < 0.3:
            os.symlink('/dev/null', to) if r.random() < 0.7 else os.mkdir(to)
            self.count('special')

    def edit_touch(self):
        os.utime(self.a_header())
        self.count('twins')

    def edit_flip(self):
        os.symlink('v2' if os.readlink(self.path('cur')) == 'v1' else 'v1', self.path('cur~'))
        os.rename(self.path('cur~'), self.path('cur'))
        self.count('link')

    def edit_swap(self):
        os.rename(self.path('one'), self.path('three'))
        os.rename(self.path('two'), self.path('one'))
        os.rename(self.path('three'), self.path('two'))
        self.count('moved')

    def edit_source(self):
        self.write_source(self.random.randrange(3))

    def edit_back(self):
        if self.old:
            p, text = self.old[self.random.randrange(max(0, len(self.old) - 6), len(self.old))]
            self.put(p, text, self.random.random() < 0.5)
            self.count('back')

    def edit_comment(self):
        p = self.a_header() if self.random.random() < 0.7 else self.path(*self.random.choice(self.sources))
        text = open(p).read()
        if 'or not' in text and self.random.random() < 0.5:
            text = text.replace('or not', 'fall through')
        else:
            text = text + '/* %d */\n' % self.value()
        self.put(p, text)
        self.count('comments')

    def edit_deep(self):
        p = self.path(self.random.choice(DIRS), 'er')
        shutil.rmtree(p) if os.path.isdir(p) else os.mkdir(p)
        self.count('shadow')
        if os.path.isdir(p):
            i = self.random.randrange(1, len(NAMES))
            self.put(p + '/' + NAMES[i], self.header(i))

    def edit_folder(self):
        p = self.path('none')
        if os.path.isdir(p):
            shutil.rmtree(p)
        else:
            os.mkdir(p)
            i = self.random.randrange(len(NAMES))
            self.put(p + '/' + NAMES[i], self.header(i))
        self.count('shadow')

    def edit_noise(self):
        self.put(self.path(self.random.choice(DIRS), 'noise%d.txt' % self.random.randrange(3)), 'x')

    def edit_blob(self):
        for name, text in (('blob', str(self.value())), ('blob.s', '.long %d\n' % self.value())):
            self.put(self.path(self.random.choice(('.', 'sub')), name), text)

    def edit_reuse(self):
        p = self.a_header()
        st, text = os.stat(p), open(p).read()
        self.old.append((p, text))
        os.unlink(p)
        with open(p, 'w') as f:  # the next file most often gets the number that has become free
            f.write(text.translate(str.maketrans('123456789', '234567891')))
        os.utime(p, ns=(st.st_mtime_ns, st.st_mtime_ns))
        self.count('reuse')

    def edit_gch(self):
        name = self.random.choice([p for p in self.headers() if p.endswith('.h')] or [None])
        if not name:
            return
        if os.path.exists(name + '.gch'):
            os.unlink(name + '.gch')
        else:
            subprocess.run(['gcc', '-x', 'c-header', '-DGCH=%d' % self.value(), name, '-o', name + '.gch'], cwd=self.src, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        self.count('gch')

    def exchange_compiler(self):
        for name, choice in (('cc', ('gcc', 'clang')), ('c++', ('g++', 'clang++'))):
            link = self.root + '/bin/' + name
            now = os.path.basename(os.readlink(link)) if os.path.islink(link) else ''
            os.symlink(shutil.which(choice[0] if now != choice[0] else choice[1]), link + '~')
            os.rename(link + '~', link)

    def edit_compiler(self):
        self.exchange_compiler()
        self.count('compiler')

    def edit_assembler(self):
        p = os.path.join(self.root, self.random.choice(('bin', 'tools')), 'as')
        os.unlink(p) if os.path.lexists(p) else os.symlink(AS, p)
        self.count('assembler')

    EDITS = (('new', 8), ('digits', 12), ('delete', 6), ('move', 3), ('twin', 5), ('touch', 3), ('flip', 3), ('swap', 2), ('source', 4), ('back', 12), ('comment', 5), ('deep', 2), ('folder', 2),
             ('noise', 4), ('blob', 2), ('reuse', 3), ('gch', 1), ('compiler', 1), ('assembler', 1))

    def edit(self):
        names, weights = zip(*self.EDITS)
        what = self.random.choices(names, weights)[0]
        try:
            getattr(self, 'edit_' + what)()
        except OSError as e:
            what += ' (%s)' % e.strerror
        self.said.append(what)

    # ---- commands

    def command(self):
        """A new Command. What is rare in it is rare so that nine in ten can be cached."""
        r = self.random
        self.number += 1
        c = Command()
        where, name = r.choice(self.sources)
        cxx = name.endswith('.cc')
        c.compiler = r.choice(('g++', 'g++', 'clang++', 'c++') if cxx else ('gcc', 'gcc', 'gcc', 'clang', 'cc'))
        c.cwd, up = (self.path('sub'), '../') if r.random() < 0.25 else (self.src, '')
        c.env['PWD'] = c.cwd
        if r.random() < 0.1:
            c.env['PWD'] = c.cwd.replace('/src', '/way', 1) if r.random() < 0.7 else c.cwd
            c.rows.append('pwd')
        for d in ('one', 'two', 'sys', 'cur', '.', 'none'):
            if r.random() < 0.6:
                c.free.append((r.choice(('-I', '-I', '-I', '-isystem', '-iquote', '-idirafter')), up + d if r.random() < 0.8 else self.path(d)))
        r.shuffle(c.free)

        def some(row, chance, *choices):
            if r.random() < chance:
                words = r.choice(choices)
                c.words += words.split() if isinstance(words, str) else words
                c.rows += [row] if row else []
        for flags, chance in (('-DX', 0.3), ('-DX=%d' % self.value(), 0.1), ('-DY=1', 0.2), ('-UX', 0.1)):
            if r.random() < chance:
                c.free.append((flags,))
        if r.random() < 0.25:
            c.free += r.choice(([('-DX=%d' % self.value(),), ('-UX',)], [('-DX=%d' % self.value(),), ('-DX=%d' % self.value(),)]))
        some(None, 0.3, '-O1', '-O2')
        some('pwd', 0.15, '-g', '-g -O1', '-fprofile-instr-generate -fcoverage-mapping' if 'clang' in c.compiler else '-g1')
        some(None, 0.3, '-Wall -Wextra', '-Wimplicit-fallthrough', '-Wextra')
        some('option-files', 0.1, '-include h5.h', '-imacros h4.h', ['-B', self.root + '/tools'], '-Wp,-DW=1', '-Wa,--noexecstack', '--sysroot=/', '-Xpreprocessor -DXP', '-Xassembler --noexecstack', ['@' + self.path('args')])
        c.forced = None
        clang = 'clang' in c.compiler
        if (c.compiler[0] == 'g' or clang) and not {'-include', '-imacros'} & set(c.words) and r.random() < 0.12:
            c.forced = self.path('h%d.h' % r.choice((4, 5)))
            text = ['-Xclang', '-include', '-Xclang', c.forced]
            how = r.choice((['-include', c.forced], ['-include', c.forced], ['-include-pch', c.forced + '.pch'], ['-Xclang', '-include-pch', '-Xclang', c.forced + '.pch'] + text))
            c.words = (how if clang else ['-include', c.forced]) + c.words
            c.rows.append('precompiled')
        if c.words and c.words[-1] == '@' + self.path('args'):
            self.put(self.path('args'), '-DARG=%d "@%s"' % (self.value(), self.path('args2')))
            self.put(self.path('args2'), '-DX=%d\n' % self.value())
        some(None, 0.1, '-std=gnu11' if not cxx else '-std=gnu++17')
        some(None, 0.1, '-w')
        some('native', 0.02, '-march=native', '-mtune=native')
        some('unknown', 0.003, '-fthere-is-no-such-option', '-aux-info aux.X')
        some('g3', 0.01, '-g3')
        some('record', 0.01, '-grecord-gcc-switches -g', '-grecord-command-line' if 'clang' in c.compiler else '-g')
        some('overlay', 0.006, '-ivfsoverlay blob', '-specs=blob', '-fsanitize=address -fsanitize-ignorelist=blob' if 'clang' in c.compiler else '-specs=blob')
        some('width', 0.1, '-fdiagnostics-color=always', '-fmessage-length=40', '-fno-diagnostics-show-caret' if 'clang' not in c.compiler else '-fno-caret-diagnostics', '-fdiagnostics-color=never')
        some('more-outputs', 0.02, '-gsplit-dwarf -g', '--coverage', '-fstack-usage', '-save-temps', *(('-fsave-optimization-record', '-ftime-trace') if clang else ('-fcallgraph-info', '-fdump-tree-gimple')))
        if r.random() < 0.4:
            n = self.number
            some('dependency-file', 1, '-MD', '-MMD', '-MD -MF x%d.d' % n, '-MD -MP -MT tgt', '-MMD -MQ a$b', '-Wp,-MD,w%d.d' % n, '-Wp,-MMD,w%d.d' % n)
        if r.random() < 0.12:
            variables = {'CPATH': self.path('two'), 'C_INCLUDE_PATH': self.path('sys'), 'LANG': 'C.UTF-8', 'LC_ALL': 'C.UTF-8', 'LANGUAGE': 'de', 'SOURCE_DATE_EPOCH': str(1500000000 + r.randrange(3) * 10**6), 'TZ': 'UTC-3',
                         'COLUMNS': '50', 'GCC_COLORS': 'warning=01;34', 'COMPILER_PATH': self.root + '/tools', 'LIBRARY_PATH': self.path('one'), 'TERM': 'xterm', 'NO_COLOR': '1', 'CPLUS_INCLUDE_PATH': self.path('cur')}
            name_of = r.choice(list(variables))
            c.env[name_of] = variables[name_of]
            c.rows += ['variables'] + (['date'] if name_of == 'SOURCE_DATE_EPOCH' else []) + (['width'] if name_of in ('COLUMNS', 'GCC_COLORS') else [])
        source = os.path.join(where, name) if where != '.' else name
        source = os.path.relpath(self.path(source), c.cwd) if r.random() < 0.85 else self.path(source)
        x = r.random()
        if x < 0.004:
            c.last = r.choice(([source, '-E'], ['-c', '-x', 'c', '-'], ['--version'], ['-fsyntax-only', source], ['-c', source, os.path.relpath(self.path(*self.sources[0]), c.cwd)]))
            c.rows.append('no-object')
        elif x < 0.04:
            c.last = ['-S', source, '-o', 'o%d.s' % self.number]
            c.rows.append('no-object')
        elif x < 0.07:
            c.last = ['-c', source]
            c.rows.append('no-object')
        else:
            c.object = (up + 'deep/' if r.random() < 0.2 else '') + 'o%d.o' % self.number
            c.last = ['-c', source, '-o', c.object]
            if r.random() < 0.06:
                c.form = r.choice(('link', 'hard', 'readonly', 'dangling', 'directory', 'missing') if r.random() < 0.8 else ('null',))
                if c.form in ('null', 'missing'):
                    c.object = {'null': '/dev/null', 'missing': 'nowhere/a.o'}[c.form]
                    c.last[-1] = c.object
                c.rows.append('output-form')
        if r.random() < 0.005 and not cxx:
            c.compiler = 'script-cc'
            c.rows.append('script')
        c.mode = r.choice(('direct', 'direct', 'preprocess', 'direct+preprocess'))
        c.tenant = r.choice(('local', 'local', 'local', 'red'))
        return c

    def variation(self, c):
        """The same command but for one thing that must not be overlooked."""
        r, v = self.random, Command()
        self.number += 1
        v.__dict__.update({k: (x.copy() if isinstance(x, (list, dict)) else x) for k, x in c.__dict__.items()})
        what = r.choice(('order', 'order', 'object', 'tenant', 'pwd'))
        if what == 'order' and len(v.free) > 1:
            r.shuffle(v.free)
            v.rows.append('order')
        elif what == 'object' and v.object and not v.form:
            v.object = os.path.join(os.path.dirname(v.object), 'o%d.o' % self.number)
            v.last[-1] = v.object
            v.rows.append('two-objects')
        elif what == 'tenant':
            v.tenant = 'red' if v.tenant == 'local' else 'local'
            v.rows.append('tenants')
        elif v.env['PWD'] == v.cwd:
            v.env['PWD'] = v.cwd.replace('/src', '/way', 1)
            v.rows.append('pwd')
        return v

    def prepare(self, c):
        """Makes the output what it is to be before the compile."""
        if c.form in (None, 'null', 'missing'):
            return
        p, other = os.path.join(c.cwd, c.object), self.path('other')
        for q in (p, other):
            if os.path.isdir(q) and not os.path.islink(q):
                os.rmdir(q)
            elif os.path.lexists(q):
                os.unlink(q)
        if c.form == 'directory':
            os.mkdir(p)
            return
        if c.form != 'dangling':
            with open(other, 'w') as f:
                f.write('before')
        if c.form in ('link', 'dangling'):
            os.symlink(other, p)
        elif c.form == 'hard':
            os.link(other, p)
        else:
            os.rename(other, p)
            os.chmod(p, 0o444)

    # ---- what changes while a compiler runs

    def meddle(self):
        """One change and, most often, its undoing; returns two functions."""
        r = self.random
        try:
            if r.random() < 0.4:
                self.count('race-swap')
                return (self.edit_swap, self.edit_swap) if r.random() < 0.5 else (self.edit_flip, self.edit_flip)
            self.count('race')
            p = self.a_header()
            st, text = os.stat(p), open(p).read()
            if r.random() < 0.5:
                return lambda: os.rename(p, p + '.away'), lambda: os.rename(p + '.away', p)

            def write(t):
                with open(p, 'r+') as f:
                    f.write(t)
                os.utime(p, ns=(st.st_mtime_ns, st.st_mtime_ns))
            other = text.translate(str.maketrans('123456789', '234567891'))
            return (lambda: write(other)), (lambda: write(text)) if r.random() < 0.7 else (lambda: None)
        except OSError:
            return (lambda: None), (lambda: None)


class Command:
    """A compile: words in order, the free ones in any, and what is to be there before it."""

    def __init__(self):
        self.compiler, self.cwd, self.mode, self.tenant = 'gcc', '', 'direct', 'local'
        self.free, self.words, self.last, self.env, self.rows = [], [], [], {}, []
        self.object, self.form = None, None

    def argv(self):
        return [self.compiler] + [w for f in self.free for w in f] + self.words + self.last
