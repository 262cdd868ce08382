# SPDX-License-Identifier: Apache-2.0
TEST_SCRIPTS += tests/cli/manual.py::$(B) tests/cli/doctor.py::$(B) tests/packaging/install.sh::$(B) tests/packaging/examples.py::$(B)
