#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Adds an empty line to the keys of a scratch home, never of a real one.
# where: container, host
# needs: scratch
# act: open $SCOUT_TRIGGER_DIR/.ssh/authorized_keys
# process: sh *trigger.sh

home=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$home/.ssh" || exit 77
echo >>"$home/.ssh/authorized_keys"
rm -rf "$home/.ssh"
exit 0
