#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries to reach a kubelet at an address that documentation uses; the attempt is the act.
# Exit 77: there is no program to connect with.
# where: container
# act: connect 192.0.2.1:10250
# process: nc -w 1 192.0.2.1 10250

command -v nc >/dev/null 2>&1 || exit 77
nc -w 1 192.0.2.1 10250 </dev/null >/dev/null 2>&1
exit 0
