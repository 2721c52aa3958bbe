#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries to load a module that is not there.
# Exit 77: there is no tool for it.
# where: container
# act: exec */insmod
# process: insmod /nonexistent/scout-trigger.ko

command -v insmod >/dev/null 2>&1 || exit 77
insmod /nonexistent/scout-trigger.ko >/dev/null 2>&1
exit 0
