#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Adds an empty line to the list of libraries for every program, and takes the list away if it was not there.
# Only for containers that are thrown away.
# where: container
# act: open /etc/ld.so.preload
# process: sh *trigger.sh

list=/etc/ld.so.preload
[ -e "$list" ] && exit 77
echo >>"$list"
rm -f "$list"
exit 0
