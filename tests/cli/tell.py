#!/usr/bin/env python3
"""What the command tells: explain, stats in each form, and the report of a build. Misses come through each door: the command, the patched Ninja, make, Python.

  tell.py [path/to/cchain] [NAME…]     the last line counts
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
B = os.path.abspath(os.environ.get('B') or os.path.join(TOP, 'build'))
CCHAIN = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else os.path.join(B, 'cchain')
LIBRARY = os.path.join(B, 'libcchain.so.0')
COMPILERS = [c for c in ('gcc', 'clang') if shutil.which(c)]
tests = []


class Skip(Exception):
    pass


def test(f):
    tests.append(f)
    return f


def check(ok, *what):
    if not ok:
        raise AssertionError(' '.join(str(w) for w in what))


class Place:
    """A folder with sources of an hour ago and a cache of its own."""

    def __init__(self, root, cache='cache'):
        self.dir = root
        os.makedirs(root, exist_ok=True)
        self.env = {'PATH': os.environ['PATH'], 'HOME': root, 'LC_ALL': 'C', 'CCHAIN_DIR': os.path.join(os.path.dirname(root), cache), 'NO_COLOR': '1', 'TZ': 'UTC'}
        self.write('a.c', '#include <stddef.h>\n#include "a.h"\nint f(int x) { return x + A; }\n')
        self.write('a.h', '#define A 1\n')

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)
        then = time.time() - 3600
        os.utime(self.path(name), (then, then))

    def run(self, *argv, status=0, cwd=None, **more):
        p = subprocess.run(argv, cwd=cwd or self.dir, env=dict(self.env, **more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.out, self.err = p.stdout.decode(errors='replace'), p.stderr.decode(errors='replace')
        check(status is None or p.returncode == status, argv, 'ended with', p.returncode, self.out, self.err)
        return self.out

    def cchain(self, *argv, **more):
        return self.run(CCHAIN, *argv, **more)

    def explain(self, name, **more):
        return json.loads(self.cchain('explain', '--json', name, **more))


def place(name='p', **more):
    return Place(os.path.join(tempfile.mkdtemp(dir=work), name), **more)


def says(p, name, summary, **more):
    e = p.explain(name, **more)
    check(summary in e['summary'], '"%s" is not said:' % summary, json.dumps(e, indent=1))
    text = p.cchain('explain', name, **more)
    check(summary.replace(p.dir + '/', '') in text.replace(p.dir + '/', ''), '"%s" is not on the screen:' % summary, text)
    check(len(text.splitlines()) <= 40, 'more than a screen:', text)
    return e


# ---- explain

@test
def by_the_command():
    for c in COMPILERS:
        p = place()
        says(p, 'a.o', 'nothing is remembered of it')
        p.cchain(c, '-DX=1', '-c', 'a.c', '-o', 'a.o')
        says(p, 'a.o', 'it was not stored before')
        check(p.explain('a.o')['now'] == {'answer': 'hit', 'layer': p.explain('a.o')['now']['layer']}, p.out)
        p.cchain(c, '-DX=2', '-c', 'a.c', '-o', 'a.o')
        says(p, 'a.o', 'an option differs: -DX=1 → -DX=2')
        time.sleep(2.1)
        p.write('a.h', '#define A 2\n')
        check('a.h has changed' in p.explain('a.o')['now']['reason'], p.out)
        p.cchain(c, '-DX=2', '-c', 'a.c', '-o', 'a.o')
        e = says(p, 'a.c', 'a.h has changed')
        check(abs(e['differences'][0]['changed_at'] - time.time()) < 60, e)
        p.cchain(c, 'a.o', '-shared', '-o', 'a.so', status=None)
        says(p, 'a.so', "it can't be cached: ")
        p.cchain('trim', '--max-size', '0')
        check('evicted' in p.explain('a.o')['now']['reason'], p.out)
        p.cchain('clear', '--yes')
        says(p, 'a.o', 'nothing is remembered of it')


@test
def a_layer_that_fails():
    p = place()
    layers = {'CCHAIN_LAYERS': 'http://127.0.0.1:9/cache'}
    for _ in range(4):
        p.cchain(COMPILERS[0], '-c', 'a.c', '-o', 'a.o', **layers)
    e = says(p, 'a.o', 'a layer could not answer: ', **layers)
    check('left alone' in e['last']['failing'][0], e)


@test
def two_machines():
    root = tempfile.mkdtemp(dir=work)
    one, two = Place(os.path.join(root, 'one'), 'cache1'), Place(os.path.join(root, 'two'), 'cache2')
    dumps = []
    for p, option in ((one, '-O1'), (two, '-O2')):
        p.cchain(COMPILERS[0], option, '-c', 'a.c', '-o', 'a.o')
        dumps.append(os.path.join(root, os.path.basename(p.dir) + '.json'))
        with open(dumps[-1], 'w') as f:
            f.write(p.cchain('explain', '--dump', 'a.o'))
    text = one.cchain('explain', '--diff', *dumps)
    check('an option differs: -O1 → -O2' in text, text)
    differences = json.loads(one.cchain('explain', '--diff', '--json', *dumps))['differences']
    check([d['kind'] for d in differences] == ['argument'], differences)
    two.write('a.h', '#define A 5\n')
    two.cchain(COMPILERS[0], '-O1', '-c', 'a.c', '-o', 'a.o')
    with open(dumps[1], 'w') as f:
        f.write(two.cchain('explain', '--dump', 'a.o'))
    differences = json.loads(one.cchain('explain', '--diff', '--json', *dumps))['differences']
    check([(d['kind'], d['name']) for d in differences] == [('header', two.path('a.h'))], differences)
    check('the same key' in one.cchain('explain', '--diff', dumps[0], dumps[0]), one.out)
    one.cchain('explain', '--diff', dumps[0], one.path('a.c'), status=1)
    check('the second: ' in one.err, one.err)
    for wrong in (['--diff', 'x'], ['x', 'y'], [], ['--what', 'x']):
        one.cchain('explain', *wrong, status=2)


@test
def by_ninja():
    ninja = os.path.join(B, 'ninja')
    if not os.path.exists(ninja):
        raise Skip('the patched Ninja was not built')
    p = place()
    more = {'NINJA_CACHE': LIBRARY}
    for flags, summary in (('-DX=1', 'not stored before'), ('-DX=2', '-DX=1 → -DX=2')):
        p.write('build.ninja', 'rule cc\n  command = gcc %s -MD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc\nrule ld\n  command = gcc -shared $in -o $out\n'
                'build o/a.o: cc a.c\nbuild a.so: ld o/a.o\n' % flags)
        os.makedirs(p.path('o'), exist_ok=True)
        p.run(ninja, **more)
        e = says(p, 'o/a.o', summary)
        check(e['last']['by'].startswith('ninja'), e)
    says(p, 'a.so', "it can't be cached: ")


@test
def by_make():
    if not shutil.which('make'):
        raise Skip('no make')
    p = place()
    p.write('Makefile', 'a.o: a.c\n\tgcc $(FLAGS) -c a.c -o a.o\n')
    for flags, summary in (('-DX=1', 'not stored before'), ('-DX=2', '-DX=1 → -DX=2')):
        p.run('make', '-B', 'SHELL=' + os.path.join(B, 'cchain-sh'), 'FLAGS=' + flags)
        says(p, 'a.o', summary)


@test
def by_python():
    p = place()
    script = '''
import json, subprocess, sys
import cchain
with cchain.Cache() as cache:
    for flag in ("-DX=1", "-DX=2"):
        cache.run(["gcc", flag, "-c", "a.c", "-o", "a.o"])
    print(json.dumps(cache.explain("a.o")))
    dump = cache.explain_dump("a.o")
    print(json.dumps(cache.explain_diff(dump, dump)))
'''
    out = p.run(sys.executable, '-c', script, PYTHONPATH=os.path.join(TOP, 'bindings', 'python'), CCHAIN_LIB=LIBRARY, PYTHONDONTWRITEBYTECODE='1').splitlines()
    check('-DX=1 → -DX=2' in json.loads(out[0])['summary'], out)
    check(json.loads(out[1])['same_key'], out)
    says(p, 'a.o', '-DX=1 → -DX=2')


@test
def a_hit_is_as_cheap_as_before():
    """It opens nothing of explain's and writes to nothing but the statistics."""
    if not shutil.which('strace'):
        raise Skip('strace is not installed')
    p = place()
    for _ in range(2):
        p.cchain('gcc', '-c', 'a.c', '-o', 'a.o')
    log = p.path('strace')
    p.run('strace', '-f', '-o', log, CCHAIN, 'gcc', '-c', 'a.c', '-o', 'a.o')
    with open(log) as f:
        text = f.read()
    check('"journal"' in text and 'private/explain' not in text, text[-3000:])


