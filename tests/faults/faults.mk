# Faults, kills and other accounts: a sample in `make test-servers`, all of it in `make soak`.
HEAVY_TESTS += tests/faults/faults.py::--core
soak: soak-faults
soak-faults: all ## part of soak: a fault and a kill at every call to the file system, 1,000 kills, every byte flipped
	TEST_TIMEOUT=3600 tests/tools/run-tests.sh $(B)/soak-logs tests/faults/faults.py

.PHONY: soak-faults
