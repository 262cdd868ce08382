#!/usr/bin/env python3
"""Turns a strace log into a plan for floor.c and bare.c: the same stats, reads and writes as a table of C.

  strace -f -s 0 -o LOG cchain gcc …;  make-floor.py LOG [--map FROM=TO]… [--distinct] [--lookups [--only-data]] >plan.c

--map: paths under FROM that are written to go to TO instead (a copy), so that a real cache is not spoiled.
--distinct: each look at one path once only.
--lookups: the log is of lookup.c --mark: one plan for each look-up.
--only-data: of these only records, entries and outputs: opens, reads and writes, with the checksum and the decoding of entries.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import os
import re
import sys

LOOKS = {'statx', 'newfstatat', 'stat', 'lstat', 'access', 'faccessat2', 'readlink', 'readlinkat', 'statfs', 'getcwd'}
MARK = '/cchain-bench-mark'


def split(text):
    """The arguments of a call as strace prints them."""
    out, depth, start, i = [], 0, 0, 0
    while i < len(text):
        c = text[i]
        if c == '"':
            i += 1
            while text[i] != '"':
                i += 2 if text[i] == '\\' else 1
        elif c in '[{(':
            depth += 1
        elif c in ']})':
            depth -= 1
        elif c == ',' and depth == 0:
            out.append(text[start:i].strip())
            start = i + 1
        i += 1
    out.append(text[start:].strip())
    return out


def calls(path):
    pending = {}
    for line in open(path, errors='surrogateescape'):
        m = re.match(r'(?:\[pid +)?(\d+)?\]? *(.*)', line.rstrip('\n'))
        pid, text = m.group(1), m.group(2)
        if text.endswith('<unfinished ...>'):
            pending[pid] = text[:-len('<unfinished ...>')].rstrip()
            continue
        m = re.match(r'<\.\.\. \w+ resumed>(.*)', text)
        if m:
            text = pending.pop(pid, '') + m.group(1)
        m = re.match(r'(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(.*)$', text)
        if m:
            yield m.group(1), split(m.group(2)), m.group(3), m.group(4)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('log')
    p.add_argument('--map', action='append', default=[])
    p.add_argument('--distinct', action='store_true')
    p.add_argument('--lookups', action='store_true')
    p.add_argument('--only-data', action='store_true')
    a = p.parse_args()
    maps = [m.split('=', 1) for m in a.map]

    def mapped(quoted, cwd):
        path = quoted.strip('"')
        full = os.path.normpath(os.path.join(cwd, path)) if path else path
        for old, new in maps:
            if full == old or full.startswith(old + '/'):
                return '"%s"' % (new + full[len(old):])
        return quoted

    every = list(calls(a.log))
    # What the dynamic loader does comes before this; the floor has its own start.
    start = max((i for i, c in enumerate(every) if c[0] in ('rseq', 'set_robust_list') and i < 80), default=-1) + 1
    cwd = os.getcwd()
    known, skipped = {}, {}
    seen = set()
    plans, plan = [], []
    inside = not a.lookups

    def emit(code, fails=False, fd=-1, fd2=-1, path='0', path2='0', flags='0', mode='0', size='0', offset='0'):
        fd = virtual.get(fd, fd)
        if code == 'OP_OPEN' and fd2 >= 0:
            virtual[fd2] = fd2 = next(v for v in range(3, 4096) if v not in taken)
            taken.add(fd2)
        elif code == 'OP_CLONE':
            fd2 = virtual.get(fd2, fd2)
        plan.append((code, fd if code == 'OP_CLOSE' else fd2,
                     '{%s, %d, %s, %s, %s, %s, %s, %s, %s, %s},' % (code, fails, fd, fd2, path, path2, flags, mode, size, offset)))

    # Descriptors are numbered anew, and no number twice in one look-up, so that what stays open can be opened beforehand.
    shared, outside, virtual, taken, kept_open = [], {}, {}, set(), set()

    def finish():
        """Ends one look-up. What it opened and left open serves the later ones too: each thread of bare.c opens it for itself."""
        open_here, moved = {}, set()
        for i, (code, fd, _) in enumerate(plan):
            if code == 'OP_OPEN' and fd >= 0:
                open_here[fd] = i
            elif code == 'OP_CLOSE':
                open_here.pop(fd, None)
        for v, i in open_here.items():
            shared.append(plan[i][2])
            moved.add(i)
            kept_open.add(v)
        taken.clear()
        taken.update(kept_open)
        plans.append([row[2] for i, row in enumerate(plan) if i not in moved])

    def fdnum(text):
        if text == 'AT_FDCWD':
            return -1
        return int(re.match(r'-?\d+', text).group())

    def wanted(path):
        return not a.only_data or path.endswith(('/record', '/entry', '.o', '.d')) or path.startswith('#out')

    for name, args, result, rest in every[start:]:
        if name in ('access', 'faccessat2') and MARK in ' '.join(args):
            if a.lookups:
                if inside:
                    finish()
                plan = []
                inside = 'end' not in ' '.join(args)
            continue
        fails = result.startswith('-')
        if name in ('openat', 'open'):
            if name == 'open':
                args = ['AT_FDCWD'] + args
            fd = fdnum(args[0])
            base = cwd if fd < 0 else known.get(fd, cwd)
            path = args[1].strip('"')
            if not fails:
                full = os.path.normpath(os.path.join(base, path))
                known[int(result)] = ('#out ' + full) if 'O_TMPFILE' in args[2] else full
            if path == '/etc/ld.so.cache' or not inside or not wanted(known.get(int(result), path) if not fails else path):
                if not fails:
                    skipped[int(result)] = True
                    if not inside and path != '/etc/ld.so.cache' and not a.only_data:
                        plan, kept = [], plan
                        emit('OP_OPEN', False, fd, int(result), mapped(args[1], base), flags='(uint32_t)(%s)' % args[2],
                             mode=args[3] if len(args) > 3 else '0')
                        outside[int(result)], plan = plan[0][2], kept
                        kept_open.add(virtual[int(result)])
                continue
            if not fails:
                skipped.pop(int(result), None)
            emit('OP_OPEN', fails, fd, -1 if fails else int(result), mapped(args[1], base), flags='(uint32_t)(%s)' % args[2],
                 mode=args[3] if len(args) > 3 else '0')
            continue
        if name == 'close':
            fd = fdnum(args[0])
            if inside and fd in known and fd not in skipped:
                emit('OP_CLOSE', fails, fd)
            skipped.pop(fd, None)
            known.pop(fd, None)
            outside.pop(fd, None)
            continue
        if not inside:
            continue
        if args and args[0].isdigit() and int(args[0]) in outside and int(args[0]) in skipped:
            shared.append(outside.pop(int(args[0])))
            skipped.pop(int(args[0]))
        if a.distinct and name in LOOKS and not (name in ('statx', 'newfstatat') and args[1] == '""'):
            key = (name, args[0], args[1] if len(args) > 1 else '', fdnum(args[0]) if args[0].isdigit() else 0)
            if key in seen:
                continue
            seen.add(key)
        if name in LOOKS and a.only_data:
            continue
        if name in ('read', 'pread64', 'write', 'pwrite64', 'flock', 'lseek', 'getdents64', 'ftruncate'):
            fd = fdnum(args[0])
            if fd not in known or fd in skipped:
                continue
            if name == 'read':
                emit('OP_READ', fails, fd, size=args[2])
            elif name == 'pread64':
                emit('OP_PREAD', fails, fd, size=args[2], offset=args[3])
            elif name == 'write':
                emit('OP_WRITE', fails, fd, size=args[2])
            elif name == 'pwrite64':
                emit('OP_PWRITE', fails, fd, size=args[2], offset=args[3])
            elif name == 'flock':
                emit('OP_FLOCK', fails, fd, flags='(uint32_t)(%s)' % args[1])
            elif name == 'lseek':
                emit('OP_LSEEK', fails, fd, offset=args[1], flags=args[2])
            elif name == 'getdents64':
                emit('OP_GETDENTS', fails, fd, size=args[2])
            else:
                emit('OP_FTRUNCATE', fails, fd, offset=args[1])
            if name in ('read', 'pread64') and a.only_data and known[fd].endswith('/entry') and int(result) > 0:
                emit('OP_CHECKSUM', size=result)
                data = open(known[fd], 'rb').read()
                at = data.find(b'\x28\xb5\x2f\xfd')
                if at >= 0:
                    emit('OP_DECODE', size=str(len(data) - at), offset=str(at))
        elif name == 'statx':
            fd = fdnum(args[0])
            if fd in skipped:
                continue
            emit('OP_STATX', fails, fd, path=args[1], flags='(uint32_t)(%s)' % args[2], mode='(uint32_t)(%s)' % args[3])
        elif name == 'newfstatat':
            fd = fdnum(args[0])
            if fd in skipped or (fd >= 0 and fd not in known):
                continue
            if args[1] == '""':
                emit('OP_FSTAT', fails, fd)
            else:
                emit('OP_STAT', fails, fd, path=args[1], flags='(uint32_t)(%s)' % args[3])
        elif name in ('stat', 'lstat'):
            emit('OP_STAT', fails, path=args[0], flags='0' if name == 'stat' else 'AT_SYMLINK_NOFOLLOW')
        elif name == 'fstat':
            if fdnum(args[0]) in known and fdnum(args[0]) not in skipped:
                emit('OP_FSTAT', fails, fdnum(args[0]))
        elif name in ('access', 'faccessat2'):
            path, mode = (args[0], args[1]) if name == 'access' else (args[1], args[2])
            emit('OP_ACCESS', fails, path=path, mode='(uint32_t)(%s)' % mode)
        elif name in ('readlink', 'readlinkat'):
            path = args[0] if name == 'readlink' else args[1]
            emit('OP_READLINK', fails, path=path, size=args[-1])
        elif name == 'statfs':
            emit('OP_STATFS', fails, path=args[0])
        elif name == 'getcwd':
            emit('OP_GETCWD', fails)
        elif name in ('unlink', 'unlinkat', 'rmdir'):
            fd = fdnum(args[0]) if name == 'unlinkat' else -1
            path = args[1] if name == 'unlinkat' else args[0]
            flags = args[2] if name == 'unlinkat' else 'AT_REMOVEDIR' if name == 'rmdir' else '0'
            emit('OP_UNLINK', fails, fd, path=mapped(path, cwd), flags=flags)
        elif name == 'linkat' and 'fd/' in args[1]:
            emit('OP_LINKFD', fails, int(re.search(r'fd/(\d+)', args[1]).group(1)), path=mapped(args[3], cwd))
        elif name == 'linkat' and args[1] == '""':
            emit('OP_LINKFD', fails, fdnum(args[0]), path=mapped(args[3], cwd))
        elif name in ('rename', 'renameat', 'renameat2'):
            pair = args[:2] if name == 'rename' else [args[1], args[3]]
            emit('OP_RENAME', fails, path=mapped(pair[0], cwd), path2=mapped(pair[1], cwd))
        elif name in ('mkdir', 'mkdirat'):
            path, mode = args[-2:]
            emit('OP_MKDIR', fails, path=mapped(path, cwd), mode=mode)
        elif name == 'ioctl' and args[1].startswith(('FICLONE', 'BTRFS_IOC_CLONE')) and args[2].isdigit():
            emit('OP_CLONE', fails, fdnum(args[0]), fdnum(args[2]))
        elif name == 'mmap' and args[4].isdigit() and int(args[4]) in known and int(args[4]) not in skipped:
            emit('OP_MMAP', fails, fdnum(args[4]), size=args[1], flags='(uint32_t)(%s)' % args[2], mode='(uint32_t)(%s)' % args[3],
                 offset=args[5])

    if not a.lookups:
        plans.append([row[2] for row in plan])
        print('static const struct op plan[] = {')
        print('\n'.join(plans[0] if plans else []))
        print('};')
    else:
        flat, ends = [], []
        for q in plans:
            flat += q
            ends.append(len(flat))
        print('static const struct op plan[] = {\n%s\n};' % '\n'.join(flat))
        print('static const struct op plan_shared[] = {\n%s\n};' % '\n'.join(shared or ['{0},']))
        print('static const size_t plan_ends[] = {%s};' % ', '.join(map(str, ends)))
    print('%d calls' % sum(map(len, plans)), file=sys.stderr)


main()
