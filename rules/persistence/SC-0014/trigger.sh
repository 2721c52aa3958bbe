#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes a unit that is only a comment, and takes it away again.
# where: container
# act: open /etc/systemd/system/scout-trigger.timer
# process: sh *trigger.sh

mkdir -p /etc/systemd/system || exit 77
echo '# nothing' >/etc/systemd/system/scout-trigger.timer
rm -f /etc/systemd/system/scout-trigger.timer
exit 0
