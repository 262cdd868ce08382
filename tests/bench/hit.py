#!/usr/bin/env python3
"""A hit by the command as a whole process: nothing, the floor, cchain and Debian's ccache in turn, on three files of the corpus,
one with 200 headers of its own and one with 100 -I directories and 500 headers.

  hit.py [ROUNDS]        default 300
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import subprocess
import sys
import time

from benchlib import CCHAIN, HERE, OUT, compile_c, corpus, ccache_config, env_for, fresh, quiet, save, stats

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
work = fresh('hit')
env = env_for(work, CCHAIN_DIR=work + '/cache', CCACHE_DIR=ccache_config(work))
compile_c('nothing.c', work + '/nothing', '-static')
spawn = compile_c('spawn.c', work + '/spawn')

chosen = []
for want in ('lua5.4/src/lapi.c', 'leveldb/db/db_impl.cc', 'googlemock/src/gmock-matchers.cc'):
    c = next(c for c in corpus() if c['source'].endswith(want))
    chosen.append((os.path.basename(want), c['cwd'], c['argv'], [c['object']]))
for i, (name, params) in enumerate((('200 headers', ['--headers', '200', '--dirs', '3']),
                                    ('200, objects in src', ['--headers', '200', '--dirs', '3', '--in-source']),
                                    ('500 headers, 100 -I', ['--headers', '500', '--dirs', '100']))):
    d = fresh('hit', 'synthetic%d' % i)
    quiet([sys.executable, HERE + '/synthetic.py', '--out', d, '--sources', '1', *params])
    argv = open(d + '/commands.tsv').readline().rstrip('\n').split('\t')
    chosen.append((name, d, argv, ['src/s0.o' if '--in-source' in params else 'obj/s0.o']))


def floor(tag, cwd, argv, distinct):
    """Compiles the floor of one hit from its system calls."""
    log = '%s/%s.strace' % (work, tag)
    if not os.path.exists(log):
        quiet(['strace', '-f', '-s', '0', '-o', log, CCHAIN, *argv], cwd=cwd, env=env)
    copy = work + '/floor-' + tag
    if not os.path.exists(copy):
        shutil.copytree(work + '/cache', copy)
    outdir = work + '/floor-out'
    maps = ['--map', '%s/cache=%s' % (work, copy), '--map', '%s=%s' % (os.path.dirname(os.path.join(cwd, obj)), outdir)]
    os.makedirs(outdir, exist_ok=True)
    for o in os.listdir(os.path.dirname(os.path.join(cwd, obj))):  # the outputs stand where they are to be written over
        if o.startswith(os.path.basename(obj)[:-2]):
            shutil.copy(os.path.join(cwd, os.path.dirname(obj), o), outdir)
    plan = '%s/%s-%d.plan.c' % (work, tag, distinct)
    r = subprocess.run([sys.executable, HERE + '/make-floor.py', log, *maps, *(['--distinct'] if distinct else [])],
                       stdout=open(plan, 'w'), stderr=subprocess.PIPE, cwd=cwd, check=True)
    out = plan[:-len('.plan.c')] + '.floor'
    compile_c('floor.c', out, '-static', '-DPLAN_FILE="%s"' % plan)
    other = quiet([out, 'check'], cwd=cwd)
    if int(other.split()[0]) > 0:
        print('floor of %s: %s calls went otherwise than recorded' % (tag, other.strip()), file=sys.stderr)
    return out, int(r.stderr.split()[0])


results, summary = [], []
for n, (name, cwd, argv, (obj,)) in enumerate(chosen):
    where = shutil.which(argv[0], path=env['PATH'])
    quiet(argv, cwd=cwd, env=env)
    time.sleep(2.2)  # what is younger than 2 s is hashed again each time
    # Each writes over outputs of its own, as in a build of its own: to unlink what the other renamed there costs 0.5 ms here (blocks to free).
    own = os.path.join(os.path.dirname(obj), 'ccache-' + os.path.basename(obj))
    ccache = [shutil.which('ccache'), *(w.replace(obj, own) for w in argv)]
    for launcher in ([CCHAIN, *argv], ccache):
        for _ in range(3):
            quiet(launcher, cwd=cwd, env=env)
    time.sleep(2.2)
    quiet([CCHAIN, *argv], cwd=cwd, env=env)
    before = stats(env)
    quiet([CCHAIN, *argv], cwd=cwd, env=env)
    after = stats(env)
    if after['hits'] != before['hits'] + 1:
        why = after.get('uncacheable_reasons') or after.get('miss_reasons')
        print('%s is no hit and left out: %s' % (name, why), file=sys.stderr)
        results.append({'title': name, 'no_hit': why})
        continue
    cc_before = quiet([ccache[0], '--print-stats'], env=env)
    quiet(ccache, cwd=cwd, env=env)
    hit_of = lambda t: int(dict(l.split('\t') for l in t.splitlines())['direct_cache_hit'])
    if hit_of(quiet([ccache[0], '--print-stats'], env=env)) != hit_of(cc_before) + 1:
        print('%s is no direct hit for ccache' % name, file=sys.stderr)
    tag = 'file%d' % n
    same, calls = floor(tag, cwd, argv, False)
    distinct, few = floor(tag, cwd, argv, True)
    envtext = ' '.join('%s=%s' % kv for kv in env.items())
    rows = [('nothing', [work + '/nothing']), ('floor, each look once (%d)' % few, [distinct]),
            ('floor, the same calls (%d)' % calls, [same]), ('cchain', [CCHAIN, *argv]), ('ccache, inode cache', ccache)]
    with open(work + '/commands', 'w') as f:
        for label, words in rows:
            f.write('\t'.join([label, cwd, envtext, *words]) + '\n')
    subprocess.run([spawn, str(rounds), work + '/one.json', 'hit by the command: ' + name, work + '/commands'], check=True)
    with open(work + '/one.json') as f:
        one = json.load(f)
    results.append(one)
    row = {r['name'].split(',')[0] if not r['name'].startswith('floor') else ('floor1' if 'once' in r['name'] else 'floor'): r for r in one['rows']}
    summary.append({'file': name,
                    'cchain/floor': [row['cchain'][k] / row['floor'][k] for k in ('min', 'median')],
                    'cchain/floor1': [row['cchain'][k] / row['floor1'][k] for k in ('min', 'median')],
                    'cchain/ccache': [row['cchain'][k] / row['ccache'][k] for k in ('min', 'median')],
                    'cchain ms': [row['cchain'][k] / 1e3 for k in ('min', 'median')]})
print('\n%-22s %15s %24s %24s %24s' % ('min/median', 'cchain, ms', 'to the floor (<= 1.4)', 'to floor, each look once', 'to ccache (<= 0.33)'))
for s in summary:
    print('%-22s %7.2f/%-7.2f' % (s['file'], *s['cchain ms']) + ''.join('%17.2f/%-7.2f' % tuple(s[k]) for k in ('cchain/floor', 'cchain/floor1', 'cchain/ccache')))
save('hit', {'runs': results, 'summary': summary})
