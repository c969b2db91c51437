#!/bin/sh
# Puts Patroni 4 from PyPI into var/cluster/packages, as requirements/cluster.txt pins it; does nothing when it is there.
set -eu
cd "$(dirname "$0")/../.."

cmp -s requirements/cluster.txt var/cluster/packages/lock && exit 0
mkdir -p var/cluster
rm -rf var/cluster/packages
.venv/bin/uv pip install --quiet --python /usr/bin/python3 --target var/cluster/packages --require-hashes \
    --requirements requirements/cluster.txt || {
    echo "Patroni 4 could not be installed. It needs the internet: HTTPS to pypi.org, or a mirror of it." >&2
    exit 1
}
cp requirements/cluster.txt var/cluster/packages/lock
