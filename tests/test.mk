# Tests. `make test` sets up what it needs; the logs of each program are in build/test-logs.
FUZZ := $(patsubst tests/fuzz/fuzz_%.cc,$(B)/tests/fuzz/replay_%,$(sort $(wildcard tests/fuzz/fuzz_*.cc)))  # tests/fuzz/fuzz.mk
# Each table of what has gone wrong in other caches: here every row, by gcc; clang's are in test-servers, every variant and mode in `make soak`.
CORRECTNESS := tests/correctness/inputs.py tests/correctness/outputs.py tests/correctness/store.py
# Those that are quick and need no server but what is in the test; the rest is `make test-servers`.
REMOTE_TESTS := tests/remote/test_http.py tests/remote/test_host.py tests/remote/test_redis.py tests/remote/test_signed.py tests/remote/test_s3.py::keys_from tests/remote/test_command.py::machines
HEAVY_TESTS := tests/correctness/inputs.py::--core=clang tests/correctness/outputs.py::--core=clang tests/correctness/relocate.py tests/correctness/precompiled_project.py::--core
TEST_SCRIPTS := tests/cli/run.sh::$(B)/cchain tests/cli/sign.sh::$(B)/cchain tests/cli/tell.py $(REMOTE_TESTS) tests/correctness/inputs.py::--core=gcc tests/correctness/outputs.py::--core=gcc tests/correctness/store.py::--core tests/differential/differential.py

test-packages:
	tests/tools/packages.sh test
test: test-packages ## run all tests (installs what they need first)
	$(MAKE) --no-print-directory -j$$(nproc) all test-programs
	TEST_LANES=2 TEST_TIMEOUT=900 tests/tools/run-tests.sh $(B)/test-logs $(UNIT_TESTS) $(ABI_TESTS) $(foreach f,$(FUZZ),$(f)::tests/fuzz/corpus/$(patsubst replay_%,%,$(notdir $(f)))) $(TEST_SCRIPTS)
test-programs: $(UNIT_TESTS) $(ABI_TESTS) $(FUZZ)

# `make test` stays below ten minutes on two cores; what is left out is in test-sanitized and, with the servers, in test-servers: .ci/run calls all three.
test-sanitized: test-packages ## unit tests and the fuzz corpus once more with the address and undefined-behaviour sanitizers
	$(MAKE) --no-print-directory -j$$(nproc) B=$(B)/asan OPT=-O1 SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' sanitized-programs
	TEST_LANES=2 tests/tools/run-tests.sh $(B)/asan/test-logs $(UNIT_TESTS:$(B)/%=$(B)/asan/%) $(foreach f,$(FUZZ),$(f:$(B)/%=$(B)/asan/%)::tests/fuzz/corpus/$(patsubst replay_%,%,$(notdir $(f))))
sanitized-programs: $(UNIT_TESTS) $(FUZZ)
TSAN := $(addprefix $(B)/tsan/tests/,unit/test_disk unit/test_stats unit/test_remote abi/test_async abi/test_crowd abi/test_layer abi/test_session)
test-tsan: ## tests with threads under the thread sanitizer
	$(MAKE) --no-print-directory -j$$(nproc) B=$(B)/tsan OPT=-O1 SAN=-fsanitize=thread $(TSAN)
	tests/tools/run-tests.sh $(B)/tsan/test-logs $(TSAN)

SUITES := trixie sid
test-compilers: test-packages ## the tables and the generator with the compilers of other releases of Debian (root; fetches them; SUITES='trixie sid')
	tests/tools/packages.sh packaging
	$(MAKE) --no-print-directory -j$$(nproc) all
	tests/correctness/compilers.sh $(B) $(SUITES)

soak: soak-tables test-compilers
soak-tables: test-packages ## part of soak: all variants of the correctness tables in every mode, and the differential generator
	$(MAKE) --no-print-directory -j$$(nproc) all
	TEST_TIMEOUT=14400 tests/tools/run-tests.sh $(B)/soak-logs $(CORRECTNESS) tests/correctness/relocate.py tests/correctness/relocate_project.py tests/correctness/precompiled_project.py tests/differential/differential.py::--soak tests/differential/planted.py
	$(MAKE) --no-print-directory soak-ninja

test-servers: test-packages ## tests of the remote layers against real servers (what is not installed is skipped, with the reason), and the heavy rest
	$(MAKE) --no-print-directory -j$$(nproc) all
	-$(MAKE) --no-print-directory ninja
	tests/tools/run-tests.sh $(B)/test-logs $(sort $(wildcard tests/remote/test_*.py)) $(HEAVY_TESTS)

.PHONY: test test-compilers test-packages test-programs test-sanitized sanitized-programs test-tsan test-servers soak soak-tables
