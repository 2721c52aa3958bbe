#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Empties the history of a scratch home, never of a real one.
# where: container, host
# needs: scratch
# act: open $SCOUT_TRIGGER_DIR/.bash_history
# process: sh *trigger.sh

home=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$home" || exit 77
: >"$home/.bash_history"
rm -f "$home/.bash_history"
exit 0
