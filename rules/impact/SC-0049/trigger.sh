#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Overwrites an empty file of its own.
# Exit 77: there is no tool for it.
# where: container
# act: exec */shred
# process: shred -u /tmp/scout-trigger.*

command -v shred >/dev/null 2>&1 || exit 77
file=/tmp/scout-trigger.$$
: >"$file"
shred -u "$file" >/dev/null 2>&1
exit 0
