"""docs/deployment.md, One machine: each of its commands is run on a bare Debian, and makes a site with TLS.

Then its Debian package is upgraded and purged there. No systemd was booted: the test itself starts what the
page enabled, with the commands, settings and credentials of the units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.system.bare_machine import ROOT, run
from tests.system.debian import Debian

pytestmark = pytest.mark.system

NAME: Final = "lookout.example"
USER: Final = 61235  # as systemd would choose one
SECRETS: Final = ("secret-key", "key-pepper", "database-url", "database-owner-url")
SERVING: Final = ("balena", "ingest", "settle", "tell", "web", "work")
ASK: Final = r"""
HOME=/tmp caddy run --adapter caddyfile --config /etc/caddy/Caddyfile >/tmp/caddy.log 2>&1 &
status() { curl -sk -o /dev/null -w '%{http_code} over HTTP/%{http_version}' "$@"; }
for _ in $(seq 240); do
    sleep 0.5
    curl -fs -o /dev/null http://localhost:8001/healthz || continue
    curl -fsk -o /dev/null https://localhost/sign-in/ && break
done
echo "pages $(status -L https://localhost/sign-in/)"
echo "plain $(status http://localhost/sign-in/)"
echo "calls $(status -X POST -H 'Authorization: Bearer none' https://localhost/api/v1/heartbeat)"
echo "metrics $(status https://localhost/metrics)"
for unit in $UNITS; do kill -0 "$(cat "/tmp/$unit.pid")" && echo "runs $unit"; done
kill $(cat /tmp/lookout-*.pid); wait $(cat /tmp/lookout-*.pid)
pg_ctlcluster 15 main stop
tail -n 3 /tmp/*.log
"""


def commands() -> list[str]:
    """The blocks of commands of the section, in their order."""
    page = (ROOT / "docs/deployment.md").read_text()
    section = page.partition("\n## One machine\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^(?:    .*\n)+", section, re.MULTILINE)
    return [re.sub("^    ", "", block, flags=re.MULTILINE).replace(NAME, "localhost") for block in blocks]


def unit(machine: Debian, name: str) -> str:
    """The lines of a shell that start what systemd would start, as its user, in the background."""
    units = machine.root / "lib/systemd/system"
    own = (units / f"{name}.service").read_text()
    lines = (own + (units / "lookout-.service.d/common.conf").read_text()).splitlines()
    told = " ".join(line.partition("=")[2] for line in lines if line.startswith("Environment="))
    (command,) = re.findall(r"^ExecStart=(.*)$", own, re.MULTILINE)
    settings = f"set -a; . /etc/lookout/lookout.env; {told.replace('%d', '/run/credentials')}"
    who = f"setpriv --reuid={USER} --regid={USER} --clear-groups"
    start = f"STATE_DIRECTORY=/var/lib/lookout; cd /opt/lookout/site; exec {who} {command}"
    return f"({settings}; {start}) >/tmp/{name}.log 2>&1 & echo $! >/tmp/{name}.pid"


@pytest.fixture(scope="module")
def machine(bare_debian: Debian, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """A bare Debian with this checkout where the page has it. Packages start no services there."""
    made = bare_debian.copy(tmp_path_factory.mktemp("installation") / "machine")
    run("git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", made.root / "usr/src/lookout")
    policy = made.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    yield made
    run("rm", "-rf", made.root)


@pytest.fixture(scope="module")
def site(machine: Debian) -> str:
    """What was said while the page was followed from its second block on, and of its site."""
    install, *rest = commands()
    replace(machine, alone=False).run(f"set -e\n{install}")
    credentials = (
        f"install -d -o {USER} /run/credentials /var/lib/lookout",
        *(f"install -m 400 -o {USER} /etc/lookout/{secret} /run/credentials" for secret in SECRETS),
    )
    units = [f"lookout-{name}" for name in SERVING]
    lines = ["set -ex", "pg_ctlcluster 15 main start", *rest, *credentials, "set +ex"]
    lines += [unit(machine, name) for name in units]
    return machine.run("\n".join([*lines, f"UNITS='{' '.join(units)}'", ASK]))


def test_the_commands_of_the_page_make_a_site_with_tls(machine: Debian, site: str) -> None:
    assert "System check identified no issues" in site, site
    assert "pages 200 over HTTP/2" in site, site
    assert "plain 308" in site, site
    assert "calls 401" in site, site
    assert "metrics 404" in site, site
    assert re.findall(r"^runs lookout-(\w+)$", site, re.MULTILINE) == list(SERVING), site
    wanted = machine.root / "etc/systemd/system/lookout.target.wants"
    assert sorted(each.name for each in wanted.iterdir()) == [f"lookout-{name}.service" for name in SERVING]


def test_the_commands_of_the_page_make_a_backup(machine: Debian, site: str) -> None:
    (manifest,) = machine.root.glob("var/backups/lookout/*/manifest.json")
    assert manifest.parents[1].stat().st_mode & 0o777 == 0o700


def test_the_package_brings_secrets_of_its_own(machine: Debian, site: str) -> None:
    etc = machine.root / "etc/lookout"
    assert {len((etc / name).read_text().strip()) for name in ("secret-key", "key-pepper")} == {64}
    assert {(etc / name).stat().st_mode & 0o777 for name in SECRETS} == {0o600}
    assert "/etc/lookout/lookout.env" in machine.run("dpkg-query -W -f '${Conffiles}' lookout")


def test_an_upgrade_keeps_settings_and_secrets_and_a_purge_leaves_nothing(
    machine: Debian, site: str, tmp_path: Path
) -> None:
    etc = machine.root / "etc/lookout"
    before = {path.name: path.read_text() for path in etc.iterdir()}
    (package,) = machine.root.glob("tmp/lookout_*.deb")
    run("dpkg-deb", "-R", package, tmp_path / "next")
    control = tmp_path / "next/DEBIAN/control"
    control.write_text(re.sub(r"Version: .*", "Version: 99.0", control.read_text()))
    (tmp_path / "next/opt/lookout/site/new").write_text("")
    run("dpkg-deb", "-Znone", "--build", tmp_path / "next", machine.root / "tmp/next.deb")
    machine.run("dpkg -i /tmp/next.deb")
    assert machine.run("dpkg-query -W -f '${Version}' lookout") == "99.0"
    assert (machine.root / "opt/lookout/site/new").exists()
    assert {path.name: path.read_text() for path in etc.iterdir()} == before
    machine.run("dpkg --purge lookout")
    for gone in (
        "etc/lookout",
        "opt/lookout",
        "lib/systemd/system/lookout.target",
        "usr/sbin/lookout-manage",
    ):
        assert not (machine.root / gone).exists()
