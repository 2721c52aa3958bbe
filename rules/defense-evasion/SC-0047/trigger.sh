#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks for SELinux to be permissive where there is none.
# Exit 77: there is no tool for it, or there is SELinux.
# where: container
# programs: /usr/sbin/setenforce
# act: exec /usr/sbin/setenforce
# process: /usr/sbin/setenforce 0

[ -d /sys/fs/selinux ] && exit 77
[ -x /usr/sbin/setenforce ] || exit 77
/usr/sbin/setenforce 0 >/dev/null 2>&1
exit 0
