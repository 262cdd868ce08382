# SPDX-License-Identifier: Apache-2.0
# make SHELL=…/cchain-sh, the links, and a project built through each door.
TEST_SCRIPTS += tests/make/run-make.sh::$(B) tests/make/run-project.sh::$(B)

test-projects: $(B)/cchain $(B)/cchain-sh ## real projects built by make, through each door (fetches them)
	tests/tools/packages.sh test projects
	tests/make/recipes.sh $(B)
	tests/make/projects.sh $(B) zlib lua5.4 redis
	tests/make/survey.sh $(B)
test-kernel: $(B)/cchain ## a Linux kernel built by make, plain, cold and warm (fetches it; three kernel builds long)
	tests/tools/packages.sh test kernel
	tests/make/kernel.sh $(B)
soak: test-projects test-kernel
.PHONY: test-projects test-kernel
