#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes a list that is only a comment, and takes it away again.
# where: container
# act: open /etc/apt/sources.list.d/scout-trigger.list
# process: sh *trigger.sh

mkdir -p /etc/apt/sources.list.d || exit 77
echo '# nothing' >/etc/apt/sources.list.d/scout-trigger.list
rm -f /etc/apt/sources.list.d/scout-trigger.list
exit 0
