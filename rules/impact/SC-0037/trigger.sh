#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks a miner for its version.
# Exit 77: there is none.
# where: container
# programs: /usr/bin/xmrig
# act: exec /usr/bin/xmrig
# process: xmrig --version

command -v xmrig >/dev/null 2>&1 || exit 77
xmrig --version >/dev/null 2>&1
exit 0
