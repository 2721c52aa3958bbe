#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Opens the file of accounts to add to it, and adds nothing.
# where: container
# act: open /etc/passwd
# process: sh *trigger.sh

: >>/etc/passwd
exit 0
