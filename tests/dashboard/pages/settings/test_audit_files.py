"""The audit log as files."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.models import User
from fleets import audit
from fleets.models import AuditEntry, Organization, Role
from tests.dashboard.pages.settings.audit_log import JOB, PATH, fetch, shown, write
from tests.factories import T0, make_member, make_organization, seconds
from tests.pages import rows_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization(slug="halden", name="Halden")


@pytest.fixture
def ada(organization: Organization) -> User:
    return make_member(organization, Role.ADMINISTRATOR, "ada")


@pytest.fixture
def reader(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def job(organization: Organization, ada: User) -> None:
    """A job, and what it did with three devices."""
    said: dict[str, Any] = {
        "subject": ("job", str(JOB), "Move 3 devices"),
        "before": None,
        "after": {"devices": 3},
    }
    with audit.coming_from("203.0.113.7"):
        write(organization, action="job-started", actor=ada, **said)
    with audit.coming_from("203.0.113.7", job=JOB):
        for n in range(3):
            write(organization, at=T0 + seconds(n + 1), actor=ada, subject=("device", f"{n:032x}", f"d-{n}"))
    write(organization, at=T0 + timedelta(days=1))


def test_a_file_has_the_lines_behind_jobs_too(reader: Client, job: None) -> None:
    rows = rows_of(fetch(reader, "entries.csv"))
    assert [row["subject_name"] for row in rows] == ["kiosk-1", "d-2", "d-1", "d-0", "Move 3 devices"]
    assert [row["job"] for row in rows] == ["", str(JOB), str(JOB), str(JOB), ""]


def test_a_file_is_exactly_the_filtered_list(reader: Client, varied: None) -> None:
    for query in ("", "?who=ada", "?kind=device&to=2026-03-04", "?q=nowhere"):
        listed = shown(reader, query)
        assert [row["subject_name"] for row in rows_of(fetch(reader, f"entries.csv{query}"))] == listed
        assert [row["subject_name"] for row in json.loads(fetch(reader, f"entries.json{query}"))] == listed
        if listed:
            assert (
                f'href="{PATH}entries.csv{query}"'.replace("&", "&amp;")
                in reader.get(PATH + query).content.decode()
            )


def test_a_row_holds_what_the_line_says(reader: Client, organization: Organization, ada: User) -> None:
    with audit.coming_from("2001:db8::7"):
        write(organization, actor=ada)
    expected = {
        "time": "2026-03-02T12:00:00+00:00",
        "who": "ada",
        "address": "2001:db8::7",
        "action": "device-moved",
        "words": "Moved a device",
        "subject_kind": "device",
        "subject": "a" * 32,
        "subject_name": "kiosk-1",
        "before": {"fleet": "kiosks"},
        "after": {"fleet": "buoys"},
        "job": None,
    }
    assert json.loads(fetch(reader, "entries.json")) == [expected]
    as_text = {"before": '{"fleet": "kiosks"}', "after": '{"fleet": "buoys"}', "job": ""}
    assert rows_of(fetch(reader, "entries.csv")) == [expected | as_text]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_cells_that_a_spreadsheet_would_run_are_quoted(
    reader: Client, organization: Organization, first: str
) -> None:
    name = f"{first}cmd|' /C calc'!A0"
    write(organization, by=name, subject=("device", "a" * 32, name))
    row = rows_of(fetch(reader, "entries.csv"))[0]
    assert (row["who"], row["subject_name"]) == (f"'{name}", f"'{name}")
    assert json.loads(fetch(reader, "entries.json"))[0]["subject_name"] == name


def test_a_file_is_named_and_kept_by_nobody(reader: Client, organization: Organization) -> None:
    response = reader.get(f"{PATH}entries.csv")
    assert response["Content-Disposition"].startswith('attachment; filename="audit-halden-')
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in response["Cache-Control"]


def bulk(organization: Organization, number: int) -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(
            at=T0 + seconds(n // 3),
            organization_id=organization.pk,
            actor_name="ada",
            action="device-moved",
            subject_kind="device",
            subject_id=f"{n:032x}",
            subject_name=f"d-{n}",
        )
        for n in range(number)
    )


def test_a_long_file_comes_in_batches_whole_and_in_order(
    reader: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.pages.settings.audit.BATCH", 100)
    bulk(organization, 1050)
    with CaptureQueriesContext(connection) as queries:
        rows = json.loads(fetch(reader, "entries.json"))
    assert [row["subject_name"] for row in rows] == [f"d-{n}" for n in reversed(range(1050))]
    reading = [query["sql"] for query in queries if '"fleets_auditentry"' in query["sql"]]
    assert len(reading) == 11
    assert all("LIMIT 101" in sql for sql in reading)
