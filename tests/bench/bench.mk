# SPDX-License-Identifier: Apache-2.0
# Benchmarks: each prints a table and writes $(B)/bench/NAME.json. Machines are noisy: both sides of a figure come from one run.
BENCHES := bench-hit bench-lookup bench-miss bench-process bench-million bench-mode bench-sign
$(B)/tests/bench/million: $(B)/tests/bench/million.o $(LIB_OBJS)
	$(CXX) $(OPT) -o $@ $^ $(STATIC_LIBS) -lpthread -ldl

bench-packages:
	tests/tools/packages.sh bench
bench: bench-packages all $(B)/tests/bench/million ## all benchmarks but those of remote layers and Ninja (an hour; each has a target bench-NAME)
	for b in $(BENCHES); do $(MAKE) --no-print-directory $$b || exit 1; done
bench-hit: all ## a hit by the command as a process, beside its floor and ccache
	tests/bench/hit.py
bench-lookup: all ## a hit by cc_lookup, beside the same I/O done bare
	tests/bench/lookup.py
bench-miss: all ## CPU of a miss against the plain compile (PAIRS=10)
	tests/bench/miss.py $(or $(PAIRS),10)
bench-process: all ## loading the library, memory of the command
	tests/bench/process.py
bench-million: $(B)/tests/bench/million ## a disk layer with a million entries at its limit, against an empty one
	$(B)/tests/bench/million --dir $(B)/bench/million.d 1000000
bench-mode: all ## the three modes after edits that a preprocessor would not see
	tests/bench/mode.py
bench-sign: all ## what signatures cost a look-up in a warm process, and a hit by the command
	tests/bench/sign.py
bench-ninja: all $(B)/ninja ## the patched Ninja against ccache, /bin/true and its floor
	tests/bench/ninja.py
bench-python: all ## the Python package beside the C call
	tests/bench/python.py
bench-remote: all ## remote layers on loopback and at a distance
	tests/bench/remote.py

.PHONY: bench bench-packages $(BENCHES) bench-ninja bench-python bench-remote
