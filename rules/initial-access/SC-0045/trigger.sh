#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Lets a program in the place of the SSH server open an empty file with the library's name.
# Exit 77: there is a real server, or none that does as it is told.
# where: container
# needs: scratch
# programs: /usr/sbin/sshd
# act: open $SCOUT_TRIGGER_DIR/liblzma.so.5.6.1
# process: /usr/sbin/sshd open *

library=${SCOUT_TRIGGER_DIR:-/tmp}/liblzma.so.5.6.1
mkdir -p "${library%/*}" && : >"$library" || exit 77
/usr/sbin/sshd open "$library" 0 0 >/dev/null 2>&1 || exit 77
rm -f "$library"
exit 0
