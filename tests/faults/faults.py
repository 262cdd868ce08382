#!/usr/bin/env python3
# Faults at every single call to the file system, kills at every one of them and at random, and bytes flipped one by one: what is delivered is right or the compiler's,
# nothing is stuck, nothing is left over, and the next build works and hits.
#   tests/faults/faults.py [--core] [-v] [-k] [NAME...]      --core: a sample, what `make test` runs
# SPDX-License-Identifier: Apache-2.0
import errno, glob, os, random, re, shutil, signal, stat, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'correctness'))
import common_outputs as common
import store
from common_outputs import Fail, Skip, check, mount, test, unmount
from store import get, hit, put, quick, right, simple

common.TESTS.clear()  # those of store.py
CORE = '--core' in sys.argv
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.ESTALE, errno.EINTR)
SAMPLE = int(os.environ.get('FAULT_SAMPLE', '0'))  # which of the calls a sample takes
SLOW = 8  # seconds that nothing may take


def preload():
    """The library of faults, and the dynamic command that it works on."""
    so = os.path.join(common.ROOT, 'preload.so')
    with common._lock:
        if not os.path.exists(so):
            dynamic = common.BUILT + '-dynamic'
            if not os.path.exists(dynamic):
                raise Skip('there is no ' + dynamic)
            r = subprocess.run(['gcc' if common.have('gcc') else 'clang', '-O1', '-w', '-shared', '-fPIC', '-o', so + '.new', os.path.join(HERE, 'preload.c'), '-ldl'], stderr=subprocess.PIPE)
            check(r.returncode == 0, 'the library of faults is not built: %r' % r.stderr)
            os.mkdir(os.path.join(common.ROOT, 'faulty'))
            shutil.copy(dynamic, os.path.join(common.ROOT, 'faulty', 'cchain'))
            os.rename(so + '.new', so)
    return so


class Faulty:
    """The command with faults in it."""

    def __init__(self, b, under):
        self.b, self.so, self.under, self.slowest = b, preload(), ':'.join(under), 0

    def run(self, words, at=0, error=0, on=0, kill=0, calls='all', **env):
        e = {'LD_PRELOAD': self.so, 'FAULT_PROGRAM': 'cchain', 'FAULT_UNDER': self.under, 'FAULT_AT': str(at), 'FAULT_ERRNO': str(error), 'FAULT_ON': str(on), 'FAULT_KILL': str(kill),
             'FAULT_CALLS': calls}
        e.update(env)
        start = time.time()
        r = self.b.run([os.path.join(common.ROOT, 'faulty', 'cchain')] + list(words), env=e, timeout=60)
        self.slowest = max(self.slowest, time.time() - start)
        return r

    def count(self, words, calls='all'):
        name = os.path.join(self.b.dir, 'count')
        r = self.run(words, calls=calls, FAULT_COUNT=name)
        check(r.status == 0, 'without a fault: status %s %r' % (r.status, r.err[-300:]))
        return int(get(name))


def chosen(n, most):
    """All of 1 to n, or a sample of them."""
    if not CORE or n <= most:
        return list(range(1, n + 1))
    step = n / most
    return [int(i * step) + 1 + (SAMPLE + i) % max(1, int(step)) for i in range(most)]


def strays(b):
    """What no file of a cache is called."""
    known = ('entry', 'record', 'data', 'index')
    private = ('digests', 'scans', 'scans.data', 'names', 'names.data', 'breakers', 'memo', 'json', 'json.data', 'precompiled', 'precompiled.data', 'journal', 'totals', 'lock', 'epoch')
    left = []
    for at, dirs, files in os.walk(b.cache):
        for f in files:
            inside = '/private' in at
            if not (f in private or at.endswith('/explain') and f in ('log', 'old') or '/probes' in at and re.fullmatch('[0-9a-f]{64}', f) if inside else f in known):
                left.append(os.path.join(at, f))
    return left


def age(b):
    for at, dirs, files in os.walk(b.cache):
        for f in files:
            if f.startswith(('.tmp', 'tmp.', '.')):
                os.utime(os.path.join(at, f), (time.time() - 90000,) * 2, follow_symlinks=False)


def without_compiler(b, made, what):
    """A hit, for there is nothing else that could give the object."""
    keep = b.env.get('CCHAIN_PREFIX')
    b.env['CCHAIN_PREFIX'] = common.TOOL + ' stub /nonexistent'
    try:
        right(b, made, what + ': the hit after it')
    finally:
        b.env['CCHAIN_PREFIX'] = keep


