#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries to reach an address that documentation uses; the attempt is the act.
# Exit 77: there is no program to connect with.
# where: container
# act: connect 192.0.2.1:3333
# process: nc -w 1 192.0.2.1 3333

command -v nc >/dev/null 2>&1 || exit 77
nc -w 1 192.0.2.1 3333 </dev/null >/dev/null 2>&1
exit 0
