#!/usr/bin/env python3
"""Which mode pays when: a project of real headers is compiled, then edited in ways that a preprocessor does not see or that nobody uses, and compiled again.

Edits: a macro changes in a version header that everybody includes and nobody uses; a comment is edited in a header that everybody includes; one source changes. For each
mode the CPU time of the rebuild, of a warm build and of the first (cold) one.
SPDX-License-Identifier: Apache-2.0
"""
import os
import resource
import subprocess
import time

from benchlib import CCHAIN, corpus, env_for, fresh, save, stats

COUNT = 24
work = fresh('mode')
units = [u for u in corpus('mode') if u['project'] == 'leveldb'][:COUNT]
src = work + '/src'
version, common = work + '/src/version.h', work + '/src/common.h'


def prepare():
    os.makedirs(src, exist_ok=True)
    edit(version, '#define PROJECT_VERSION 1\n')
    edit(common, '/* what all share */\n#include "version.h"\n')
    time.sleep(2.2)


def edit(path, text):
    with open(path + '.new', 'w') as f:
        f.write(text)
    os.rename(path + '.new', path)


def build(env):
    a = resource.getrusage(resource.RUSAGE_CHILDREN)
    t = time.time()
    for u in units:
        r = subprocess.run([CCHAIN, *u['argv'][:-2], '-include', common, *u['argv'][-2:]], cwd=u['cwd'], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if r.returncode:
            raise SystemExit(r.stderr.decode(errors='replace'))
    b = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {'cpu_s': b.ru_utime - a.ru_utime + b.ru_stime - a.ru_stime, 'wall_s': time.time() - t}


table = {}
for mode in ('direct', 'preprocess', 'direct+preprocess'):
    prepare()
    env = env_for(work, CCHAIN_DIR='%s/cache-%s' % (work, mode), CCHAIN_MODE=mode)
    rows = {'cold': build(env)}
    time.sleep(2.2)
    build(env)  # identities that were too young settle
    rows['warm'] = build(env)
    for name, path, text in (('version macro', version, '#define PROJECT_VERSION 2\n'), ('comment', common, '/* what all of us share */\n#include "version.h"\n')):
        edit(path, text)
        time.sleep(2.2)
        before = stats(env)['hits']
        rows[name] = build(env)
        rows[name]['hits'] = stats(env)['hits'] - before
    table[mode] = rows

print('CPU s of %d units%s' % (len(units), ''.join('%22s' % m for m in table)))
for name in ('cold', 'warm', 'version macro', 'comment'):
    print('%-16s' % name + ''.join('%12.2f%10s' % (rows[name]['cpu_s'], '(%d hits)' % rows[name]['hits'] if 'hits' in rows[name] else '') for rows in table.values()))
save('mode', {'units': len(units), 'modes': table})
