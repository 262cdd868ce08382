#!/usr/bin/env python3
"""Hits by cc_lookup (lookup.c) over the corpus and over sources with 200 headers, in and without a build session, with and without
delivery, by one thread and two, each beside the same I/O done bare (bare.c); 100 -I directories with 500 headers; loading the library.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import time

from benchlib import CCHAIN, HERE, LIBRARY, OUT, compile_c, corpus, env_for, fresh, median, quiet, save

REPS = int(os.environ.get('REPS', '9'))
work = fresh('lookup')
env = env_for(work, CCHAIN_DIR=work + '/cache')
include = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'include')
lookup = compile_c('lookup.c', work + '/lookup', '-I' + include, LIBRARY, '-Wl,-rpath,' + os.path.dirname(LIBRARY), '-lpthread')
load = compile_c('load.c', work + '/load', '-ldl')
rows = []


def measured(argv, cwd):
    subprocess.run([*argv], env=env, check=True, cwd=cwd)
    with open(work + '/one.json') as f:
        rows.append(json.load(f))
    return rows[-1]


def fill(cwd, graph):
    """Compiles all through the command, twice: what was younger than 2 s the first time is settled the second."""
    quiet(['ninja', '-C', cwd, '-f', graph], env=env)
    time.sleep(2.2)
    subprocess.run(['ninja', '-C', cwd, '-f', graph, '-t', 'clean'], stdout=subprocess.DEVNULL)
    quiet(['ninja', '-C', cwd, '-f', graph], env=env)


def hits(tsv, cwd):
    out = tsv[:-4] + '-hits.tsv'
    subprocess.run([lookup, tsv, cwd, '--hits', out], env=env, check=True)
    n, of = (sum(1 for _ in open(f)) for f in (out, tsv))
    if n < of:
        print('%d of %d commands hit; the others are left out' % (n, of), file=sys.stderr)
    if n == 0:
        raise SystemExit('nothing hits: ' + tsv)
    return out


def outputs_of(tsv):
    path = tsv[:-4] + '-outputs'
    with open(tsv) as f, open(path, 'w') as o:
        for line in f:
            w = line.rstrip('\n').split('\t')
            o.write('%s\n%s\n' % (w[w.index('-o') + 1], w[w.index('-MF') + 1]))
    return path


def bare(tag, tsv, cwd, args, only_data):
    """Builds bare.c with the plan of one run of lookup.c."""
    log = '%s/%s.strace' % (work, tag)
    if not os.path.exists(log):
        quiet(['strace', '-f', '-s', '0', '-o', log, lookup, tsv, cwd, '--mark', *args], env=env)
        quiet(['cp', '-a', work + '/cache', '%s/copy-%s' % (work, tag)])
    plan = '%s/%s-%d.plan.c' % (work, tag, only_data)
    with open(plan, 'w') as f:
        subprocess.run([sys.executable, HERE + '/make-floor.py', log, '--lookups', '--map', '%s/cache=%s/copy-%s' % (work, work, tag),
                        *(['--only-data'] if only_data else [])], stdout=f, stderr=subprocess.DEVNULL, cwd=cwd, check=True)
    return compile_c('bare.c', plan[:-7], '-DPLAN_FILE="%s"' % plan, '-lxxhash', '-lzstd', '-lpthread')


def head(title):
    print('\n%s\n%-44s %8s %8s %8s   %8s %8s %8s %8s' % (title, 'us a look-up (of a repetition: all / count)', 'min', 'median', 'best', 'one: med', 'one: p90', 'parse', 'end'),
          flush=True)


def series(label, tsv, cwd, variants, threads=(1, 2), bare_too=True):
    head(label)
    result = {}
    for tag, args in variants:
        for t in threads:
            own = measured([lookup, tsv, cwd, '--reps', str(REPS), '--threads', str(t), '--name', '%s, %d thread%s' % (tag, t, 's'[:t - 1]), '--json',
                            work + '/one.json', *args], cwd)
            result[tag, t] = own
            if not bare_too:
                continue
            for only_data, text in ((True, 'bare: records, entries, outputs, xxh3, zstd'), (False, 'bare: the same system calls')):
                program = bare((label + '-' + tag).replace(' ', '-').replace(',', ''), tsv, cwd, args, only_data)
                b = measured([program, str(t), str(REPS), '  ' + text, work + '/one.json', cwd, *([outputs_of(tsv)] if '--deliver' in args else [])], cwd)
                result[tag, t, only_data] = b
    for tag, _ in variants:
        for t in threads:
            if (tag, t, True) in result:
                own = result[tag, t]
                print('  %-40s to the data alone %.2f/%.2f, to the same calls %.2f/%.2f (best/median)' % (
                    '%s, %d:' % (tag, t), *(own[k] / result[tag, t, d][k] for d in (True, False) for k in ('best', 'median'))))
        if 2 in threads:
            gain = lambda *k: result[(tag, 1, *k)]['min'] / result[(tag, 2, *k)]['min']
            print('  %-40s two threads gain %.2f%s' % (tag + ':', gain(), ', bare %.2f (data), %.2f (same calls)' % (gain(True), gain(False)) if bare_too else ''))
    return result


def synthetic(name, sources, *params):
    d = fresh('lookup', name)
    quiet([sys.executable, HERE + '/synthetic.py', '--out', d, '--sources', str(sources), *params])
    with open(d + '/launcher.ninja', 'w') as f:
        f.write('launcher = %s\n' % CCHAIN)
    time.sleep(2.2)
    fill(d, 'build.ninja')
    return hits(d + '/commands.tsv', d), d


session, bare_session = ['--session'], []
variants = [('session', ['--session']), ('session, delivered', ['--session', '--deliver']), ('no session', []), ('no session, delivered', ['--deliver'])]

# Loading.
times = []
for _ in range(200):
    r = subprocess.run([load, LIBRARY], stdout=subprocess.PIPE, text=True, env=env)
    if r.returncode != 0:
        print('LOADING BRINGS IN WHAT IT MUST NOT', file=sys.stderr)
    times.append(float(r.stdout.split()[0]))
print('\nloading the library (dlopen, cc_version): min %.0f us, median %.0f us (<= 400)' % (min(times), median(times)))
loading = {'min': min(times), 'median': median(times), 'clean': r.returncode == 0}

tsv, d = synthetic('h200', 200, '--headers', '200', '--dirs', '3')
series('200 headers, 3 -I', tsv, d, variants)
head('200 headers, 3 -I, the source directory changed')
measured([lookup, tsv, d, '--reps', str(REPS), '--touch', 'src/new.h', '--name', 'no session', '--json', work + '/one.json'], d)
small = rows[-1]
tsv, d = synthetic('h500', 40, '--headers', '500', '--dirs', '100')
wide = series('500 headers, 100 -I', tsv, d, [('session', ['--session']), ('no session', [])], threads=(1,))

commands = corpus('cchain', '--launcher', CCHAIN)
tsv = work + '/corpus.tsv'
with open(tsv, 'w') as f:
    f.writelines('\t'.join(c['argv']) + '\n' for c in commands)
cwd = commands[0]['cwd']
subprocess.run(['ninja', '-C', cwd, '-f', 'cchain.ninja', '-t', 'clean'], stdout=subprocess.DEVNULL)
fill(cwd, 'cchain.ninja')
series('corpus', hits(tsv, cwd), cwd, variants)
save('lookup', {'rows': rows, 'loading': loading})
