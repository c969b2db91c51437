#!/bin/sh
# Looks for known vulnerabilities in what the lock files pin: 0 none, 1 some, 2 not everything was looked at.
# PIP_AUDIT names a pip-audit to use instead of the pinned one, which gets an environment of its own.
set -eu
cd "$(dirname "$0")/.."

tool=${PIP_AUDIT:-var/audit/bin/pip-audit}
said=$(mktemp)
trap 'rm -f "$said"' EXIT

not_done() {
    tail -n 1 "$said" | cut -c 1-300 >&2
    printf '%s\n' "" "The audit of $1 could not be done: $2" \
        "It needs the internet: HTTPS to pypi.org, through HTTPS_PROXY where that is set. A mirror of packages" \
        "alone does not know of vulnerabilities. Nothing is said about the packages." >&2
    exit 2
}

if [ -z "${PIP_AUDIT:-}" ]; then
    {
        .venv/bin/uv venv --quiet --clear var/audit &&
            .venv/bin/uv pip install --quiet --python var/audit --require-hashes -r requirements/audit.txt
    } >"$said" 2>&1 || not_done "the lock files" "pip-audit could not be installed."
fi

found=0
for lock in requirements/production.txt requirements/development.txt; do
    echo "Auditing $lock ..."
    # Strict: a package that the service does not know counts as not audited, not as fine.
    if "$tool" --strict --require-hashes --disable-pip --progress-spinner off -r "$lock" >"$said" 2>&1; then
        tail -n 1 "$said"
    elif grep -q '^Found [0-9]' "$said"; then
        cat "$said"
        found=1
    else
        not_done "$lock" "pip-audit could not look a package up."
    fi
done
exit "$found"
