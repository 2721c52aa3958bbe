#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Opens the number of huge pages for writing, and writes nothing.
# Exit 77: it may not be opened here.
# where: container
# act: open /proc/sys/vm/nr_hugepages
# process: sh *trigger.sh

(: >>/proc/sys/vm/nr_hugepages) 2>/dev/null || exit 77
exit 0
