#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Adds an empty line to a start-up file in a scratch home, never to a real one.
# SCOUT_TRIGGER_DIR is the scratch folder, which the caller takes away.
# where: container, host
# needs: scratch
# act: open $SCOUT_TRIGGER_DIR/.bashrc
# process: sh *trigger.sh

home=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$home" || exit 77
echo >>"$home/.bashrc"
rm -f "$home/.bashrc"
[ -n "$SCOUT_TRIGGER_DIR" ] || rmdir "$home"
exit 0
