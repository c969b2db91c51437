"""A backup is restored whole, in an empty database, or refused with a sentence and nothing changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.backup import manifest, programs
from tests.copies import copied
from tests.dashboard.backup.copied_site import MAKE, Database, empty
from tests.upgrade.schema import PARTS, schema

pytestmark = pytest.mark.thorough

NUMBER = os.getpid()
ONLINE = """
import django; django.setup()
from devices import clock
from devices.models import Device
from devices.status.counts import count_by_status
print(count_by_status(Device.objects.filter(fleet__slug="pumps"), clock.moment())["online"])
"""
SIGN = """
import django; django.setup()
from devices import connectivity
from devices.connectivity import outages
outages.record_liveness()
connectivity.settle()
"""


@pytest.fixture(scope="module")
def source(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    name = f"backed_up_{NUMBER}"
    with copied(migrated, name):
        database = Database(name, tmp_path_factory.mktemp("site"))
        made = database.run("-c", MAKE)
        assert made.returncode == 0, made.stderr
        yield database


@pytest.fixture(scope="module")
def backup(source: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("backups") / "tonight"
    assert "rows" in source.manage("backup", str(directory))
    return directory


@pytest.fixture
def target(source: Database) -> Iterator[Database]:
    with empty(f"restored_{NUMBER}", source.state) as database:
        yield database


@pytest.fixture
def copy(backup: Path, tmp_path: Path) -> Path:
    """A backup that may be damaged."""
    return Path(shutil.copytree(backup, tmp_path / "copy"))


def test_a_restored_site_is_the_site_and_its_devices_are_as_they_were(
    source: Database, target: Database, backup: Path
) -> None:
    assert target.manage("restore", str(backup)).startswith("The site is as it was at ")
    with source.opened() as there, target.opened() as here:
        for part in PARTS:
            assert schema(here, part) == schema(there, part)
    for table in ("devices_device", "devices_statuschange", "devices_apikey", "fleets_auditentry"):
        count = f"SELECT count(*) FROM {table}"  # noqa: S608 - of ours
        more = 1 if table == "fleets_auditentry" else 0  # that the target of alerts was paused
        assert target.one(count) == source.one(count) + more > 0
    assert target.one("SELECT count(*) FROM devices_alerttarget WHERE enabled AND kind <> 'page'") == 0
    assert target.one("SELECT sum(number) FROM devices_fleetcount") == target.one(
        "SELECT count(*) FROM devices_device"
    )
    assert target.one("SELECT count(*) FROM devices_fleettally") > 0
    assert target.run("-c", ONLINE).stdout.strip() == "300"
    assert target.run("-c", SIGN).returncode == 0  # its first process that devices call
    assert target.run("-c", ONLINE).stdout.strip() == "300"
    assert 3500 < target.one("SELECT EXTRACT(epoch FROM max(ended_at - began_at)) FROM devices_outage") < 7000
    said = target.run("manage.py", "verify_status")
    assert said.returncode == 0, said.stdout


def test_a_backup_is_private_and_has_no_secret_in_it(source: Database, backup: Path) -> None:
    assert backup.stat().st_mode & 0o077 == 0
    text = (backup / "manifest.json").read_text()
    for secret in ("secret-key", "key-pepper"):
        assert (source.state / secret).read_text().strip() not in text
    assert "exists" in source.refused("backup", str(backup))


def test_only_an_empty_database_is_restored_into(source: Database, backup: Path) -> None:
    devices = source.one("SELECT count(*) FROM devices_device")
    assert "not empty" in source.refused("restore", str(backup))
    assert source.one("SELECT count(*) FROM devices_device") == devices


@pytest.mark.parametrize(
    ("secret", "says"),
    [("KEY_PEPPER", "another KEY_PEPPER"), ("SECRET_KEY", "another SECRET_KEY")],
)
def test_another_secret_is_refused(target: Database, backup: Path, secret: str, says: str) -> None:
    assert says in target.refused("restore", str(backup), **{secret: "another-" * 8})
    assert target.relations == 0


def test_a_former_secret_key_that_is_still_known_is_enough(
    target: Database, source: Database, backup: Path
) -> None:
    former = (source.state / "secret-key").read_text().strip()
    target.manage("restore", str(backup), SECRET_KEY="another-" * 8, SECRET_KEY_FALLBACKS=former)


def test_another_version_is_refused(target: Database, copy: Path) -> None:
    change(copy, version="9.9", migrations=["devices.9999_next"])
    assert "of Lookout 9.9" in target.refused("restore", str(copy))
    assert target.relations == 0


def test_a_newer_server_is_needed_for_what_a_newer_one_dumped(target: Database, copy: Path) -> None:
    change(copy, postgresql=99)
    assert "this server is older" in target.refused("restore", str(copy))
    assert target.relations == 0


def test_missing_roles_are_named(target: Database, copy: Path) -> None:
    change(copy, roles=["lookout_reader"])
    assert "no role lookout_reader" in target.refused("restore", str(copy))


@pytest.mark.parametrize("damage", ["manifest", "missing", "cut off", "rows"])
def test_a_backup_that_is_not_whole_is_refused_and_leaves_nothing(
    target: Database, copy: Path, damage: str
) -> None:
    largest = max((copy / "dump").iterdir(), key=lambda path: path.stat().st_size)
    if damage == "manifest":
        (copy / "manifest.json").unlink()
    elif damage == "missing":
        largest.unlink()
    elif damage == "cut off":
        largest.write_bytes(largest.read_bytes()[:-100])
    else:  # noticed only once all is in the database
        rows = json.loads((copy / "manifest.json").read_text())["rows"]
        change(copy, rows=rows | {"devices_device": rows["devices_device"] + 1})
    assert target.refused("restore", str(copy)).startswith("CommandError: Nothing was restored. ")
    assert target.relations == 0


def test_a_failure_of_pg_restore_leaves_nothing(target: Database, copy: Path) -> None:
    largest = max((copy / "dump").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-100])
    change(copy, files=manifest.files(copy / "dump"))
    assert "pg_restore failed" in target.refused("restore", str(copy))
    assert target.relations == 0


def test_another_encoding_is_refused(source: Database, backup: Path) -> None:
    with empty(f"latin_{NUMBER}", source.state, encoding="SQL_ASCII") as database:
        assert "SQL_ASCII, not UTF8" in database.refused("restore", str(backup))


def test_a_server_without_fitting_programs_is_named() -> None:
    with pytest.raises(programs.Unfit, match="install postgresql-client-9,"):
        programs.find("pg_dump", 9)


def change(backup: Path, **values: object) -> None:
    """Change these values of the manifest."""
    path = backup / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
