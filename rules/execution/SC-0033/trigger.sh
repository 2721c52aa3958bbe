#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Copies a program that does nothing to /tmp, starts it there, and takes it away again.
# Exit 77: /tmp may not hold programs (noexec).
# where: container
# act: exec /tmp/scout-trigger.*/true
# process: /tmp/scout-trigger.*/true

folder=/tmp/scout-trigger.$$
mkdir "$folder" && cp /bin/true "$folder/true" || exit 77
"$folder/true"
status=$?
rm -rf "$folder"
[ "$status" -eq 0 ] || exit 77
exit 0
