"""python -m cchain compile_commands.json: compiles what the cache lacks, so that the next build hits.

SPDX-License-Identifier: Apache-2.0
"""
import sys

from .warm import main

if __name__ == "__main__":
    sys.exit(main())
