#!/usr/bin/env python3
"""Runs the tests of the Python package: run-python.py [BUILD-FOLDER]. SPDX-License-Identifier: Apache-2.0"""
import os
import sys
import unittest

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
sys.dont_write_bytecode = True
if len(sys.argv) > 1:
    os.environ["B"] = sys.argv[1]
if sys.version_info < (3, 9):
    print("skip - the package needs Python 3.9, this is %d.%d" % sys.version_info[:2])
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(unittest.TestLoader().discover(here, "test_*.py"))
failed = {str(test) for test, _ in result.failures + result.errors}
for test, why in result.skipped:
    print("skip - %s: %s" % (test, why))
print("%d passed, %d failed, %d skipped" % (result.testsRun - len(failed) - len(result.skipped), len(failed), len(result.skipped)))
sys.exit(bool(failed) or not result.wasSuccessful())
