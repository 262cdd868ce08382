# Installation, the source tarball and Debian packages. What goes where is said once, in install.sh.
LIBDIR ?= $(PREFIX)/lib
PACKAGING := bindings/packaging
# The variables that install.sh reads. PYTHONDIR, MANDIR, BASHCOMPDIR, ZSHCOMPDIR, FISHCOMPDIR and DOCDIR have defaults there.
PLACES := B='$(B)' DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' VERSION='$(VERSION)'

# With LINKS=DIR also a folder of links for the compilers of this machine.
install: all ## install under PREFIX (and DESTDIR); LINKS=DIR for a folder of compilers' names, LIBDIR=/usr/lib/TRIPLET for multiarch
	@$(PLACES) $(PACKAGING)/install.sh install
	$(if $(LINKS),$(B)/cchain links --target=$(PREFIX)/bin/cchain $(DESTDIR)$(LINKS) >/dev/null)
uninstall: ## remove what `make install` with the same variables has put there
	@$(PLACES) $(PACKAGING)/install.sh uninstall

dist: ## the source as build/cchain-VERSION.tar.gz, the same bytes each time
	@B='$(B)' VERSION='$(VERSION)' $(PACKAGING)/dist.sh
deb: ## Debian packages in build/deb, with cchain-ninja if Ninja's source is at hand
	@B='$(B)' VERSION='$(VERSION)' MAKE='$(MAKE)' $(PACKAGING)/deb.sh
test-packaging: ## tests of install, dist and deb; the packages are installed in a folder made by debootstrap (root)
	tests/tools/packages.sh packaging
	$(MAKE) --no-print-directory all
	TEST_TIMEOUT=1800 tests/tools/run-tests.sh $(B)/test-logs tests/packaging/install.sh::$(B) tests/packaging/deb.sh

.PHONY: install uninstall dist deb test-packaging
