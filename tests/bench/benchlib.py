"""What the benchmark scripts share. SPDX-License-Identifier: Apache-2.0"""
import json
import os
import platform
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
B = os.path.abspath(os.environ.get('B') or os.path.join(TOP, 'build'))
OUT = os.path.join(B, 'bench')
LIBRARY = os.path.abspath(os.environ.get('LIBCCHAIN') or os.path.join(B, 'libcchain.so.0'))
CORPUS = os.path.join(B, 'corpus')
CCHAIN = os.path.abspath(os.environ.get('CCHAIN') or os.path.join(B, 'cchain'))
PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'


def env_for(work, **more):
    """A small environment, the same for everybody measured."""
    os.makedirs(os.path.join(work, 'home'), exist_ok=True)
    return dict({'PATH': PATH, 'HOME': os.path.join(work, 'home'), 'LC_ALL': 'C'}, **more)


def fresh(*parts):
    path = os.path.join(OUT, *parts)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def run(argv, **kw):
    kw.setdefault('check', True)
    return subprocess.run(argv, **kw)


def quiet(argv, **kw):
    """Runs it; what it printed is shown only when it fails."""
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if r.returncode != 0:
        sys.stderr.write(r.stdout.decode(errors='replace')[-4000:])
        raise SystemExit('failed (%d): %s' % (r.returncode, ' '.join(argv)[:300]))
    return r.stdout.decode(errors='replace')


def compile_c(source, out, *more):
    quiet(['gcc', '-std=gnu11', '-D_GNU_SOURCE', '-O2', '-Wall', '-o', out, os.path.join(HERE, source), *more])
    return out


def corpus(name='plain', *more):
    """The graph's files, made anew."""
    quiet([os.path.join(HERE, 'corpus.sh'), '--name', name, *more])
    with open(os.path.join(CORPUS, name + '.json')) as f:
        return json.load(f)


def stats(env):
    return json.loads(subprocess.run([CCHAIN, 'stats', '--json'], env=env, stdout=subprocess.PIPE, check=True).stdout)


def ccache_config(work):
    """Debian's ccache with its inode cache on; nothing else is changed."""
    d = os.path.join(work, 'ccache')
    os.makedirs(d, exist_ok=True)
    with open(os.path.join(d, 'ccache.conf'), 'w') as f:
        f.write('inode_cache = true\ntemporary_dir = %s/tmp\n' % d)
    return d


def save(name, data):
    os.makedirs(OUT, exist_ok=True)
    data = dict({'machine': '%s, %d cores, Linux %s' % (platform.machine(), os.cpu_count(), platform.release()),
                 'date': time.strftime('%Y-%m-%d'), 'load': os.getloadavg()[0]}, **data)
    with open(os.path.join(OUT, name + '.json'), 'w') as f:
        json.dump(data, f, indent=1)
        f.write('\n')


def median(values):
    values = sorted(values)
    n = len(values)
    return (values[n // 2] + values[(n - 1) // 2]) / 2 if n else float('nan')
