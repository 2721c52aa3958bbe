#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Adds an empty line to the kernel's settings of a container.
# where: container
# act: open /etc/sysctl.conf
# process: sh *trigger.sh

echo >>/etc/sysctl.conf
exit 0
