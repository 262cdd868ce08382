#!/bin/sh
# The project of projects.sh that needs no network.
# SPDX-License-Identifier: Apache-2.0
exec "$(dirname "$0")/projects.sh" "$1" generated
