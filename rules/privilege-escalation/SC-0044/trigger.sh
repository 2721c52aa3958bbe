#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes a node that has a disk's name and is the null device, reads from it, and takes it away.
# Exit 77: there is such a disk, or no node can be made.
# where: container
# act: open /dev/sda
# process: head -c 1 /dev/sda

[ -e /dev/sda ] && exit 77
mknod /dev/sda c 1 3 || exit 77
head -c 1 /dev/sda
rm -f /dev/sda
exit 0
