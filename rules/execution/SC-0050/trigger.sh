#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts a shell of the account 33 on a terminal, which ends at once.
# Exit 77: there is no way to make a terminal or to change the account.
# where: host
# act: exec */*sh
# process: sh -c :

command -v script >/dev/null 2>&1 && command -v setpriv >/dev/null 2>&1 || exit 77
script -q -c "setpriv --reuid 33 --clear-groups sh -c ':'" /dev/null >/dev/null 2>&1 </dev/null
exit 0
