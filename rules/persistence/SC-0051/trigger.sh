#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes rules for a service that is none, only a comment, and takes them away again.
# where: container
# act: open /etc/pam.d/scout-trigger
# process: sh *trigger.sh

mkdir -p /etc/pam.d || exit 77
echo '# nothing' >/etc/pam.d/scout-trigger
rm -f /etc/pam.d/scout-trigger
exit 0
