#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries to enter a namespace of the container's own first process, and runs what does nothing.
# Exit 77: there is no tool for it.
# where: container
# act: exec */nsenter
# process: nsenter -t 1 -u true

command -v nsenter >/dev/null 2>&1 || exit 77
nsenter -t 1 -u true >/dev/null 2>&1
exit 0
