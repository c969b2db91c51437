"""A database that 0.1.0 made becomes one of today, with all its rows; one that is not whole is refused.

The dump is plain SQL of PostgreSQL 15: the demo with a few people, jobs, keys and views, in January 2026.
`pg_dump --no-owner --inserts --rows-per-insert=200` made it; the commands of psql are left out.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from dashboard.management.commands.migrate import UNRELEASED, WAITING, refuse_unreleased
from devices.listing.kept_list import KeptList, read
from devices.listing.query_string import address_of
from tests.copies import copied
from tests.upgrade.schema import PARTS, schema

pytestmark = pytest.mark.thorough

ROOT: Final = Path(__file__).resolve().parents[2]
DUMP: Final = Path(__file__).with_name("made_by_0_1_0.sql.gz")
LOADED: Final = f"made_by_0_1_0_{os.getpid()}"
UPGRADED: Final = f"upgraded_{os.getpid()}"
SOME: Final = {
    "dashboard_user": 4,
    "devices_apikey": 72,
    "devices_connectivityrecord": 326,
    "devices_description": 66,
    "devices_device": 66,
    "devices_statuschange": 484,
    "fleets_auditentry": 179,  # with the one below
}
APPS: Final = ("dashboard", "devices", "fleets")
Migrations = MigrationRecorder.Migration


# Lists that 0.1.0 kept as the text of their address, beside those of the dump, and what becomes of them.
LISTS: Final = (
    (
        "fleet=gone&status=frozen&status=offline&tag=site%3Da&no-tag=lost&silent=36h&sort=-name&per_page=100",
        1,
    ),
    ("org=halden&heartbeat=late&q=a+b&columns=os&columns=type", 1),
    ("status=nonsense&sort=name", 0),
)
VIEW: Final = """
INSERT INTO devices_savedview (uuid, name, query, owner_id) VALUES (gen_random_uuid(), left(%s, 60), %s, 1)"""
# Fleets without devices, whose VPN was on as a new fleet's was, and the last because a person said so.
FLEETS: Final = """
INSERT INTO fleets_fleet (name, slug, type, device_type, vpn_enabled, created_at, organization_id)
SELECT slug, slug, 'standard', '', true, '2026-01-15', 1 FROM unnest(ARRAY['bare', 'turned-on']) AS slug"""
TURNED_ON: Final = """
INSERT INTO fleets_auditentry (at, organization_id, organization_name, actor_name, action, subject_kind,
                               subject_id, subject_name, before, after)
VALUES ('2026-01-15', 1, 'Halden Transit', 'ada', 'fleet-changed', 'fleet', 'turned-on', 'turned-on',
        '{"vpn_enabled": false}', '{"vpn_enabled": true}')"""
SELECTION: Final = """
INSERT INTO devices_selection (uuid, query, total, created_at, organization_id)
VALUES (gen_random_uuid(), %s, 0, '2026-01-15', 1)"""


def opened(database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(settings.DATABASE_OWNER_URL, dbname=database, autocommit=True)


def started(database: str, state: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command over this database, and what it says."""

    def at(url: str) -> str:
        return urlsplit(url)._replace(path=f"/{database}").geturl()

    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "STATE_DIRECTORY": str(state),
            "LOCAL": "1",
            "DATABASE_URL": at(settings.DATABASE_URL),
            "DATABASE_OWNER_URL": at(settings.DATABASE_OWNER_URL),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def manage(database: str, state: Path, *arguments: str) -> tuple[int, str]:
    """What a command says over this database, and its exit code."""
    with started(database, state, *arguments) as process:
        said, _ = process.communicate()
    return process.returncode, said


BY_MIGRATING = {"django_migrations", "django_content_type", "auth_permission"}


def rows(database: str) -> dict[str, int]:
    """How many each table has, but for what migrating itself writes: its log, and a row for each model."""
    tables = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    with opened(database) as there:
        found = there.execute(f"{tables} AND relnamespace = 'public'::regnamespace").fetchall()
        names = [name for (name,) in found if name not in BY_MIGRATING]
        counts = (f"SELECT '{name}', count(*) FROM {name}" for name in names)  # noqa: S608 - of our own
        return dict(there.execute(" UNION ALL ".join(counts)).fetchall())


@pytest.fixture(scope="module")
def loaded(migrated: str) -> Iterator[str]:
    """The database that 0.1.0 left. The rights in it come with the dump, so it is made of an empty one."""
    with copied("template0", LOADED):
        with opened(LOADED) as there:
            there.execute(gzip.decompress(DUMP.read_bytes()))
        with opened(LOADED) as there:  # anew: the dump leaves it without a search path
            there.execute(FLEETS)
            there.execute(TURNED_ON)
            for query, _ in LISTS:
                there.execute(VIEW, [query, query])
                there.execute(SELECTION, [query])
        yield LOADED


