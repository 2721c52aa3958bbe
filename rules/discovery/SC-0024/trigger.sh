#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks a scanner for its version.
# Exit 77: there is none.
# where: container
# programs: /usr/bin/nmap
# act: exec /usr/bin/nmap
# process: nmap --version

command -v nmap >/dev/null 2>&1 || exit 77
nmap --version >/dev/null 2>&1
exit 0
