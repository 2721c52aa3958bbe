#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Reads a key of a scratch home that is none, and throws away what it read.
# where: container, host
# needs: scratch
# act: open $SCOUT_TRIGGER_DIR/.ssh/id_ed25519
# process: cat $SCOUT_TRIGGER_DIR/.ssh/id_ed25519

home=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$home/.ssh" || exit 77
echo none >"$home/.ssh/id_ed25519"
cat "$home/.ssh/id_ed25519" >/dev/null
rm -rf "$home/.ssh"
exit 0
