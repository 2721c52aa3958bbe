#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks a tool for accounts for its help.
# Exit 77: there is none.
# where: container
# act: exec */passwd
# process: passwd --help

command -v passwd >/dev/null 2>&1 || exit 77
passwd --help >/dev/null 2>&1
exit 0
