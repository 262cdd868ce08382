# The patched Ninja. Its source is the distribution's package ninja-build, or NINJA_SRC=dir.
NINJA_SRC ?=
ninja: $(B)/ninja ## the patched Ninja (NINJA_SRC=dir for another source than the distribution's)
$(B)/ninja: $(wildcard ninja-patch/*.patch ninja-patch/*.cc ninja-patch/*.h) ninja-patch/build.sh include/cchain.h $(if $(NINJA_SRC),ninja-source)
	B=$(B) ninja-patch/build.sh $(NINJA_SRC)
ninja-source: # another source than last time, perhaps

.PHONY: ninja ninja-source
