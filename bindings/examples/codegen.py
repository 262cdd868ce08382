#!/usr/bin/env python3
"""Caches a code-generation step through a key of its own.

    codegen.py -i person.proto -o gen/person.pb.cc -o gen/person.pb.h -- protoc --cpp_out=gen person.proto

Every file that the command reads is to be named by -i, every one that it writes by -o: cchain does not look for them.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import os
import shutil
import subprocess
import sys

import cchain


def key_of(command, inputs, outputs):
    """All that can influence the outputs: the program, its words, its inputs by name and content, where it runs and what it is to write."""
    key = cchain.Key().add("words", *command).add("outputs", *outputs).add("directory", os.getcwd())
    key.file("program", shutil.which(command[0]) or command[0])
    for path in inputs:
        key.add("name", path).file("input", path)
    return key.digest()


def main():
    parser = argparse.ArgumentParser(usage="codegen.py -i INPUT… -o OUTPUT… -- COMMAND…")
    parser.add_argument("-i", dest="inputs", action="append", default=[])
    parser.add_argument("-o", dest="outputs", action="append", required=True)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()

    def key():
        return key_of(args.command, args.inputs, args.outputs)

    with cchain.Cache(host="codegen.py") as cache:
        before = key()
        action = cache.action("codegen.py", before, {"out-%d" % i: path for i, path in enumerate(args.outputs)})
        result = cache.lookup(action)
        if not result:
            for path in filter(os.path.exists, args.outputs):
                os.unlink(path)  # what the command does not write is not to be taken for its own
            done = subprocess.run(args.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            result.exit_status, result.stdout, result.stderr = done.returncode, done.stdout, done.stderr
            # An input that was edited meanwhile: nobody knows which one was read.
            if done.returncode == 0 and key() == before:
                cache.store(action, stdout=done.stdout, stderr=done.stderr)
        sys.stdout.buffer.write(result.stdout)
        sys.stderr.buffer.write(result.stderr)
        return result.exit_status


if __name__ == "__main__":
    sys.exit(main())
