# cchain. `make help` lists what can be made. One file, not recursive; needs GNU Make, gcc >= 12 or clang >= 14.
SHELL := /bin/bash
, := ,
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CC ?= gcc
CXX ?= g++
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
PREFIX ?= /usr/local
DESTDIR ?=
B ?= build
OPT ?= -O2
SAN ?=

VERSION := $(shell sed -n 's/^\#define CC_VERSION_M[AI][JN]OR //p;s/^\#define CC_VERSION_PATCH //p' include/cchain.h | paste -sd.)

WARN := -Wall -Wextra -Wshadow -Wno-missing-field-initializers
CPPFLAGS_ALL := -Iinclude -Isrc -D_GNU_SOURCE -DOPENSSL_SUPPRESS_DEPRECATED $(CPPFLAGS)
CXXFLAGS_ALL := -std=c++20 $(OPT) -g -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -ffunction-sections -fdata-sections \
  $(if $(findstring clang,$(CXX)),,-fno-gnu-unique) $(WARN) $(SAN) $(CXXFLAGS)
CFLAGS_ALL := -std=c11 $(OPT) -g -fPIC $(WARN) $(SAN) $(CFLAGS)
# The fixed libraries are linked statically and hidden, so that the library brings nothing into its host but libc and libgcc_s.
FIXED_LIBS := -lzstd -lxxhash -lcrypto
STATIC_LIBS := -Wl,-Bstatic $(FIXED_LIBS) -Wl,-Bdynamic
LIB_LDFLAGS := -shared -Wl,-soname,libcchain.so.0 -Wl,--version-script=src/abi/libcchain.map -Wl,-z,defs -Wl,-z,nodelete \
  -Wl,-z,now -Wl,-O1 -Wl,--as-needed -Wl,--exclude-libs,ALL -Wl,--gc-sections -static-libstdc++ $(SAN)

