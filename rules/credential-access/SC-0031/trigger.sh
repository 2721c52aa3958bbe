#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Searches one harmless file for the words of a private key.
# where: container, host
# act: exec */grep
# process: grep *

grep -c 'BEGIN RSA PRIVATE KEY' /etc/hostname >/dev/null
exit 0
