# SPDX-License-Identifier: Apache-2.0
# make SHELL=…/cchain-sh and the links.
TEST_SCRIPTS += tests/make/run-make.sh::$(B)
