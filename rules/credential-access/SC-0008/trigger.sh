#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Reads the token where it is mounted, and throws away what it read.
# Exit 77: there is none.
# where: container
# act: open /run/secrets/kubernetes.io/serviceaccount/token
# process: cat /var/run/secrets/kubernetes.io/serviceaccount/token

token=/var/run/secrets/kubernetes.io/serviceaccount/token
[ -r "$token" ] || exit 77
cat "$token" >/dev/null
exit 0
