#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks a package manager for its help.
# Exit 77: there is none.
# where: container
# act: exec */dpkg
# process: dpkg --help

for manager in dpkg apk rpm; do
    if command -v "$manager" >/dev/null 2>&1; then
        "$manager" --help >/dev/null 2>&1
        exit 0
    fi
done
exit 77
