#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Reads an account file, as a thief of hashes would, and throws away what it read.
# Where: host or container, as root. Exit 77: there is no such file here.

for file in /etc/shadow /etc/gshadow /etc/sudoers; do
    if [ -r "$file" ]; then
        cat "$file" >/dev/null
        exit 0
    fi
done
exit 77