LIB_SRCS := $(sort $(wildcard src/base/*.cc src/model/*.cc src/layers/*.cc src/core/*.cc src/abi/*.cc))
LIB_OBJS := $(LIB_SRCS:%.cc=$(B)/%.o)
# The plug-in of the remote layers: sees include/ only, and is the only thing that is linked to libcurl.
REMOTE_SRCS := $(sort $(wildcard src/remote/*.cc))
REMOTE_OBJS := $(REMOTE_SRCS:%.cc=$(B)/%.o)
CLI_SRCS := $(sort $(wildcard src/cli/*.cc))
CLI_OBJS := $(CLI_SRCS:%.cc=$(B)/%.o)

all: $(B)/libcchain.so.0 $(B)/libcchain.a $(B)/cchain $(B)/cchain-sh $(B)/cchain-remote.so ## the library, shared and static, its plug-in and the command (the default)

$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -MD -MP -c $< -o $@
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MD -MP -c $< -o $@

$(B)/libcchain.so.0: $(LIB_OBJS) src/abi/libcchain.map
	$(CXX) $(LIB_LDFLAGS) -o $@ $(LIB_OBJS) $(STATIC_LIBS) -lpthread -ldl
	ln -sf libcchain.so.0 $(B)/libcchain.so
# One object with all that is needed of the fixed libraries, of C names nothing global but the ABI: a static host links -lcchain -lstdc++ -lpthread, and brings its
# own OpenSSL or zstd without a clash.
$(B)/libcchain.a: $(LIB_OBJS)
	ld -r -o $(B)/libcchain-all.o $(LIB_OBJS) $(foreach l,zstd xxhash crypto,$(shell $(CXX) -print-file-name=lib$(l).a))
	objcopy --wildcard --keep-global-symbol='cc_*' --keep-global-symbol='_Z*' --keep-global-symbol='DW.ref.*' $(B)/libcchain-all.o
	rm -f $@; ar rcs $@ $(B)/libcchain-all.o; rm -f $(B)/libcchain-all.o
$(B)/cchain-remote.so: $(REMOTE_OBJS) src/remote/remote.map
	$(CXX) -shared -Wl,--version-script=src/remote/remote.map -Wl,-z,defs -Wl,-z,nodelete -Wl,-z,now -Wl,-O1 -Wl,--as-needed -Wl,--exclude-libs,ALL \
	  -Wl,--gc-sections -static-libstdc++ $(SAN) -o $@ $(REMOTE_OBJS) -lcurl -lssl -lcrypto -lcjson -lpthread
# The command is static, which saves an eighth of a hit; its twin, dynamic, takes over where libraries have to be loaded (src/cli/twin.h). Sanitizers want it dynamic.
STATIC_OBJS := $(patsubst src/%.cc,$(B)/static/%.o,src/static/dynamic.cc src/cli/twin.cc)
COMMAND_LDFLAGS := -no-pie -Wl,--gc-sections -Wl,-O1 -Wl,--as-needed -Wl,-z,norelro -Wl,--hash-style=gnu
$(B)/static/%.o: src/%.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -DCCHAIN_STATIC_COMMAND -MD -MP -c $< -o $@
$(B)/cchain-dynamic: $(CLI_OBJS) $(LIB_OBJS)
	$(CXX) $(OPT) $(SAN) -static-libstdc++ -static-libgcc $(COMMAND_LDFLAGS) -o $@ $(CLI_OBJS) $(LIB_OBJS) $(STATIC_LIBS) -lpthread -ldl
ifeq ($(SAN),)
# What a hit runs lies side by side in it, which saves a tenth of the process; linkers other than GNU's order it as they like.
HIT_ORDER := $(if $(findstring GNU ld,$(shell $(CXX) -Wl,--version 2>/dev/null)),-Wl$(,)-T$(,)src/static/hit.ld)
LINK_COMMAND = $(CXX) $(OPT) -static $(COMMAND_LDFLAGS) -Wl,-z,noseparate-code $(HIT_ORDER) \
  $(filter-out $(B)/src/base/dynamic.o $(B)/src/cli/twin.o,$(CLI_OBJS) $(LIB_OBJS)) $(STATIC_OBJS) $(FIXED_LIBS)
$(B)/cchain: $(CLI_OBJS) $(LIB_OBJS) $(STATIC_OBJS) $(B)/cchain-dynamic src/static/hit.ld
	$(LINK_COMMAND) -o $@
command-map: $(B)/cchain # where the linker put what, for tests/tools/order.py
	$(LINK_COMMAND) -o $(MAP).program -Wl,-Map,$(MAP)
else
$(B)/cchain: $(B)/cchain-dynamic
	cp $< $@
endif

# The same program, which sees by its name what it is to be: a shell for make.
$(B)/cchain-sh: $(B)/cchain
	ln -sf cchain $@

# ---- tests: each tests/unit/test_*.cc and tests/abi/test_*.c is a cmocka program ---------------------------------------
UNIT_TESTS := $(patsubst %.cc,$(B)/%,$(sort $(wildcard tests/unit/test_*.cc)))
ABI_TESTS := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/abi/test_*.c)))
# Tests are built once and run once: little optimisation, and no debug information but with a sanitizer (OPT and SAN of the command line win).
$(B)/tests/unit/%.o $(B)/tests/fuzz/%.o: OPT := -O1
TEST_LDFLAGS := $(if $(SAN),,-Wl,--strip-debug)
$(UNIT_TESTS): $(B)/%: $(B)/%.o $(LIB_OBJS)
	$(CXX) $(OPT) $(SAN) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) $(STATIC_LIBS) -lcmocka -lpthread -ldl
$(B)/tests/unit/test_sigv4: $(B)/src/remote/sigv4.o
$(ABI_TESTS): $(B)/%: $(B)/%.o $(B)/libcchain.so.0
	$(CC) $(OPT) $(SAN) -o $@ $< $(B)/libcchain.so.0 -Wl,-rpath,$(abspath $(B)) -lcmocka -lpthread -ldl

include $(wildcard tests/*.mk tests/*/*.mk) ninja-patch/ninja.mk bindings/packaging/packaging.mk

clean: ## remove what was built
	rm -rf $(B)
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | while IFS=$$'\t' read -r t d; do printf '  %-14s %s\n' "$$t" "$$d"; done

.PHONY: all clean help
-include $(LIB_OBJS:.o=.d) $(REMOTE_OBJS:.o=.d) $(CLI_OBJS:.o=.d) $(wildcard $(B)/tests/unit/*.d $(B)/tests/abi/*.d $(B)/tests/fuzz/*.d $(B)/tests/bench/*.d)
