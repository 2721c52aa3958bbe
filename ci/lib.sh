# SPDX-License-Identifier: Apache-2.0
# What the scripts of ci/ share; sourced, never run. Each script starts with: . "$(dirname "$0")/lib.sh"

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly ENVIRONMENT_EXIT=4 # as in sensor/core/errors.py: this machine cannot do it as it is
VENV=$PWD/.venv
unset PYTHONHOME PYTHONPATH # the venv's packages only

# What root's run left behind is not ours to write: then the tools keep their caches at home.
for cache in .pytest_cache .hypothesis .ruff_cache .mypy_cache .; do
    if [ -e $cache ] && [ ! -w $cache ]; then
        caches=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/scout
        export HYPOTHESIS_STORAGE_DIRECTORY=$caches/hypothesis RUFF_CACHE_DIR=$caches/ruff MYPY_CACHE_DIR=$caches/mypy
        export PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} -o cache_dir=$caches/pytest"
        break
    fi
done

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

refuse() { # MESSAGE: one line, what to do included
    say "$@"
    exit "$ENVIRONMENT_EXIT"
}
