#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Listens at the place of the engine's socket itself, and connects to it: nobody's engine is asked anything.
# Exit 77: there is something at that place, or no curl that does as it is told.
# where: container
# programs: /usr/bin/curl
# act: connect /run/docker.sock
# process: curl *

[ -e /run/docker.sock ] && exit 77
curl listen unix /run/docker.sock connect stream 0 unix /run/docker.sock >/dev/null 2>&1 || exit 77
rm -f /run/docker.sock
exit 0