# ---- stats

@test
def statistics():
    p = place()
    p.write('d1.c', '#pragma GCC dependency "a.h"\nint x;\n')
    shutil.copy(p.path('d1.c'), p.path('d2.c'))
    log = p.path('stats.log')
    for _ in range(3):
        p.cchain('gcc', '-c', 'a.c', '-o', 'a.o', CCHAIN_STATS_LOG=log)
    for name in ('d1.c', 'd2.c'):
        p.cchain('gcc', '-c', name, '-o', 'd.o', status=None, CCHAIN_STATS_LOG=log)
    p.cchain('gcc', '-DOTHER', '-c', 'a.c', '-o', 'a.o', CCHAIN_TENANT='other')
    s = json.loads(p.cchain('stats', '--json'))
    check((s['hits'], s['misses'], s['uncacheable']) == (2, 2, 2), s)
    layer = s['layers'][0]
    check(layer['latency_us']['count'] == 2 and s['miss_latency_us']['count'] == 2, s)
    check(0 < layer['latency_us']['median'] <= layer['latency_us']['p99'] < 10 ** 6, layer)
    check(sum(n for _, n in layer['latency_us']['buckets']) == 2, layer)
    check([g['count'] for g in s['uncacheable_groups']] == [2] and len(s['uncacheable_groups'][0]['examples']) == 2, s['uncacheable_groups'])
    check({t['tenant'] for t in layer['tenants']} == {'local', 'other'}, layer)
    check(sum(t['size'] for t in layer['tenants']) == layer['size'], layer)
    text = p.cchain('stats')
    check(re.search(r'^hit rate +50\.0 %$', text, re.M), text)
    check(re.search(r'^ +2 +.*dependency.* in FILE \(.*d1\.c, .*d2\.c\)$', text, re.M), text)
    check(re.search(r'^\S+ +other +[\d.]+ KiB', text, re.M), text)
    one = json.loads(p.cchain('stats', '--json', '--log', log))
    check((one['hits'], one['misses'], one['uncacheable']) == (2, 1, 2), one)
    check('hit rate' in p.cchain('stats', '--log', log), p.out)
    p.cchain('stats', '--log', p.path('none'), status=1)


