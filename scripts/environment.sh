#!/bin/sh
# usage: environment.sh [demo|development]
# Makes .venv and installs what that lock file pins; does nothing when .venv is what the lock file says.
# Whatever was broken off is made good by the next run.
set -eu
cd "$(dirname "$0")/.."

lock=${1:-development}

say_and_stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say_and_stop "Lookout needs Python 3.11 or newer; ${PYTHON:-python3} is older or not there." \
        "Install it (Debian 12, Ubuntu 24.04: apt install python3 python3-venv; macOS: brew install python)," \
        "or name one: make env PYTHON=/path/to/python3"
}

if [ -x .venv/bin/python ] && cmp -s "requirements/$lock.txt" ".venv/$lock.txt"; then
    exit 0
fi

if [ -f .venv/lock ]; then # of a version that had one stamp
    mv .venv/lock .venv/made
fi
if ! [ -f .venv/made ] || ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null || say_and_stop \
        "$python cannot make virtual environments: its venv module is missing." \
        "On Debian and Ubuntu: apt install python3-venv"
    echo "Making .venv with $("$python" --version) ..."
    trap 'printf "\nStopped. The same command begins again from here.\n" >&2; exit 130' INT
    said=$("$python" -m venv --clear .venv 2>&1) || say_and_stop "$said"
    touch .venv/made
fi
exec .venv/bin/python scripts/install.py "$lock"
