#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tells netcat to run a program that does nothing for a port of its own at which nobody listens.
# Exit 77: there is none.
# where: container
# act: exec */nc
# process: nc -w 1 -e /bin/true 127.0.0.1 9

command -v nc >/dev/null 2>&1 || exit 77
nc -w 1 -e /bin/true 127.0.0.1 9 </dev/null >/dev/null 2>&1
exit 0