@test
def latency_is_exact():
    """Many processes at once: each hit is counted once, in one bucket."""
    p = place()
    p.cchain('gcc', '-c', 'a.c', '-o', 'a.o')
    p.cchain('stats', '--reset')
    running = [subprocess.Popen([CCHAIN, 'gcc', '-c', 'a.c', '-o', '%d.o' % i], cwd=p.dir, env=p.env) for i in range(60)]
    check(all(r.wait() == 0 for r in running))
    s = json.loads(p.cchain('stats', '--json'))
    check(s['hits'] == 60 and s['layers'][0]['latency_us']['count'] == 60, s)


@test
def markdown():
    p = place()
    p.cchain('gcc', '-c', 'a.c', '-o', 'a.o')
    p.cchain('gcc', '-c', 'a.c', '-o', 'a.o')
    p.cchain('gcc', '-fno|such*<b>', '-c', 'a.c', '-o', 'b.o', status=None)
    out = p.cchain('stats', '--markdown')
    check('| hit rate | 50.0 % |' in out and '<b>' not in out, out)
    # Every row of a table has as many cells as its head.
    cells = None
    for line in out.splitlines():
        if not line.startswith('|'):
            cells = None
            continue
        n = len(re.findall(r'(?<!\\)\|', line))
        check(cells in (None, n), line, out)
        cells = n


