# SPDX-License-Identifier: Apache-2.0
# What the scripts of ci/ share; sourced, never run. Each script starts with: . "$(dirname "$0")/lib.sh"

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly ENVIRONMENT_EXIT=4 # as in sensor/core/errors.py: this machine cannot do it as it is
VENV=$PWD/.venv
unset PYTHONHOME PYTHONPATH # the venv's packages only

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

refuse() { # MESSAGE: one line, what to do included
    say "$@"
    exit "$ENVIRONMENT_EXIT"
}
