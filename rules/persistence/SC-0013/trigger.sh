#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes a job that is only a comment, and takes it away again.
# where: container
# act: open /etc/cron.d/scout-trigger
# process: sh *trigger.sh

mkdir -p /etc/cron.d || exit 77
echo '# nothing' >/etc/cron.d/scout-trigger
rm -f /etc/cron.d/scout-trigger
exit 0
