#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Calls pkexec with no arguments, to which it answers how it is used.
# Exit 77: there is none.
# where: container
# programs: /usr/bin/pkexec
# act: exec /usr/bin/pkexec
# process: /usr/bin/pkexec

[ -x /usr/bin/pkexec ] || exit 77
/usr/bin/pkexec >/dev/null 2>&1 </dev/null
exit 0
