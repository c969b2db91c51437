"""Databases that were created otherwise than the README says: encodings, letters, styles of times."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from typing import Final

import psycopg
import pytest

from fleets.postgres import name_order, refusals
from tests.fleets.postgres.test_name_order import IN_ORDER
from tests.system.clusters import PATIENCE, Cluster, a_cluster

pytestmark = pytest.mark.system

NOT_UTF8: Final = "The encoding of the database is {}, not UTF8"
LETTERS: Final = "does not know upper and lower case beyond a to z"
INGEST: Final = ("-m", "dashboard.listen", "devices.ingest.asgi:app", "--port")
STARTS: Final = {
    "ingest": (*INGEST, "0"),
    "several": (*INGEST, "{port}", "--processes", "2"),
    "site": ("-m", "dashboard.listen", "dashboard.asgi:application", "--port", "0"),
    "settle": ("manage.py", "settle", "--watch"),
    "work": ("manage.py", "work"),
}
MAKE: Final = """
import django; django.setup()
from devices import keys
from devices.operations import lifecycle
from fleets.models import Fleet, Organization
organization = Organization.objects.create(name="o", slug="o")
fleet = Fleet.objects.create(organization=organization, name="f", slug="f", vpn_enabled=True)
print(keys.new_device_key(lifecycle.register(fleet=fleet, name="Pümpe 漢")))
"""
SHOW: Final = """
import django; django.setup()
import psycopg
from django.conf import settings
from django.db import connection
with connection.cursor() as cursor, psycopg.connect(settings.DATABASE_DIRECT_URL) as direct:
    for setting in ("DateStyle", "TimeZone", "client_encoding"):
        cursor.execute(f"SHOW {setting}")
        print(*cursor.fetchone(), *direct.execute(f"SHOW {setting}").fetchone())
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with a_cluster(datestyle="German, DMY", timezone="Asia/Kolkata") as made:
        yield made


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_in_utf8_is_refused(cluster: Cluster, encoding: str) -> None:
    database = cluster.database(encoding.lower(), f"ENCODING '{encoding}' LOCALE 'C'")
    for command in (("check", "--database", "default"), ("migrate",)):
        code, said = database.run("manage.py", *command)
        assert (code, "(dashboard.E006)" in said, NOT_UTF8.format(encoding) in said) == (1, True, True)
    for start in STARTS.values():
        code, said = database.run(*(each.format(port=free_port()) for each in start))
        assert (code != 0, NOT_UTF8.format(encoding) in said, "Traceback" in said) == (True, True, False), (
            said
        )


def test_of_a_database_that_knows_few_letters_check_and_start_warn(cluster: Cluster) -> None:
    database = cluster.database("letters", "ENCODING 'UTF8' LOCALE 'C'")
    code, said = database.run("manage.py", "check", "--database", "default")
    assert (code, "(dashboard.W007)" in said, LETTERS in said) == (0, True, True)
    for start in STARTS.values():
        process = database.start(*(each.format(port=free_port()) for each in start))
        assert process.stdout is not None
        assert any(LETTERS in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def test_a_server_that_only_reads_has_no_role_or_no_database_is_told_in_a_sentence(cluster: Cluster) -> None:
    database = cluster.database("only_read", "ENCODING 'UTF8' LOCALE 'C.UTF-8'")
    cluster.execute("ALTER DATABASE only_read SET default_transaction_read_only = on")
    code, said = database.run("manage.py", "migrate")
    assert (code, "(dashboard.E011)" in said, "accepts no writes" in said) == (1, True, True), said
    primary = "?target_session_attrs=read-write&"
    for wrong, why in {
        database.url("lookout_owner").replace("?", primary): refusals.READ_ONLY,
        database.url("nobody"): refusals.NO_ROLE,
        database.url("lookout_owner").replace("only_read", "nowhere"): refusals.NO_DATABASE,
    }.items():
        code, said = database.run("manage.py", "migrate", DATABASE_URL=wrong, DATABASE_OWNER_URL=wrong)
        assert (code, said.splitlines()[-1], "Traceback" in said) == (1, why, False), said


def until_it_answers(url: str) -> None:
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE).close()  # noqa: S310 - http
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")


def called(url: str, key: str) -> bytes:
    request = urllib.request.Request(url, b"{}", {"Authorization": f"Bearer {key}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        said: bytes = answer.read()
    return said


def test_a_server_with_another_style_of_times_and_another_time_zone_is_read_alike(cluster: Cluster) -> None:
    database = cluster.database("german", "ENCODING 'UTF8' LOCALE 'C.UTF-8'")
    cluster.execute("ALTER DATABASE german SET DateStyle = 'SQL, MDY'")
    cluster.execute("ALTER DATABASE german SET IntervalStyle = 'iso_8601'")
    assert database.run("manage.py", "migrate", "--verbosity", "0") == (0, "")
    django = ("-c", f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'dashboard.settings'{SHOW}")
    assert database.run(*django) == (0, "ISO, MDY ISO, MDY\nUTC UTC\nUTF8 UTF8\n")
    code, key = database.run(django[0], django[1].removesuffix(SHOW) + MAKE)
    assert code == 0, key
    port = free_port()
    site = database.start("-m", "dashboard.listen", "dashboard.asgi:application", "--port", str(port))
    try:
        until_it_answers(f"http://127.0.0.1:{port}/healthz")
        assert "poll_interval" in json.loads(called(f"http://127.0.0.1:{port}/api/v1/heartbeat", key.strip()))
        for command in (("settle",), ("tally",), ("verify_status",)):
            code, said = database.run("manage.py", *command)
            assert code == 0, said
    finally:
        site.send_signal(signal.SIGTERM)
        said, _ = site.communicate(timeout=PATIENCE)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "how",
    [
        "LOCALE 'C'",
        "LOCALE 'C.UTF-8'",
        "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
        "LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'und'",
        "LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'sv'",
    ],
)
def test_names_sort_alike_in_every_database(cluster: Cluster, how: str) -> None:
    database = cluster.database(f"names_{abs(hash(how))}", f"ENCODING 'UTF8' {how}")
    with psycopg.connect(database.url("lookout_owner")) as opened:
        query = "SELECT name FROM unnest(%s::varchar[]) AS named(name) ORDER BY "
        rows = opened.execute(query + name_order.sql("name"), [IN_ORDER[::-1]])
        assert [name for (name,) in rows] == IN_ORDER


def test_of_several_migrations_at_once_each_waits_for_the_one_before(cluster: Cluster) -> None:
    database = cluster.database("empty", "ENCODING 'UTF8' LOCALE 'C.UTF-8'")
    running = [database.start("manage.py", "migrate") for _ in range(3)]
    said = [process.communicate(timeout=PATIENCE)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sum("Another migrate is running" in each for each in said) == 2
    assert sum("No migrations to apply" in each for each in said) == 2
