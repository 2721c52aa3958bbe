#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Lets bash open a connection in a network of its own, which leads nowhere: the attempt is the act.
# Exit 77: there is no bash, or no network can be made.
# where: host
# act: connect 192.0.2.1:4444
# process: bash -c : </dev/tcp/192.0.2.1/4444

command -v bash >/dev/null 2>&1 && unshare -n true 2>/dev/null || exit 77
unshare -n bash -c ': </dev/tcp/192.0.2.1/4444' 2>/dev/null
exit 0
