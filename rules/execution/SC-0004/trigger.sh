#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Copies a program that does nothing to /dev/shm, starts it there, and takes it away again.
# Exit 77: /dev/shm may not hold programs (noexec).
# where: container, host
# act: exec /dev/shm/scout-trigger.*/true
# process: /dev/shm/scout-trigger.*/true

folder=/dev/shm/scout-trigger.$$
mkdir "$folder" || exit 77
for program in /bin/true /usr/bin/true /bin/busybox; do
    if [ -x "$program" ]; then
        cp "$program" "$folder/true" && "$folder/true"
        status=$?
        rm -rf "$folder"
        [ "$status" -eq 0 ] && exit 0
        exit 77
    fi
done
rm -rf "$folder"
exit 77
