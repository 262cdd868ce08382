# Tests of the patched Ninja. Where its source can't be had they say so and are skipped.
TEST_SCRIPTS += tests/ninja/run.py
test-programs: ninja-tested
ninja-tested:
	-$(MAKE) --no-print-directory $(B)/ninja
	-for t in $(B)/ninja-tree/*/; do [ -x $$t/ninja_test ] || (cd $$t && ./ninja -j$$(nproc) ninja_test >ninja_test.log 2>&1 || tail -n 20 ninja_test.log); done
soak-ninja: all ninja-tested ## random edits compared with plain Ninja, for long: ROUNDS=N, SEED=N
	B=$(B) ROUNDS=$${ROUNDS:-500} tests/ninja/run.py random_edits

.PHONY: ninja-tested soak-ninja
