#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Reads credentials of a scratch home that are none, and throws away what it read.
# where: container, host
# needs: scratch
# act: open $SCOUT_TRIGGER_DIR/.aws/credentials
# process: cat $SCOUT_TRIGGER_DIR/.aws/credentials

home=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$home/.aws" || exit 77
echo none >"$home/.aws/credentials"
cat "$home/.aws/credentials" >/dev/null
rm -rf "$home/.aws"
exit 0
