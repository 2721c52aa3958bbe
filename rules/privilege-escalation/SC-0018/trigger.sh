#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes a part that is only a comment, and takes it away again.
# where: container
# act: open /etc/sudoers.d/scout-trigger
# process: sh *trigger.sh

mkdir -p /etc/sudoers.d || exit 77
echo '# nothing' >/etc/sudoers.d/scout-trigger
rm -f /etc/sudoers.d/scout-trigger
exit 0
