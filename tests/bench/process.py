#!/usr/bin/env python3
"""What the library and the command cost by their being there: loading the library, what it brings along, peak memory of the command at a hit.

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import time

from benchlib import CCHAIN, LIBRARY, compile_c, corpus, env_for, fresh, median, save

ROUNDS = 200
work = fresh('process')
env = env_for(work, CCHAIN_DIR=work + '/cache')
load = compile_c('load.c', work + '/load', '-ldl')
times = [float(subprocess.run([load, LIBRARY], stdout=subprocess.PIPE, check=True).stdout.split()[0]) for _ in range(ROUNDS)]
print('loading the library: min %.0f us, median %.0f us (bar 400); no libcurl, libcrypto or libstdc++ in the process' % (min(times), median(times)))

unit = max(corpus('process'), key=lambda u: os.path.getsize(u['source']))


measure = compile_c('peak.c', work + '/peak', '-static')


def peak():
    """KiB."""
    return int(subprocess.run([measure, CCHAIN, *unit['argv']], env=env, stdout=subprocess.PIPE, check=True).stdout)


os.chdir(unit['cwd'])
peak()
time.sleep(2.2)
peak()
hit = max(peak() for _ in range(20))
print('peak memory of the command at a hit of %s: %.1f MiB (bar 8)' % (os.path.basename(unit['source']), hit / 1024))
save('process', {'load_us': {'min': min(times), 'median': median(times)}, 'hit_peak_kib': hit})
