#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Asks a client for its version.
# Exit 77: there is none.
# where: container
# programs: /usr/bin/kubectl
# act: exec /usr/bin/kubectl
# process: kubectl version --client

command -v kubectl >/dev/null 2>&1 || exit 77
kubectl version --client >/dev/null 2>&1
exit 0
