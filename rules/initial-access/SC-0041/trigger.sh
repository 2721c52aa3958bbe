#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Lets a shell that is called as a database start a program, which ends at once.
# where: container, host
# needs: scratch
# act: exec */*sh
# process: sh -c :

folder=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$folder" && ln -sf /bin/sh "$folder/postgres" || exit 77
"$folder/postgres" -c 'sh -c :; :'
rm -f "$folder/postgres"
exit 0
