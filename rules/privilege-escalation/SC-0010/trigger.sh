#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Opens its own memory for writing, and writes nothing.
# where: container, host
# act: open /proc/*/mem
# process: sh *trigger.sh

: <>/proc/$$/mem
exit 0
