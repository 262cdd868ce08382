# The tests of the ABI know where they stand; the one that loads the library by itself must not be linked to it.
$(ABI_TESTS:%=%.o): private CFLAGS_ALL += -DCCHAIN_ROOT='"$(CURDIR)"' -DCCHAIN_BUILD='"$(abspath $(B))"' -DCCHAIN_CC='"$(CC)"' -DCCHAIN_CXX='"$(CXX)"'
$(B)/tests/abi/test_load: private OPT += -Wl,--as-needed

# What abidiff compares the library with (tests/abi/test_load.c): types and functions of the public headers only.
abi-baseline: $(B)/libcchain.so.0 ## keep the ABI as it is now as the baseline; only after a change that include/ABI.md allows
	abidw --exported-interfaces-only --headers-dir include --drop-private-types --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --no-write-default-sizes $< --out-file tests/abi/baseline.abi

.PHONY: abi-baseline
