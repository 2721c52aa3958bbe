#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Lets a shell that is called as a web server start a shell, which ends at once.
# where: container, host
# needs: scratch
# act: exec */*sh
# process: sh -c :

folder=${SCOUT_TRIGGER_DIR:-/tmp/scout-trigger.$$}
mkdir -p "$folder" && ln -sf /bin/sh "$folder/nginx" || exit 77
"$folder/nginx" -c 'sh -c :; :'
rm -f "$folder/nginx"
exit 0
