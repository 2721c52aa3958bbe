#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes an empty file where an administrator's programs are, and takes it away again.
# where: container
# act: open /usr/local/bin/scout-trigger
# process: sh *trigger.sh

mkdir -p /usr/local/bin || exit 77
: >/usr/local/bin/scout-trigger
rm -f /usr/local/bin/scout-trigger
exit 0