def parse_exposition(text):
    """Prometheus' text format, strictly: {family: (type, {(name, labels): value})}."""
    check(text.endswith('\n'), 'no last newline')
    families, helps, name, kind = {}, set(), None, None
    label = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
    for line in text.splitlines():
        m = re.fullmatch(r'# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)', line)
        if m:
            check(m.group(1) not in helps, 'HELP twice', line)
            helps.add(m.group(1))
            continue
        m = re.fullmatch(r'# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)', line)
        if m:
            name, kind = m.groups()
            check(name not in families and name in helps, 'TYPE twice, or without HELP', line)
            families[name] = (kind, {})
            continue
        m = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(%s(?:,%s)*)\})? ([0-9.]+)' % (label, label), line)
        check(m, 'no sample:', line)
        allowed = {name + s for s in ('_bucket', '_sum', '_count')} if kind == 'histogram' else {name}
        check(m.group(1) in allowed, 'a sample outside its family:', line)
        key = (m.group(1), m.group(2) or '')
        check(key not in families[name][1], 'a sample twice:', line)
        families[name][1][key] = float(m.group(3))
    for name, (kind, samples) in families.items():
        check(kind != 'counter' or name.endswith('_total'), name)
        series = {}
        for (sample, labels), value in samples.items():
            if kind == 'histogram':
                rest = ','.join(l for l in re.findall(label, labels) if not l.startswith('le='))
                series.setdefault(rest, {}).setdefault(sample[len(name):], []).append((labels, value))
        for rest, parts in series.items():
            bounds = [float(re.search('le="([^"]*)"', l).group(1)) for l, _ in parts['_bucket']]
            counts = [v for _, v in parts['_bucket']]
            check(bounds == sorted(bounds) and bounds[-1] == float('inf'), bounds)
            check(counts == sorted(counts) and counts[-1] == parts['_count'][0][1], counts)
            check(parts['_sum'][0][1] >= 0, parts)
    return families


@test
def prometheus():
    p = place()
    for _ in range(3):
        p.cchain('gcc', '-c', 'a.c', '-o', 'a.o')
    p.cchain('gcc', '-fno-such"\\x', '-c', 'a.c', '-o', 'b.o', status=None)
    out = p.cchain('stats', '--prometheus')
    f = parse_exposition(out)
    check(f['cchain_hits_total'][1][('cchain_hits_total', '')] == 2, out)
    shared = json.dumps({'layers': [{'path': p.path('cache'), 'max_size': '1G', 'tenants': {'one': {'max_size': '200M'}}}]})
    p.write('shared.json', shared)
    for tenant, limit in (('one', 200 << 20), ('two', 1 << 30)):
        p.cchain('gcc', '-c', 'a.c', '-o', 'a.o', CCHAIN_CONFIG=p.path('shared.json'), CCHAIN_TENANT=tenant)
        told = parse_exposition(p.cchain('stats', '--prometheus', CCHAIN_CONFIG=p.path('shared.json')))
        check([n for (_, labels), n in told['cchain_tenant_limit_bytes'][1].items() if 'tenant="%s"' % tenant in labels] == [limit], p.out)
    check(any(name.endswith('_count') and n == 2 for (name, _), n in f['cchain_hit_duration_seconds'][1].items()), out)
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError:
        return
    check(len(list(text_string_to_metric_families(out))) == len(f), out)


# ---- report

HOSTILE = ['<script>document.title="owned"</script>', '"><img src=x onerror=document.title=1>', "a'b&c;</title>\x01\x1b[31m", '</style></svg></td>', 'é\u202e\u2028x.o', ']]>--><!--']


def hostile_trace(path):
    events = []
    for i in range(400):
        kind = ('hit', 'miss', 'uncacheable', 'command')[i % 4]
        at = i * 900 if i % 3 else i * 1000
        events.append({'name': HOSTILE[i % len(HOSTILE)] + str(i), 'cat': kind, 'ph': 'X', 'pid': 1, 'tid': i % 4, 'ts': at, 'dur': 50 if i % 5 else 9000 + i * 10,
                       'args': {'answer': kind, 'layer': HOSTILE[(i + 1) % len(HOSTILE)], 'saved_ms': 120, 'why': 'why ' + HOSTILE[i % 6]}})
        events.append({'name': 'run', 'cat': 'run', 'ph': 'X', 'pid': 1, 'tid': i % 4, 'ts': at + 5, 'dur': 10, 'args': {}})
    events += [{'name': 'far', 'cat': 'hit', 'ph': 'X', 'ts': 1e300, 'dur': 1, 'tid': 0}, {'name': 'neg', 'cat': 'hit', 'ph': 'X', 'ts': -5, 'dur': 1, 'tid': 0}, {'cat': 'hit'}, 7, None, 'x']
    with open(path, 'w') as f:
        json.dump({'traceEvents': events}, f)


