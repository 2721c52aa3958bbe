#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks a tool for the firewall for its version.
# Exit 77: there is none.
# where: container
# programs: /usr/sbin/nft
# act: exec /usr/sbin/nft
# process: /usr/sbin/nft --version

[ -x /usr/sbin/nft ] || exit 77
/usr/sbin/nft --version >/dev/null 2>&1
exit 0
