#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries to reach an address that documentation uses; the attempt is the act.
# Exit 77: there is no program to download with.
# where: container
# act: connect 192.0.2.1:21
# process: ftpget 192.0.2.1 *

if command -v ftpget >/dev/null 2>&1; then
    ftpget 192.0.2.1 /dev/null nothing >/dev/null 2>&1
elif command -v curl >/dev/null 2>&1; then
    curl -s -m 1 -o /dev/null http://192.0.2.1:21/
else
    exit 77
fi
exit 0
