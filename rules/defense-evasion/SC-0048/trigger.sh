#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes a file of its own immutable and mutable again.
# Exit 77: there is no tool for it.
# where: container
# programs: /usr/bin/chattr
# act: exec /usr/bin/chattr
# process: chattr +i /tmp/scout-trigger.*

command -v chattr >/dev/null 2>&1 || exit 77
file=/tmp/scout-trigger.$$
: >"$file"
chattr +i "$file" >/dev/null 2>&1
chattr -i "$file" >/dev/null 2>&1
rm -f "$file"
exit 0