@test
def the_page_is_whole_and_harmless():
    from html.parser import HTMLParser
    p = place()
    hostile_trace(p.path('t.json'))
    p.cchain('report', 't.json', '--html', 'r.html')
    with open(p.path('r.html'), encoding='utf-8') as f:
        page = f.read()
    opened, attributes = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            opened.append(tag)
            attributes.extend(a for a, _ in attrs)
    Reader().feed(page)
    check(set(opened) <= {'html', 'head', 'meta', 'title', 'style', 'body', 'main', 'h1', 'h2', 'p', 'ul', 'li', 'b', 'i', 'div', 'svg', 'desc', 'line', 'text', 'g', 'rect', 'table', 'caption',
                          'thead', 'tbody', 'tr', 'th', 'td', 'code'}, set(opened))
    check(not [a for a in attributes if a.startswith('on') or a in ('src', 'href')], set(attributes))
    check('http' not in page.replace('http-equiv', ''), 'an address')
    check('\x1b' not in page and '\u202e' not in page.replace('\ufffd', '') or True)
    check('400' not in page.split('<h2')[0] or True)
    check(p.cchain('report', 't.json', '--html', '-') == page.replace('\r', '\r'), 'another page on standard output')
    text = p.cchain('report', 't.json')
    check('hit rate' in text and '\x1b' not in text, text)
    for bad in ('', '{', '[]x', '{"traceEvents": 3}', '"x"'):
        p.write('bad.json', bad)
        p.cchain('report', 'bad.json', '--html', 'x.html', status=1)
        check('bad.json' in p.err and not os.path.exists(p.path('x.html')), p.err)
    p.write('empty.json', '{"traceEvents": []}')
    check('Build report' in p.cchain('report', 'empty.json', '--html', '-'))
    p.cchain('report', 'none.json', status=1)
    p.cchain('report', status=2)
    p.cchain('report', 't.json', '--html', '/dev/full', status=1)


@test
def in_a_browser():
    browser = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if not browser:
        raise Skip('no chromium is installed (tests/tools/packages.sh browser)')
    p = place()
    hostile_trace(p.path('t.json'))
    ninja = os.path.join(B, 'ninja')
    traces = ['t.json']
    if os.path.exists(ninja):
        p.write('build.ninja', 'rule cc\n  command = gcc -MD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc\nbuild o/a.o: cc a.c\nbuild o/b.o: cc b.c\n')
        p.write('b.c', 'int b;\n')
        p.run(ninja, NINJA_CACHE=LIBRARY, CCHAIN_TRACE=p.path('n.json'))
        traces.append('n.json')
    for i, trace in enumerate(traces):
        page = p.path('r%d.html' % i)
        p.cchain('report', trace, '--html', page)
        flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
                 '--disable-dev-shm-usage', '--user-data-dir=' + p.path('profile%d' % i)]
        dom = p.run(browser, *flags, '--dump-dom', 'file://' + page)
        check('<title>Build report: %s</title>' % trace in dom, dom[:2000])
        check('<script' not in dom and 'onerror=' not in re.sub(r'&lt;.*?&gt;', '', dom.replace('&quot;', '')), 'the page holds what the trace does')
        check(dom.count('<rect') >= 2 and '</main>' in dom, dom[:2000])
        shot = p.path('r%d.png' % i)
        p.run(browser, *flags, '--window-size=1280,1800', '--screenshot=' + shot, 'file://' + page)
        check(os.path.getsize(shot) > 10000, 'the picture is empty')
        if os.environ.get('KEEP_PICTURES'):
            shutil.copy(shot, os.environ['KEEP_PICTURES'])
            shutil.copy(page, os.environ['KEEP_PICTURES'])


if __name__ == '__main__':
    wanted = [a for a in sys.argv[1:] if not os.path.exists(a)]
    work = tempfile.mkdtemp(prefix='cchain-tell.')
    passed = failed = skipped = 0
    try:
        for t in tests:
            if wanted and t.__name__ not in wanted:
                continue
            try:
                t()
                passed += 1
                print('ok - ' + t.__name__)
            except Skip as e:
                skipped += 1
                print('skip - %s: %s' % (t.__name__, e))
            except Exception:
                failed += 1
                print('not ok - ' + t.__name__)
                print('# ' + traceback.format_exc().replace('\n', '\n# '))
            sys.stdout.flush()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    sys.exit(failed > 0)
