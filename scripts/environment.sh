#!/bin/sh
# Makes .venv from the lock file; does nothing when it is already what the lock says.
set -eu
cd "$(dirname "$0")/.."

lock=requirements/development.txt
stamp=.venv/lock

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

if [ -x .venv/bin/python ] && cmp -s "$lock" "$stamp"; then
    exit 0
fi

if ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null || say_and_stop \
        "$python cannot make virtual environments: its venv module is missing." \
        "On Debian and Ubuntu: apt install python3-venv"
    "$python" -m venv --clear .venv
fi
echo "Installing what $lock pins into .venv ($(.venv/bin/python --version); a minute, once) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock"
cp "$lock" "$stamp"
