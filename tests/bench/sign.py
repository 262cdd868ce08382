#!/usr/bin/env python3
"""What signatures cost: a look-up of 50 KB in a warm process, and a hit by the command, each without keys, with an HMAC and with Ed25519.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import time

from benchlib import B, CCHAIN, LIBRARY, PATH, compile_c, env_for, fresh, quiet, save

ROUNDS = int(os.environ.get('ROUNDS', '200'))
work = fresh('sign')
env = env_for(work)
program = compile_c('sign.c', work + '/sign', '-I', os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'include'), LIBRARY,
                    '-Wl,-rpath,' + os.path.dirname(LIBRARY))
os.mkdir(work + '/warm')
print(subprocess.run([program, work + '/warm', '1000', work + '/warm.json'], stdout=subprocess.PIPE, check=True).stdout.decode(), end='')
with open(work + '/warm.json') as f:
    warm = json.load(f)

# An object of about 50 KB, with a few headers.
with open(work + '/a.c', 'w') as f:
    f.write('#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n')
    for i in range(700):
        f.write('int f%d(int x) { return printf("%%d %d", x * %d); }\n' % (i, i, i + 3))
lines = []
for name in ('unsigned', 'hmac-sha256', 'ed25519'):
    keys, secret = '', '%s/%s' % (work, name)
    if name != 'unsigned':
        quiet([CCHAIN, 'keygen', '--type', name, secret], env=env)
        keys = '"verify_keys": "%s%s", ' % (secret, '.pub' if name == 'ed25519' else '')
    for role in ('sign', 'check'):
        with open('%s/%s-%s.json' % (work, name, role), 'w') as f:
            f.write('{"layers": [{"path": "%s/cache-%s", %s"write": %s}], "state_dir": "%s/state-%s"}' % (
                work, name, keys if role == 'check' else '' if not keys else '"sign": "%s", ' % secret, 'false' if role == 'check' else 'true', work, name))
    argv = [CCHAIN, 'gcc', '-O1', '-c', 'a.c', '-o', name + '.o']
    quiet(argv, env=dict(env, CCHAIN_CONFIG='%s/%s-sign.json' % (work, name)), cwd=work)
    time.sleep(2.2)  # what was written just now is hashed once more
    config = '%s/%s-check.json' % (work, name)
    for _ in range(3):
        quiet(argv, env=dict(env, CCHAIN_CONFIG=config), cwd=work)
    hits = json.loads(subprocess.run([CCHAIN, 'stats', '--json'], env=dict(env, CCHAIN_CONFIG=config), stdout=subprocess.PIPE, check=True).stdout)['hits']
    if hits < 3:
        raise SystemExit('%s: no hits' % name)
    lines.append('\t'.join([name, work, 'PATH=%s HOME=%s/home LC_ALL=C CCHAIN_CONFIG=%s' % (PATH, work, config)] + argv))
with open(work + '/commands', 'w') as f:
    f.write('\n'.join(lines) + '\n')
spawn = compile_c('spawn.c', work + '/spawn')
print(subprocess.run([spawn, str(ROUNDS), work + '/command.json', 'a hit by the command (bar: 0.2 ms more)', work + '/commands'], stdout=subprocess.PIPE, check=True).stdout.decode(), end='')
with open(work + '/command.json') as f:
    save('sign', {'object_size': os.path.getsize(work + '/unsigned.o'), 'warm_us': warm, 'command': json.load(f)})
