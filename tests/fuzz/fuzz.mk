# Fuzz targets, one for each parser of what others may have written. `make test` replays the kept inputs; `make fuzz` builds libFuzzer programs with the
# address and undefined-behaviour sanitizers, `make fuzz-run` runs them one after the other: SECONDS_EACH=N each, ONLY="entry record …"; `make fuzz-campaign` goes on until each has had ten million executions.
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.cc,%,$(sort $(wildcard tests/fuzz/fuzz_*.cc)))
# Those of the plug-in: linked to what it is linked to, never to two OpenSSLs.
FUZZ_REMOTE := http s3 redis credentials
FUZZ_LOCAL := $(filter-out $(FUZZ_REMOTE),$(FUZZ_NAMES))
FUZZ_REMOTE_OBJS = $(REMOTE_OBJS) $(B)/src/base/hash.o
FUZZ_REMOTE_LIBS := $(FIXED_LIBS) -lcurl -lssl -lcjson
FUZZ_CXX ?= clang++
# With trace-cmp behind it what is compared guides the fuzzer as well as what is reached, and a run takes up to twice as long: for parsers that are new.
FUZZ_COVERAGE ?= inline-8bit-counters,pc-table

# A main that feeds kept inputs to a target: needs no libFuzzer.
$(FUZZ_LOCAL:%=$(B)/tests/fuzz/replay_%): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(LIB_OBJS)
	$(CXX) $(OPT) $(SAN) $(TEST_LDFLAGS) -o $@ $^ $(STATIC_LIBS) -lpthread -ldl
$(FUZZ_REMOTE:%=$(B)/tests/fuzz/replay_%): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(FUZZ_REMOTE_OBJS) $(B)/src/base/fs.o
	$(CXX) $(OPT) $(SAN) $(TEST_LDFLAGS) -o $@ $^ $(FUZZ_REMOTE_LIBS) -lpthread -ldl

fuzz: ## libFuzzer programs of all parsers in build/fuzz, with address and undefined-behaviour sanitizer
	$(MAKE) --no-print-directory -j$$(nproc) B=$(B)/fuzz CXX='$(FUZZ_CXX)' OPT=-O2 SAN='-fsanitize=address,undefined -fsanitize-coverage=$(FUZZ_COVERAGE) -fno-sanitize-recover=all' fuzzers
fuzzers: $(FUZZ_NAMES:%=$(B)/fuzz_%)
# Of an archive only what is called is linked: fewer counters to look through after each run.
$(B)/fuzzed.a: $(LIB_OBJS)
	rm -f $@; ar rcsT $@ $^
$(FUZZ_LOCAL:%=$(B)/fuzz_%): $(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/fuzzed.a
	$(CXX) $(OPT) $(SAN) -fsanitize=fuzzer -o $@ $^ $(STATIC_LIBS) -lpthread -ldl
$(FUZZ_REMOTE:%=$(B)/fuzz_%): $(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(FUZZ_REMOTE_OBJS)
	$(CXX) $(OPT) $(SAN) -fsanitize=fuzzer -o $@ $^ $(FUZZ_REMOTE_LIBS) -lpthread -ldl
fuzz-run: fuzz ## run them: SECONDS_EACH=N each (60), ONLY="entry record", LANES=N at once (1); executions are summed in build/fuzz/ledger.tsv
	tests/fuzz/run.sh $(B)/fuzz $${SECONDS_EACH:-60} $(or $(ONLY),$(FUZZ_NAMES))
fuzz-campaign: fuzz ## the same in turns until each has GOAL executions (10000000), summed over all runs so far
	GOAL=$${GOAL:-10000000} tests/fuzz/run.sh $(B)/fuzz $${SECONDS_EACH:-300} $(or $(ONLY),$(FUZZ_NAMES))
fuzz-merge: ## what runs have found into the kept inputs: of files up to KEEP_MOST bytes (400) as few as reach all, ONLY="entry record"
	tests/fuzz/merge.sh $(B)/fuzz $${KEEP_MOST:-400} $(or $(ONLY),$(FUZZ_NAMES))

.PHONY: fuzz fuzzers fuzz-run fuzz-campaign fuzz-merge
