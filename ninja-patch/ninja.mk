# The patched Ninja. Its source is the distribution's package ninja-build, or NINJA_SRC=dir.
NINJA_SRC ?=
ninja: $(B)/ninja ## the patched Ninja (NINJA_SRC=dir for another source than the distribution's)
$(B)/ninja: $(wildcard ninja-patch/*.patch ninja-patch/*.cc ninja-patch/*.h) ninja-patch/build.sh include/cchain.h $(if $(NINJA_SRC),ninja-source)
	B=$(B) ninja-patch/build.sh $(NINJA_SRC)
# Beside the distribution's, never over it. Only if it was built: its source is not at hand everywhere.
install: install-ninja
install-ninja: all
	[ ! -f $(B)/ninja ] || install -D -m 755 $(B)/ninja $(DESTDIR)$(PREFIX)/lib/cchain/ninja
ninja-source: # another source than last time, perhaps

.PHONY: ninja ninja-source install-ninja
