#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts a shell on a terminal, which ends at once.
# Exit 77: there is no terminal, and no `script` to make one.
# where: container
# needs: terminal
# act: exec */sh
# process: sh -c :

if [ -t 0 ]; then
    sh -c ':'
elif command -v script >/dev/null 2>&1; then
    script -q -c "sh -c ':'" /dev/null >/dev/null 2>&1 </dev/null
else
    exit 77
fi
exit 0
