#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs a copy in memory of a program that does nothing.
# Exit 77: there is no program that can.
# where: container
# programs: /usr/bin/act
# act: exec /memfd:from-memory
# process: *

command -v act >/dev/null 2>&1 || exit 77
act execmem /bin/true true >/dev/null 2>&1
exit 0
