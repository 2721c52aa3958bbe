#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Empties the book of log-ins of a container that has none.
# Exit 77: there is one.
# where: container
# act: open /var/log/wtmp
# process: sh *trigger.sh

mkdir -p /var/log || exit 77
[ -s /var/log/wtmp ] && exit 77
: >/var/log/wtmp
exit 0
