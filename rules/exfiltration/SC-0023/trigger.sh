#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks a tool that copies between machines for its version.
# Exit 77: there is none.
# where: container
# programs: /usr/bin/rsync
# act: exec /usr/bin/rsync
# process: rsync --version

command -v rsync >/dev/null 2>&1 || exit 77
rsync --version >/dev/null 2>&1
exit 0
