#!/usr/bin/env python3
"""Writes src/static/hit.ld anew: the linker script that puts what a hit by the command runs side by side, at the head of the program.

The program is 3 MB of text, a hit runs 190 KB of it. Left where the linker finds them, these lie in 40 windows of 64 KB, and each window is a
page fault and 16 page table entries to set and to take down. To be run when the hit path has changed a lot (a name that is gone does no harm).

  order.py [OTHER-TRACE-COMMAND…]   in the tree, after `make`; wants valgrind and `make bench` to have made its corpus
SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = ROOT + '/src/static/hit.ld'

HEAD = """/* What a hit by the command runs, side by side: written by tests/tools/order.py, which says why. SPDX-License-Identifier: Apache-2.0 */
SECTIONS
{
  /* base/hash.cc asks the processor itself, once that is worth it. */
  /DISCARD/ :
  {
    *libcrypto.a:libcrypto-lib-x86_64cpuid.o(.init)
  }
  .text.hit :
  {
"""
TAIL = """  }
}
INSERT BEFORE .text;
"""


def trace(program, argv, cwd, env, log):
    """Addresses of the instructions that one run executes."""
    subprocess.run(['valgrind', '--tool=lackey', '--trace-mem=yes', '--log-file=' + log, program, *argv], cwd=cwd, env=env, check=True)
    seen = set()
    with open(log, errors='replace') as f:
        for line in f:
            if line.startswith('I  '):
                seen.add(int(line[3:].split(',')[0], 16))
    return seen


def sections(path):
    """(start, end, section, file) of each piece of text in a link map."""
    found, name = [], None
    with open(path) as f:
        for line in f:
            m = re.match(r' (\.text\S*)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S+)$', line)
            alone = re.match(r' (\.text\S+)$', line)
            if alone:
                name = alone.group(1)
                continue
            if m and (m.group(1) or name):
                start, size = int(m.group(2), 16), int(m.group(3), 16)
                if size and start:
                    found.append((start, start + size, m.group(1) or name, m.group(4)))
            name = None
    return sorted(found)


def pattern(section, file):
    member = re.match(r'.*?([^/]+\.a)\(([^)]+)\)$', file)
    where = '*%s:%s' % member.groups() if member else '*/' + os.path.basename(file)
    # Names of clones end in numbers that the next build gives otherwise.
    section = re.sub(r'\.(constprop|isra|part|lto_priv)\..*$', '*', section)
    return '%s(%s)' % (where, section)


def main():
    sys.path.insert(0, ROOT + '/tests/bench')
    import benchlib
    work = tempfile.mkdtemp(dir=benchlib.OUT)
    os.mkdir(work + '/bin')
    # valgrind sets LD_PRELOAD, with which nothing is cached.
    with open(benchlib.CCHAIN, 'rb') as f:
        text = f.read().replace(b'LD_PRELOAD', b'LD_PRELOAX')
    program = work + '/bin/cchain'
    with open(program, 'wb') as f:
        f.write(text)
    os.chmod(program, 0o755)
    env = benchlib.env_for(work, CCHAIN_DIR=work + '/cache')
    runs = []
    for want in ('lua5.4/src/lapi.c', 'leveldb/db/db_impl.cc', 'googlemock/src/gmock-matchers.cc'):
        c = next(c for c in benchlib.corpus() if c['source'].endswith(want))
        runs.append((c['argv'], c['cwd']))
    for params in (['--headers', '200', '--dirs', '3'], ['--headers', '500', '--dirs', '100']):
        d = tempfile.mkdtemp(dir=work)
        benchlib.quiet([sys.executable, benchlib.HERE + '/synthetic.py', '--out', d, '--sources', '1', *params])
        with open(d + '/commands.tsv') as f:
            runs.append((f.readline().rstrip('\n').split('\t'), d))
    link = work + '/map'
    subprocess.run(['make', '-s', '-C', ROOT, 'B=' + os.path.relpath(os.path.dirname(benchlib.CCHAIN), ROOT), 'command-map', 'MAP=' + link], check=True)
    pieces = sections(link)
    seen = set()
    import time
    for argv, cwd in runs:
        for _ in range(3):
            benchlib.quiet(['valgrind', '--tool=none', program, *argv], cwd=cwd, env=env)
        time.sleep(2.2)  # what is younger is hashed again
        for _ in range(2):
            benchlib.quiet(['valgrind', '--tool=none', program, *argv], cwd=cwd, env=env)
        hits = benchlib.stats(env)['hits']
        seen |= trace(program, argv, cwd, env, work + '/trace')
        if benchlib.stats(env)['hits'] != hits + 1:
            sys.exit('%s: no hit under valgrind' % shlex.join(argv))
    used = {}
    import bisect
    starts = [p[0] for p in pieces]
    for a in seen:
        i = bisect.bisect_right(starts, a) - 1
        if i >= 0 and a < pieces[i][1]:
            p = pieces[i]
            used[pattern(p[2], p[3])] = max(used.get(pattern(p[2], p[3]), 0), p[1] - p[0])
    ours = sorted(p for p in used if ':' not in p)
    theirs = sorted(p for p in used if ':' in p)
    with open(OUT, 'w') as f:
        f.write(HEAD)
        for p in ours + theirs:
            f.write('    %s\n' % p)
        f.write(TAIL)
    print('%s: %d pieces, %d bytes of text' % (os.path.relpath(OUT, ROOT), len(used), sum(used.values())))
    for p, n in sorted(used.items(), key=lambda x: -x[1])[:12]:
        print('%8d %s' % (n, p))
    shutil.rmtree(work)


main()