@pytest.fixture(scope="module")
def upgraded(loaded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with copied(loaded, UPGRADED):
        code, said = manage(UPGRADED, tmp_path_factory.mktemp("state"), "migrate")
        assert code == 0, said
        yield UPGRADED


def test_every_row_is_kept(loaded: str, upgraded: str) -> None:
    before, kept = rows(loaded), rows(upgraded)
    assert {name: number for name, number in kept.items() if name in before} == before
    assert SOME.items() <= kept.items()


def test_nothing_is_left_to_migrate_and_all_that_is_recorded_follows(upgraded: str, tmp_path: Path) -> None:
    assert manage(upgraded, tmp_path, "migrate", "--check") == (0, "")
    code, said = manage(upgraded, tmp_path, "verify_status")
    assert (code, said.splitlines()[-1]) == (0, "All records match the facts.")


def test_lists_that_were_kept_as_a_text_are_typed_and_stay_where_something_is_not_known(
    upgraded: str,
) -> None:
    with opened(upgraded) as there:
        views = [kept for (kept,) in there.execute("SELECT kept FROM devices_savedview ORDER BY id")]
        selections = [kept for (kept,) in there.execute("SELECT kept FROM devices_selection ORDER BY id")]
    assert [address_of(read(kept)) for kept in views] == [
        "heartbeat=lost",
        "status=offline",
        *(query for query, _ in LISTS),
    ]
    assert selections[:3] == [None] * 3
    assert [read(selections[3]), *selections[4:]] == [KeptList(), *views[2:]]
    assert [kept["v"] for kept in views] == [1, 1, *(version for _, version in LISTS)]


def test_an_organization_with_a_limit_or_a_paid_type_goes_on_speaking_of_its_plan(upgraded: str) -> None:
    limited = (
        "plan = 'paid' OR allowance IS NOT NULL OR unpaid"
        " OR id IN (SELECT organization_id FROM fleets_fleet WHERE type = 'paid')"
    )
    with opened(upgraded) as there:
        found = there.execute(f"SELECT shows_plan, {limited} FROM fleets_organization").fetchall()  # noqa: S608
    assert (True, True) in found
    assert all(shown == limits for shown, limits in found)


def test_a_vpn_of_which_nothing_came_is_not_set(upgraded: str) -> None:
    with opened(upgraded) as there:
        said = dict(there.execute("SELECT slug, vpn_enabled FROM fleets_fleet").fetchall())
    assert {slug for slug, used in said.items() if used is None} == {"bare"}
    assert {slug for slug, used in said.items() if used is False} == {"lab-bench"}


@pytest.mark.parametrize("part", PARTS)
def test_it_is_built_as_a_new_one(upgraded: str, migrated: str, part: str) -> None:
    with opened(upgraded) as there:
        after = schema(there, part)
    with opened(migrated) as there:
        new = schema(there, part)
    assert after
    assert sorted(after ^ new) == []


def test_migrate_gives_way_while_others_use_a_table_and_goes_on_afterwards(
    loaded: str, tmp_path: Path
) -> None:
    name = f"in_use_{os.getpid()}"
    with copied(loaded, name):
        with opened(name) as reader, started(name, tmp_path, "migrate") as migrate:
            assert migrate.stdout is not None
            with reader.transaction():
                reader.execute("SELECT 1 FROM devices_device")
                assert any(WAITING in line for line in migrate.stdout)
            said, _ = migrate.communicate()
        assert migrate.returncode == 0, said
        assert manage(name, tmp_path, "migrate", "--check") == (0, "")


def test_one_that_is_not_whole_is_refused(loaded: str, tmp_path: Path) -> None:
    name = f"part_{os.getpid()}"
    with copied(loaded, name):
        with opened(name) as there:
            there.execute("DELETE FROM django_migrations WHERE app = 'devices' AND name > '0037'")
        for arguments in (["migrate"], ["migrate", "--check"], ["migrate", "--plan"]):
            assert manage(name, tmp_path, *arguments) == (1, f"CommandError: {UNRELEASED}\n")


@pytest.mark.django_db
@pytest.mark.parametrize("app", APPS)
def test_wherever_an_older_version_stopped_it_is_refused(app: str) -> None:
    recorded = Migrations.objects.filter(app=app)
    for first_missing in recorded.exclude(name__contains="_squashed_").order_by("name")[1:]:
        whole = transaction.savepoint()
        recorded.filter(name__gte=first_missing.name).delete()
        with pytest.raises(CommandError, match="unreleased"):
            call_command("migrate")
        transaction.savepoint_rollback(whole)


@pytest.mark.django_db
@pytest.mark.parametrize("app", APPS)
def test_a_migrate_of_today_that_was_broken_off_goes_on(app: str) -> None:
    ours = MigrationLoader(None).replacements
    replaced = {name for key in ours if key[0] == app for _, name in (key, *ours[key].replaces)}
    Migrations.objects.filter(app=app).exclude(name__in=replaced).delete()  # those that came later
    for key in sorted((key for key in ours if key[0] == app), reverse=True):
        for label, name in (key, *ours[key].replaces):
            Migrations.objects.filter(app=label, name=name).delete()
        refuse_unreleased("default")
    assert not Migrations.objects.filter(app=app).exists()
