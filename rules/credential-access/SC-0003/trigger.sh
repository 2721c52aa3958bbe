#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries to reach the metadata address. What answers, if anything does, is thrown away; no path with credentials is asked for.
# It needs no network, the attempt is the act. Exit 77: there is no program to connect with.
# where: container
# act: connect 169.254.169.254:80
# process: nc -w 1 169.254.169.254 80

if command -v nc >/dev/null 2>&1; then
    nc -w 1 169.254.169.254 80 </dev/null >/dev/null 2>&1
elif command -v wget >/dev/null 2>&1; then
    wget -q -T 1 -O /dev/null http://169.254.169.254/ >/dev/null 2>&1
else
    exit 77
fi
exit 0
