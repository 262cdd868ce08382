# SPDX-License-Identifier: Apache-2.0
# The Python package, bindings/python.
TEST_SCRIPTS += tests/python/run-python.py::$(B)

test-python: $(B)/libcchain.so.0 ## the tests of the Python package alone
	tests/python/run-python.py $(B)
.PHONY: test-python
