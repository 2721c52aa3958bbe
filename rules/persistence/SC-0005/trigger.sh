#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Adds an empty line to a start-up file in a scratch home, never to a real one.
# Where: host or container. SCOUT_TRIGGER_DIR is the scratch folder, which the caller takes away.

home=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$home" || exit 77
echo >>"$home/.bashrc"
rm -f "$home/.bashrc"
[ -n "$SCOUT_TRIGGER_DIR" ] || rmdir "$home"
exit 0
