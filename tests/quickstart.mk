# SPDX-License-Identifier: Apache-2.0
quickstart: ## set up, build, compile a real project cold and warm, compare
	tests/tools/packages.sh build quickstart
	$(MAKE) --no-print-directory -j$$(nproc) all ninja
	tests/tools/quickstart.sh

.PHONY: quickstart
