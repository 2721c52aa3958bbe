#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Reads an account file, as a thief of hashes would, and throws away what it read.
# Exit 77: there is no such file here.
# where: container, host
# act: open /etc/shadow
# process: cat /etc/shadow

for file in /etc/shadow /etc/gshadow /etc/sudoers; do
    if [ -r "$file" ]; then
        cat "$file" >/dev/null
        exit 0
    fi
done
exit 77
