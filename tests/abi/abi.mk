# The tests of the ABI know where they stand; the one that loads the library by itself must not be linked to it.
$(ABI_TESTS:%=%.o): private CFLAGS_ALL += -DCCHAIN_ROOT='"$(CURDIR)"' -DCCHAIN_BUILD='"$(abspath $(B))"' -DCCHAIN_CC='"$(CC)"' -DCCHAIN_CXX='"$(CXX)"'
$(B)/tests/abi/test_load: private OPT += -Wl,--as-needed
