#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants bugs, one at a time, in a copy of the source, and shows that differential.py finds each: what can't find a bug proves nothing.

  planted.py [--seconds N] [NAME…]      N: how long each may take (300); NAME: only these

A bug is a text of a source file that is replaced by another. A text that is no longer there, or a bug that is not found, is a failure. Python 3 standard library only.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUGS = (
    # name, file, text, what stands there instead
    ('the order of options does not matter', 'core/invocation.cc', 'for (auto& a : c.key_args) field("arg", a);',
     'auto sorted = c.key_args; std::sort(sorted.begin(), sorted.end()); for (auto& a : sorted) field("arg", a);'),
    ('-D options are not in the key', 'core/invocation.cc', 'for (auto& a : c.key_args) field("arg", a);', 'for (auto& a : c.key_args) if (a.compare(0, 2, "-D") != 0) field("arg", a);'),
    ('-std and -O are not in the key', 'core/invocation.cc', 'for (auto& a : c.key_args) field("arg", a);',
     'for (auto& a : c.key_args) if (a.compare(0, 2, "-O") != 0 && a.compare(0, 4, "-std") != 0) field("arg", a);'),
    ('the search path is not in the key', 'core/invocation.cc', 'for (auto& d : inv.compiler->bracket_dirs) path("bracket", d);', ''),
    ('PWD is not in the key', 'core/invocation.cc', 'path("pwd", inv.pwd);', ''),
    ('the target of the dependency file is not in the key', 'core/invocation.cc', 'field("target", bases ? folded_target(c, *bases) : c.dep_target);', ''),
    ('variables are not in the key', 'core/invocation.cc', 'for (auto& e : inv.key_env) field("env", e);', ''),
    ('GCC_COLORS is forgotten', 'core/invocation.cc', 'if (terminal || inv.command.color_given) exact("GCC_COLORS");', ''),
    ('names that are absent are not looked up again', 'model/places.cc', 'bool ok = !itself || looker.absent(dirs[d], name, epoch);', 'bool ok = true;'),
    ('a .gch is not minded', 'model/places.cc', 'ok = looker.absent(dirs[d], with_gch, epoch);', 'ok = true;'),
    ('a digest is kept by size and modification time', 'model/looker.cc',
     'uint64_t words[6] = {id.dev, id.ino, id.size, static_cast<uint64_t>(id.mtime_ns), static_cast<uint64_t>(id.ctime_ns), id.mount};',
     'uint64_t words[6] = {id.dev, id.ino, id.size, static_cast<uint64_t>(id.mtime_ns), 0, id.mount};'),
    ('a young digest is safe', 'model/looker.cc', 'bool safe = id.newest_ns() < start - kSafeNs;', 'bool safe = true;'),
    ('one who has looked in a session never looks again', 'model/looker.cc', 'if (l.epoch == epoch) return l;', 'if (l.epoch != 0) return l;'),
    ('the scanner overlooks __has_include', 'model/scanner.cc', 'else if (w.substr(0, 6) == "__has_") {', 'else if (w.substr(0, 6) == "__hax_") {'),
    ('the scanner overlooks include_next', 'model/scanner.cc', 'if (word == "include" || word == "include_next" || word == "import")', 'if (word == "include" || word == "import")'),
    ('__DATE__ is nothing', 'model/closure.cc', 'if (flags & kScanDate && ', 'if (false && '),
    ('.incbin is nothing', 'model/closure.cc', 'if (flags & kScanAsmFile && ', 'if (false && '),
    ('equal files of #pragma once are not minded', 'model/closure.cc', 'bool Closure::check_twins() {', 'bool Closure::check_twins() {\n  if (true) return true;'),
    ('outputs are delivered in the old mode', 'core/deliver.cc', 'o.mode = 0666 | (mode & 0111);', 'o.mode = 0600;'),
    ('objects are written into the file that is there', 'core/deliver.cc', 'if (unlink(path.c_str()) != 0 && errno != ENOENT) return errno;',
     'bool fresh; return deliver_through(path, data, &fresh);'),
)

def main():
    seconds = int(sys.argv[sys.argv.index('--seconds') + 1]) if '--seconds' in sys.argv else 300
    names = [a for i, a in enumerate(sys.argv[1:], 1) if not a.startswith('--') and sys.argv[i - 1] != '--seconds']
    wanted = [b for b in BUGS if not names or b[0] in names]
    work = tempfile.mkdtemp(prefix='cchain-planted-')
    passed = failed = 0
    try:
        for part in ('src', 'include', 'tests', 'bindings', 'ninja-patch', 'Makefile'):
            (shutil.copytree if os.path.isdir(ROOT + '/' + part) else shutil.copy2)(ROOT + '/' + part, work + '/' + part)
        if os.path.isdir(ROOT + '/build'):
            shutil.copytree(ROOT + '/build', work + '/build', symlinks=True, ignore=shutil.ignore_patterns('asan', 'tsan', 'test-logs', 'tests', 'ninja*'))
            subprocess.run(['find', work + '/build', '-type', 'f', '-exec', 'touch', '{}', '+'], check=True)
        make = ['make', '-s', '-C', work, '-j%d' % (os.cpu_count() or 1), 'build/cchain', 'build/libcchain.so.0']
        for name, path, text, instead in wanted:
            file = work + '/src/' + path
            with open(file) as f:
                whole = f.read()
            if whole.count(text) != 1:
                print('not ok %s: its text stands %d times in src/%s' % (name, whole.count(text), path), flush=True)
                failed += 1
                continue
            with open(file, 'w') as f:
                f.write(whole.replace(text, instead))
            built = subprocess.run(make + ['WARN=-w'], capture_output=True, text=True)
            if built.returncode:
                print('not ok %s: it does not build: %s' % (name, built.stderr[-2000:]), flush=True)
                failed += 1
            else:
                run = subprocess.run([sys.executable, work + '/tests/differential/differential.py', '--seconds', str(seconds), '--first'], capture_output=True, text=True)
                said = re.search(r'not ok (.*)', run.stdout)
                steps = re.search(r'# (\d+) steps in (\d+) s', run.stdout)
                if said:
                    print('ok %s: found in %s steps, %s s: %s' % (name, *(steps.groups() if steps else ('?', '?')), said.group(1)[:90]), flush=True)
                    passed += 1
                else:
                    print('not ok %s: not found; %s' % (name, run.stdout[-300:]), flush=True)
                    failed += 1
            with open(file, 'w') as f:
                f.write(whole)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
