#!/usr/bin/env python3
"""Sources that each include the same headers, spread over directories, with the failing look-ups that a real compile has.

  synthetic.py --out DIR --sources N --headers H --dirs I [--in-source]

H headers in subdirectories of I directories given by -I: with 3, some 118 directories are looked in and 1,300 names are not there; with 100, tens of
thousands. Writes DIR/commands.tsv (words separated by tabs, one command a line) and DIR/build.ninja (`launcher` in launcher.ninja).
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import os


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--out', required=True)
    p.add_argument('--sources', type=int, default=1)
    p.add_argument('--headers', type=int, default=200)
    p.add_argument('--dirs', type=int, default=3)
    p.add_argument('--in-source', action='store_true', help='objects beside the sources, whose directory then changes with each compile')
    a = p.parse_args()
    out = os.path.abspath(a.out)
    subs = max(1, 118 // a.dirs) if a.dirs < 50 else 1
    os.makedirs(out + '/src', exist_ok=True)
    os.makedirs(out + '/obj', exist_ok=True)
    names = []
    for i in range(a.headers):
        sub, home = i % subs, (i // subs) % a.dirs
        names.append('k%d/h%d.h' % (sub, i))
        d = '%s/i%d/k%d' % (out, home, sub)
        os.makedirs(d, exist_ok=True)
    for i, name in enumerate(names):
        home = (i // subs) % a.dirs
        # Each header includes two others, as headers do; looked for beside itself first.
        more = ''.join('#include "%s"\n' % names[j] for j in (i + 1, i + 2) if j < a.headers and i % 8 < 6)
        with open('%s/i%d/%s' % (out, home, name), 'w') as f:
            f.write('#ifndef H%d\n#define H%d\n%s' % (i, i, more))
            f.write(''.join('/* some text, as headers have it, line %d */\nstruct s%d_%d { int a, b; };\nint f%d_%d(int a, int b);\n'
                            % (n, i, n, i, n) for n in range(25)))
            f.write('#endif\n')
    includes = ['-Ii%d' % d for d in range(a.dirs)]
    with open(out + '/commands.tsv', 'w') as tsv, open(out + '/build.ninja', 'w') as ninja:
        ninja.write('include launcher.ninja\nrule c\n  depfile = $out.d\n  deps = gcc\n  command = $launcher gcc %s -O2 -MD -MT $out -MF $out.d -o $out -c $in\n'
                    % ' '.join(includes))
        for n in range(a.sources):
            source, obj = 'src/s%d.c' % n, '%s/s%d.o' % ('src' if a.in_source else 'obj', n)
            with open('%s/%s' % (out, source), 'w') as f:
                f.write(''.join('#include "%s"\n' % name for name in names))
                f.write('int f%d(int x) { return x + %d + (int)sizeof(struct s0_1); }\n' % (n, n))
            tsv.write('\t'.join(['gcc', *includes, '-O2', '-MD', '-MT', obj, '-MF', obj + '.d', '-o', obj, '-c', source]) + '\n')
            ninja.write('build %s: c %s\n' % (obj, source))
    with open(out + '/launcher.ninja', 'w') as f:
        f.write('launcher =\n')


main()