def hits_within_the_limit(b, made, what):
    """A hit after the next build. Where the cache is full that may take until the slots of files that are gone, or never came, are old enough to be given up
    (kYoung in src/layers/index.cc): until then they take the room of what is stored."""
    try:
        without_compiler(b, made, what)
    except Fail:
        time.sleep(2.2)
        right(b, made, what + ': when the slots are old')
        without_compiler(b, made, what + ': when the slots are old')


def consistent(b, what, at_least=False):
    """The index counts what there is; `at_least`: or more, for a fault came between a removal and its count (src/layers/index.h)."""
    layer = b.stats()['layers'][0]
    there = b.blobs() + b.blobs('record')
    size = sum((os.stat(p).st_size + 4095) // 4096 * 4096 + 4096 for p in there)
    for counted, is_, unit in ((layer['entries'], len(there), 'entries'), (layer['size'], size, 'bytes')):
        check(counted == is_ or at_least and counted > is_, '%s: the index counts %s %s, there are %d' % (what, counted, unit, is_))


def output_of(made):
    return made[0][made[0].index('-o') + 1]


def faulty_run(b, f, made, what, **fault):
    argv, want = made
    if os.path.lexists(b.path(output_of(made))):
        os.unlink(b.path(output_of(made)))
    r = f.run(argv, **fault)
    got = b.read(output_of(made))
    if fault.get('kill'):
        check(r.status in (0, -signal.SIGKILL), '%s: status %s %r' % (what, r.status, r.err[-300:]))
        check(got is None or got == want, '%s: a wrong object of %d bytes' % (what, len(got or b'')))
    else:
        check(r.status == 0 and not r.out and not r.err, '%s: status %s, %r %r' % (what, r.status, r.out[-200:], r.err[-300:]))
        check(got == want, '%s: a wrong object (%s)' % (what, 'none' if got is None else '%d bytes' % len(got)))


def faults_of(f, words, most):
    """(what, arguments) of each fault that a run of these words can have: each error at each call, alone and for good, short reads and writes."""
    n, reads, writes = f.count(words), f.count(words, 'r'), f.count(words, 'w')
    found = []
    for i, at in enumerate(chosen(n, most)):
        for k, e in enumerate(ERRORS):
            if CORE and (i + k) % len(ERRORS):
                continue
            found.append(('call %d of %d fails with %s' % (at, n, errno.errorcode[e]), {'at': at, 'error': e}))
    for at in chosen(n, most // 4):
        for e in ERRORS[:1 if CORE else 4]:
            found.append(('from call %d of %d on all fail with %s' % (at, n, errno.errorcode[e]), {'at': at, 'error': e, 'on': 1}))
    for calls, n in (('r', reads), ('w', writes)):
        for at in chosen(n, most // 6):
            found.append(('%s %d is short' % (calls, at), {'at': at, 'calls': calls}))
            if calls == 'w':
                found.append(('the disk is full from write %d on' % at, {'at': at, 'calls': calls, 'on': 1, 'error': errno.ENOSPC}))
    return found


def each_store(b, cold):
    made = simple(b)[0]
    right(b, made, 'first')
    quick(b, made)
    f = Faulty(b, [b.cache, b.w, '/proc/self/fd', b.dir])

    def prepare():
        if cold:
            shutil.rmtree(b.cache, ignore_errors=True)
        else:
            for d in ('compile', 'inputs', 'index', 'index.pending'):
                p = os.path.join(b.cache, d)
                shutil.rmtree(p) if os.path.isdir(p) and not os.path.islink(p) else os.path.exists(p) and os.unlink(p)
    prepare()
    first = f.count(made[0])  # a warm private folder from now on, or a new one
    check(first > 20, 'only %d calls are seen' % first)
    counting = f.count

    def count(words, calls='all'):
        prepare()
        return counting(words, calls)
    f.count = count
    for what, fault in faults_of(f, made[0], 16 if cold else 48):
        prepare()
        faulty_run(b, f, made, what, **fault)
        right(b, made, what + ': the next build')
        without_compiler(b, made, what)
    check(f.slowest < SLOW, 'a run took %.1f s' % f.slowest)
    age(b)
    check(b.run([common.CCHAIN, 'trim'], timeout=SLOW).status == 0, 'trim fails')
    check(not strays(b), 'strays: %s' % strays(b)[:5])
    consistent(b, 'after all')


@test(compilers=('gcc',))
def t_store(b):
    """Each call of a miss and its store, in a private folder that is warm."""
    each_store(b, False)


@test(compilers=('gcc',))
def t_first_store(b):
    """The same where nothing is there yet: each folder and table is made."""
    each_store(b, True)


@test(compilers=('gcc',))
def t_lookup(b):
    made = simple(b)[0]
    right(b, made, 'first')
    quick(b, made)
    right(b, made, 'second')
    f = Faulty(b, [b.cache, b.w, '/proc/self/fd', b.dir])
    for what, fault in faults_of(f, made[0], 48):
        faulty_run(b, f, made, what, **fault)
        right(b, made, what + ': the next build')
        without_compiler(b, made, what)
    check(f.slowest < SLOW, 'a run took %.1f s' % f.slowest)
    age(b)
    check(b.run([common.CCHAIN, 'trim'], timeout=SLOW).status == 0, 'trim fails')
    check(not strays(b), 'strays: %s' % strays(b)[:5])
    consistent(b, 'after all')


@test(compilers=('gcc',))
def t_eviction(b):
    """A store into a full cache."""
    made = simple(b, 4)
    for m in made:
        right(b, m, 'first')
    full = b.stats()['layers'][0]['size'] * 3 // 4
    b.env['CCHAIN_MAX_SIZE'] = str(full)
    quick(b, made[0])
    f = Faulty(b, [b.cache, b.w, '/proc/self/fd', b.dir])
    kept = os.path.join(b.dir, 'kept')
    check(b.run([common.CCHAIN, 'trim', '--max-size', str(full)]).status == 0, 'trim fails')
    # The state in which the first is not there and all room is taken.
    check(len(b.blobs()) < 4, 'nothing was evicted')
    shutil.copytree(b.cache, kept)

    def prepare():
        shutil.rmtree(b.cache)
        subprocess.run(['cp', '-a', '--sparse=always', kept, b.cache], check=True)
    counting = f.count

    def count(words, calls='all'):
        prepare()
        return counting(words, calls)
    f.count = count
    for what, fault in faults_of(f, made[0][0], 32):
        prepare()
        faulty_run(b, f, made[0], what, **fault)
        right(b, made[0], what + ': the next build')
        hits_within_the_limit(b, made[0], what)
        used = sum((os.stat(p).st_size + 4095) // 4096 * 4096 + 4096 for p in b.blobs() + b.blobs('record'))
        check(used <= full * 1.05, '%s: %d bytes of %d' % (what, used, full))
    check(f.slowest < SLOW, 'a run took %.1f s' % f.slowest)
    age(b)
    check(b.run([common.CCHAIN, 'trim'], timeout=SLOW).status == 0, 'trim fails')
    check(not strays(b), 'strays: %s' % strays(b)[:5])
    consistent(b, 'after all')


@test(compilers=('gcc',))
def t_upkeep(b):
    """trim and clear: they may fail, with a text, but do not die, and the next ones work."""
    made = simple(b, 3)
    for m in made:
        right(b, m, 'first')
    quick(b, made[0])
    f = Faulty(b, [b.cache])
    kept = os.path.join(b.dir, 'kept')
    shutil.copytree(b.cache, kept)

    def prepare():
        shutil.rmtree(b.cache, ignore_errors=True)
        subprocess.run(['cp', '-a', '--sparse=always', kept, b.cache], check=True)
    for words in (['trim', '--max-size', '20K'], ['clear', '--yes']):
        n = f.count(words)
        for i, at in enumerate(chosen(n, 24)):
            for e in ERRORS[i % 5:i % 5 + 1] if CORE else ERRORS:
                prepare()
                what = '%s: call %d of %d fails with %s' % (words[0], at, n, errno.errorcode[e])
                r = f.run(words, at=at, error=e)
                check(r.status in (0, 1) and (r.status == 0) == (not r.err), '%s: status %s %r' % (what, r.status, r.err))
                r = b.run([common.CCHAIN] + words, timeout=SLOW)
                check(r.status == 0, '%s: again: status %s %r' % (what, r.status, r.err))
                if not (CORE and i % 4):
                    consistent(b, what, at_least=True)
        prepare()
    right(b, made[0], 'after all')
    without_compiler(b, made[0], 'after all')


# ---- kills --------------------------------------------------------------------------------------------------------------

@test(compilers=('gcc',))
def t_killed_at_each_call(b):
    """SIGKILL before and behind each call of a store, a lookup and an eviction."""
    made = simple(b, 4)
    for m in made:
        right(b, m, 'first')
    full = b.stats()['layers'][0]['size'] * 3 // 4
    quick(b, made[0])
    f = Faulty(b, [b.cache, b.w, '/proc/self/fd', b.dir])
    kills = 0
    for kind in ('store', 'lookup', 'eviction'):
        if kind == 'eviction':
            b.env['CCHAIN_MAX_SIZE'] = str(full)

        def prepare():
            if kind == 'store':
                for d in ('compile', 'inputs', 'index', 'index.pending'):
                    p = os.path.join(b.cache, d)
                    shutil.rmtree(p) if os.path.isdir(p) else os.path.exists(p) and os.unlink(p)
            if kind == 'eviction':
                shutil.rmtree(b.cache)
                subprocess.run(['cp', '-a', '--sparse=always', kept, b.cache], check=True)
        if kind == 'eviction':
            right(b, made[0], 'before')
            for m in made[1:]:
                right(b, m, 'before', env={'CCHAIN_PREFIX': None})
            check(b.run([common.CCHAIN, 'trim', '--max-size', str(full)]).status == 0, 'trim fails')
            kept = os.path.join(b.dir, 'kept')
            os.path.exists(kept) or shutil.copytree(b.cache, kept)
        prepare()
        n = f.count(made[0][0])
        for at in chosen(n, 24):
            for when in (1, 2) if not CORE else (1 + at % 2,):
                prepare()
                what = '%s, killed %s call %d of %d' % (kind, 'before' if when == 1 else 'behind', at, n)
                faulty_run(b, f, made[0], what, at=at, kill=when)
                kills += 1
                right(b, made[0], what + ': the next build')
                (hits_within_the_limit if kind == 'eviction' else without_compiler)(b, made[0], what)
        age(b)
        check(b.run([common.CCHAIN, 'trim'], timeout=SLOW).status == 0, 'trim fails')
        check(not strays(b), '%s: strays: %s' % (kind, strays(b)[:5]))
        consistent(b, kind)
    print('# %d kills at a call' % kills, flush=True)


@test(compilers=('gcc',))
def t_kills(b):
    """SIGKILLs at random moments of stores, evictions and lookups by many processes; 1,000 where there is time."""
    wanted = 60 if CORE else 1000
    made = simple(b, 6)
    for m in made:
        right(b, m, 'first')
    full = b.stats()['layers'][0]['size'] * 2 // 3
    b.env['CCHAIN_MAX_SIZE'] = str(full)
    seed = int(os.environ.get('SEED', time.time_ns() % 1000000))
    rnd = random.Random(seed)
    killed = rounds = 0
    while killed < wanted:
        rounds += 1
        ps = []
        for i in range(8):
            argv = list(made[rnd.randrange(6)][0])
            argv[-1] = 'k%d.o' % i
            words = argv if rnd.random() < 0.85 else ['trim', '--max-size', str(int(full * rnd.random()))]
            ps.append((store.start(b, words), words))
        started = time.time()
        moments = sorted((rnd.random() ** 2 * 0.25, i) for i in range(8))
        for when, i in moments:
            time.sleep(max(0, started + when - time.time()))
            p, words = ps[i]
            if p.poll() is None:
                killed += 1
            out = store.end(p)
            check(not out or words[0] == 'trim', 'seed %d: prints %r' % (seed, out))
        for p, words in ps:
            if words[0] == 'trim':
                continue
            got = b.read(words[-1])
            if p.returncode == 0:  # a compiler that was killed leaves what it had written
                check(got == [m[1] for m in made if m[0][:-1] == words[:-1]][0], 'seed %d: a wrong object' % seed)
            if got is not None:
                os.unlink(b.path(words[-1]))
    for m in made[:3]:
        right(b, m, 'after all')
        quick(b, m)
        hits_within_the_limit(b, m, 'after all')
        del b.env['CCHAIN_PREFIX']
    age(b)
    check(b.run([common.CCHAIN, 'trim'], timeout=SLOW).status == 0, 'trim fails')
    check(not strays(b), 'strays: %s' % strays(b)[:5])
    # A slot that is young may be of a store that is still under way: a trim keeps it until it is old.
    consistent(b, 'after %d kills' % killed, at_least=True)
    print('# %d processes killed in %d rounds, seed %d' % (killed, rounds, seed), flush=True)


# ---- other accounts -----------------------------------------------------------------------------------------------------

OTHER, THIRD = 65533, 65534


def accounts(b):
    if os.geteuid():
        raise Skip('not root')
    os.chmod(b.w, 0o777)
    os.chmod(b.tmp, 0o777)


def home_of(b, user):
    """An environment with a home of the user's own."""
    home = os.path.join(b.dir, 'home%d' % user)
    os.path.isdir(home) or os.mkdir(home, 0o700)
    os.chown(home, user, user)
    return {'HOME': home}


@test(compilers=('gcc',))
def t_root_of_another_user(b):
    """Two users in the root of a third: each hits what the other stored, each with a private folder of its own, and all is counted."""
    accounts(b)
    made = simple(b, 2)
    for mode in (0o777, 0o1777, 0o2777):
        b.fresh()
        os.mkdir(b.cache)
        os.chown(b.cache, THIRD, THIRD)
        os.chmod(b.cache, mode)
        for user in (OTHER, 0):
            env = home_of(b, user)
            for turn in range(3):
                for m in made:
                    right(b, m, '%o, user %d, turn %d' % (mode, user, turn), user=user or None, env=env, umask=0)
            r = b.run([common.CCHAIN, 'stats', '--json'], env=env, user=user or None)
            s = store.common.json.loads(r.out)
            check(s['hits'] == (6 if user == 0 else 4), '%o: user %d: %s' % (mode, user, s))
            check(not s.get('troubles'), '%o: user %d: %s' % (mode, user, s.get('troubles')))
            private = os.path.join(env['HOME'], '.cache', 'cchain', 'private')
            check(os.path.isdir(private) and stat.S_IMODE(os.stat(private).st_mode) == 0o700, '%o: no private folder of user %d' % (mode, user))
            shutil.rmtree(env['HOME'])
        check(not os.path.exists(os.path.join(b.cache, 'private')), 'private files in the root of another user')


@test(compilers=('gcc',))
def t_links_planted_on_the_way(b):
    """Folders of the store exchanged for links to folders of ours: nothing is put there, nothing of them is removed, by store, eviction, repair, trim or clear."""
    made = simple(b, 2)
    victim = os.path.join(b.dir, 'victim')
    for depth in ('hex', 'hh', 'tenant', 'space'):
        for space, blob in (('compile', 'entry'), ('inputs', 'record')):
            for how in ('store', 'eviction', 'repair'):
                b.fresh()
                shutil.rmtree(victim, ignore_errors=True)
                right(b, made[0], 'before')
                folder = os.path.dirname(b.blobs(blob)[0])  # of what is compiled again below
                right(b, made[1], 'before')
                at = folder
                for up in range(('hex', 'hh', 'tenant', 'space').index(depth)):
                    at = os.path.dirname(at)
                os.rename(at, victim)
                os.symlink(victim, at)
                inside = os.path.join(victim, os.path.relpath(folder, at)) if folder != at else victim
                if how == 'store':
                    os.unlink(os.path.join(inside, blob))
                if how == 'repair':
                    put(os.path.join(inside, blob), b'CCE1 precious' if blob == 'entry' else b'CCR1 precious')
                before = common.snapshot(victim)
                what = '%s of %s is a link, %s' % (depth, space, how)
                for turn in range(2):
                    right(b, made[0], what)
                if how == 'eviction':
                    right(b, made[1], what, env={'CCHAIN_MAX_SIZE': '9K'})
                    for command in (['trim', '--max-size', '0'], ['clear', '--yes', '--tenant', 'local'], ['clear', '--yes']):
                        check(b.run([common.CCHAIN] + command, timeout=SLOW).status in (0, 1), what + ': it dies')
                d = common.difference(before, common.snapshot(victim))
                check(not d, '%s: in the folder that it leads to: %s' % (what, d))


@test(compilers=('gcc',))
def t_files_of_another_user(b):
    """Entries, records, an index and its pending records, of another owner, closed to us, or no files at all; as a user who is not root."""
    accounts(b)
    made = simple(b, 2)
    b.env.update(home_of(b, OTHER))
    kinds = ('closed file', 'folder', 'fifo', 'device', 'socket', 'link to a file of ours')
    for name in ('entry', 'record', 'index', 'index.pending'):
        for kind in kinds:
            b.fresh()
            os.mkdir(b.cache, 0o777)
            os.chmod(b.cache, 0o777)
            for m in made:
                right(b, m, 'before', user=OTHER, umask=0)
            path = b.blobs(name)[0] if name in ('entry', 'record') else os.path.join(b.cache, name)
            if os.path.exists(path):
                os.unlink(path)
            precious = os.path.join(b.dir, 'precious')
            with open(precious, 'w') as f:
                f.write('precious')
            os.chown(precious, OTHER, OTHER)
            if kind == 'closed file':
                open(path, 'w').close()
                os.chmod(path, 0)
            elif kind == 'folder':
                os.mkdir(path, 0o700)
            elif kind == 'fifo':
                os.mkfifo(path, 0o666)
                os.chmod(path, 0o666)
            elif kind == 'device':
                try:
                    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
                except OSError:
                    continue
                os.chmod(path, 0o666)
            elif kind == 'socket':
                os.mknod(path, stat.S_IFSOCK | 0o666)
            else:
                os.symlink(precious, path)
            what = '%s for %s' % (kind, name)
            start = time.time()
            for turn in range(2):
                for m in made:
                    right(b, m, what, user=OTHER, umask=0, timeout=SLOW)
            for command in (['trim'], ['trim', '--max-size', '0'], ['stats']):
                r = b.run([common.CCHAIN] + command, user=OTHER, timeout=SLOW)
                check(r.status in (0, 1), '%s: %s: status %s' % (what, command[0], r.status))
            check(get(precious) == b'precious', what + ': written through')
            check(time.time() - start < SLOW, '%s: it took %.1f s' % (what, time.time() - start))


@test(compilers=('gcc',))
def t_network_file_system(b):
    """A root, and a state folder, on what says it is NFS: right, a hit, and nothing remembered by identity; stale handles everywhere are misses, and a lock that nobody gives is not waited for."""
    made = simple(b)[0]
    right(b, made, 'first')
    quick(b, made)
    f = Faulty(b, [b.cache])
    for turn in range(3):
        faulty_run(b, f, made, 'NFS', FAULT_MAGIC='6969')
        without_compiler(b, made, 'NFS')
    n = f.count(made[0])
    for at in chosen(n, 12):
        for on in (0, 1):
            faulty_run(b, f, made, 'ESTALE at %d of %d' % (at, n), at=at, error=errno.ESTALE, on=on, FAULT_MAGIC='6969')
            right(b, made, 'after ESTALE at %d' % at)
            without_compiler(b, made, 'after ESTALE at %d' % at)
    for e in (errno.EAGAIN, errno.ENOLCK, errno.EOPNOTSUPP):
        shutil.rmtree(os.path.join(b.cache, 'compile'))
        start = time.time()
        faulty_run(b, f, made, 'no lock: ' + errno.errorcode[e], at=1, on=1, error=e, calls='lock')
        check(time.time() - start < 2, 'it waits for a lock: %.1f s' % (time.time() - start))
        right(b, made, 'after no lock')
        without_compiler(b, made, 'after no lock')


# ---- full disks, damaged bytes --------------------------------------------------------------------------------------------

@test(compilers=('gcc',))
def t_private_folder_full(b):
    """The private folder on a disk that is full, from its first byte on or later: objects right, hits where the layer has them."""
    m = os.path.join(b.dir, 'mnt')
    os.mkdir(m)
    made = simple(b, 3)
    for options in ('size=4k', 'size=16k', 'size=64k', 'size=2m', 'size=2m,nr_inodes=4'):
        mount('-t', 'tmpfs', '-o', options, 'tmpfs', m)
        try:
            b.fresh()
            b.env['CCHAIN_STATE_DIR'] = os.path.join(m, 'state')
            for turn in range(3):
                for x in made:
                    right(b, x, options)
            if options == 'size=2m':
                with open(os.path.join(m, 'ballast'), 'wb', buffering=0) as f:
                    try:
                        while True:
                            f.write(b'x' * 4096)
                    except OSError:
                        pass
                for turn in range(2):
                    for x in made:
                        right(b, x, options + ', full')
            r = b.run([common.CCHAIN, 'stats', '--json'], timeout=SLOW)
            check(r.status in (0, 1), '%s: stats: %s' % (options, r.status))
        finally:
            unmount(m)
    del b.env['CCHAIN_STATE_DIR']


@test(compilers=('gcc',))
def t_each_byte(b):
    """Every byte of an entry, a record, the index and each private table flipped in turn (in a sample: some): never a wrong object, never a crash, and the next build is a hit."""
    made = simple(b)[0]
    right(b, made, 'first')
    time.sleep(2.2)  # old enough to be remembered
    for turn in range(2):
        right(b, made, 'warm')
    quick(b, made)
    right(b, made, 'warm')
    private = os.path.join(b.cache, 'private')
    files = b.blobs() + b.blobs('record') + [os.path.join(b.cache, 'index')] + sorted(p for p in glob.glob(private + '/**', recursive=True) if os.path.isfile(p))
    check(any(p.endswith('/digests') for p in files) and any(p.endswith('/memo') for p in files), 'no private tables: %s' % files)
    flipped = 0
    for path in files:
        whole = get(path)
        st = os.stat(path)
        # Of sparse tables what was written, and a little beside it.
        places = [i for i in range(len(whole)) if whole[i]] if len(whole) > 8192 else list(range(len(whole)))
        if len(whole) > 8192:
            places += [i for i in range(0, len(whole), max(1, len(whole) // 50))]
        if CORE:
            places = places[SAMPLE % 7::max(1, len(places) // 40)]
        name = os.path.relpath(path, b.cache)[-24:]
        for n, at in enumerate(places):
            with open(path, 'r+b') as f:
                f.seek(at)
                f.write(bytes([whole[at] ^ (1 << at % 8)]))
            right(b, made, '%s, byte %d' % (name, at))
            flipped += 1
            # Byte 3 of an entry or record is its version: one of another version is left to whom it belongs.
            if n % 16 == 0 and not (at == 3 and name.endswith(('/entry', '/record'))):
                without_compiler(b, made, '%s, byte %d' % (name, at))
            if os.path.exists(path):
                with open(path, 'r+b') as f:
                    f.write(whole)
                    f.truncate()
            else:
                put(path, whole)
                os.chmod(path, stat.S_IMODE(st.st_mode))
        right(b, made, name + ', after all')
        without_compiler(b, made, name + ', after all')
    print('# %d bytes of %d files flipped' % (flipped, len(files)), flush=True)


@test(compilers=('gcc',))
def t_static_command(b):
    """The command as it is installed, which is static: errors at its system calls by strace."""
    if not common.have('strace') or b.run(['strace', '-o', '/dev/null', 'true']).status:
        raise Skip('no strace, or it may not trace')
    made = simple(b)[0]
    right(b, made, 'first')
    quick(b, made)
    right(b, made, 'warm')
    trace = os.path.join(b.dir, 'trace')
    calls = 'open,openat,statx,newfstatat,pread64,pwrite64,write,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,rename,renameat2,fchmod,ftruncate,flock,getdents64'
    run = 0
    for kind in ('store', 'lookup'):
        def prepare():
            if kind == 'store':
                for d in ('compile', 'inputs'):
                    shutil.rmtree(os.path.join(b.cache, d), ignore_errors=True)
        prepare()
        argv, want = made
        r = b.run(['strace', '-o', trace, '-e', 'trace=' + calls, common.CCHAIN] + argv)
        check(r.status == 0, 'strace: %r' % r.err[-300:])
        found = {}
        for line in open(trace):
            w = re.match(r'(\w+)\((1,|2,)?', line)
            if w and not w.group(2):
                found[w.group(1)] = found.get(w.group(1), 0) + 1
        for name, count in sorted(found.items()):
            for i, at in enumerate(chosen(count, 2)):
                for e in ERRORS[i % 5:i % 5 + 1] if CORE else ERRORS[:4]:
                    prepare()
                    if os.path.exists(b.path('s0.o')):
                        os.unlink(b.path('s0.o'))
                    what = '%s: %s %d fails with %s' % (kind, name, at, errno.errorcode[e])
                    r = b.run(['strace', '-o', '/dev/null', '-e', 'trace=' + name, '-e', 'inject=%s:error=%s:when=%d' % (name, errno.errorcode[e], at), common.CCHAIN] + argv, timeout=20)
                    run += 1
                    check(r.status == 0 and not r.out and not r.err, '%s: status %s %r' % (what, r.status, r.err[-300:]))
                    check(b.read('s0.o') == want, what + ': a wrong object')
                    right(b, made, what + ': the next build')
                    without_compiler(b, made, what)
    print('# %d errors at system calls of the static command' % run, flush=True)


if __name__ == '__main__':
    common.main()
