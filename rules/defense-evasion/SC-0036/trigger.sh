#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes a file that is no certificate to the folder of trusted ones, and takes it away again.
# where: container
# act: open /usr/local/share/ca-certificates/scout-trigger.crt
# process: sh *trigger.sh

folder=/usr/local/share/ca-certificates
mkdir -p "$folder" || exit 77
: >"$folder/scout-trigger.crt"
rm -f "$folder/scout-trigger.crt"
exit 0
