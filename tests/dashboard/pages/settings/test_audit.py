"""The audit log's page and files: who may read it, what it says, its filters, and its length."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import normalize
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from fleets import audit
from fleets.models import AuditEntry, Organization, Role
from tests.factories import T0, make_member, make_organization, seconds
from tests.pages import rows_of, text_of

pytestmark = pytest.mark.django_db
PATH = "/settings/halden/audit/"
PATHS = (PATH, f"{PATH}entries.csv", f"{PATH}entries.json")


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


def write(organization: Organization, number: int = 1, at: datetime = T0, **said: Any) -> None:
    """Entries a second apart, the last one the newest."""
    facts: dict[str, Any] = {
        "action": "device-moved",
        "actor": None,
        "subject": ("device", "a" * 32, "kiosk-1"),
        "before": {"fleet": "kiosks"},
        "after": {"fleet": "buoys"},
    }
    for n in range(number):
        audit.record(**facts | said, organization=organization, at=at + seconds(n))


def shown(client: Client, query: str = "") -> list[str]:
    """The names of what the lines of the page are about, in order."""
    return [line.entry.subject_name for line in client.get(PATH + query).context["lines"]]


# Who may


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("role", "status"),
    [
        (None, 404),
        (Role.OBSERVER, 403),
        (Role.OPERATOR, 403),
        (Role.ADMINISTRATOR, 200),
        (Role.OWNER, 200),
    ],
)
def test_administrators_and_owners_read_it(
    client: Client, organization: Organization, path: str, role: Role | None, status: int
) -> None:
    client.force_login(make_member(organization if role else make_organization(), role or Role.OWNER))
    assert client.get(path).status_code == status
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("path", PATHS)
def test_others_are_led_to_the_sign_in(client: Client, organization: Organization, path: str) -> None:
    assert client.get(path).status_code == 302


def test_nobody_reads_another_organizations(reader: Client, organization: Organization) -> None:
    write(make_organization(), subject=("device", "b" * 32, "theirs"))
    audit.record("key-created", actor=None, organization=None, subject=("key", "f" * 12, "site"), at=T0)
    write(organization, subject=("device", "a" * 32, "ours"))
    assert shown(reader) == ["ours"]
    assert [row["subject_name"] for row in json.loads(fetch(reader, "entries.json"))] == ["ours"]


# What it says


def test_a_line_says_who_what_when_from_where_and_each_changed_field(
    reader: Client, organization: Organization, ada: User
) -> None:
    before = {"name": "Kiosks", "vpn_enabled": True, "poll_interval": None, "type": "paid"}
    after = {"name": "Kiosks", "vpn_enabled": False, "poll_interval": 60, "type": "paid"}
    with audit.coming_from("203.0.113.7"):
        write(
            organization,
            action="fleet-changed",
            actor=ada,
            subject=("fleet", "kiosks", "Kiosks"),
            before=before,
            after=after,
        )
    words = text_of(reader.get(PATH))
    assert "2 Mar 12:00" in words
    assert "ada 203.0.113.7 Changed a fleet Fleet Kiosks" in words
    assert "VPN on to off" in words
    assert "Poll interval (seconds) none to 60" in words
    assert "Type" not in words


def test_a_time_is_shown_in_the_viewers_zone(reader: Client, organization: Organization) -> None:
    reader.cookies["tz"] = "Asia/Tokyo"
    write(organization, before=None, after={"expires_at": "2026-05-01T12:00:00+00:00"})
    words = text_of(reader.get(PATH))
    assert "2 Mar 21:00" in words
    assert "Expires 1 May 21:00" in words


def test_what_came_and_what_went_is_told_as_a_whole(reader: Client, organization: Organization) -> None:
    write(organization, action="device-deleted", after=None)
    write(organization, action="device-preregistered", before=None)
    words = text_of(reader.get(PATH))
    assert "Preregistered a device Device kiosk-1 Fleet buoys" in words
    assert "Deleted a device Device kiosk-1 Fleet kiosks until then" in words


def test_what_somebody_wrote_is_text(reader: Client, organization: Organization) -> None:
    evil = "<script>alert(1)</script>"
    write(organization, by=evil, subject=("device", "a" * 32, evil), after={evil: evil})
    assert evil not in reader.get(f"{PATH}?who={evil}&q={evil}&action={evil}&from={evil}").content.decode()


def test_a_log_without_entries_says_so(reader: Client) -> None:
    words = text_of(reader.get(PATH))
    assert "Nothing has been done yet" in words
    assert "Export" not in words


# Filters


@pytest.fixture
def varied(organization: Organization, ada: User) -> None:
    write(organization, at=T0, actor=ada, subject=("device", "a" * 32, "one"))
    write(organization, at=T0 + timedelta(days=1), subject=("device", "b" * 32, "two"))
    write(organization, at=T0 + timedelta(days=2), by="device two", subject=("device", "b" * 32, "two"))
    write(
        organization,
        at=T0 + timedelta(days=3),
        actor=ada,
        action="fleet-changed",
        subject=("fleet", "kiosks", "Kiosks"),
        before={"device_type": "NUC"},
        after={"device_type": "raspberry-pi"},
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Kiosks", "two", "two", "one"]),
        ("?who=ada", ["Kiosks", "one"]),
        ("?who=ADA", ["Kiosks", "one"]),
        ("?who=ad", []),
        ("?who=the+console", ["two"]),
        ("?action=fleet-changed", ["Kiosks"]),
        ("?kind=device", ["two", "two", "one"]),
        (f"?kind=device&id={'b' * 32}", ["two", "two"]),
        ("?from=2026-03-03", ["Kiosks", "two", "two"]),
        ("?to=2026-03-03", ["two", "one"]),
        ("?from=2026-03-03&to=2026-03-03", ["two"]),
        ("?q=raspb", ["Kiosks"]),
        ("?q=KIOSK+nuc", ["Kiosks"]),
        ("?q=aaaaaaaa", ["one"]),
        ("?q=ada&action=device-moved", ["one"]),
        ("?q=!+%26", []),
        ("?q=nothing-like-this", []),
    ],
)
def test_filters_are_the_address(reader: Client, varied: None, query: str, found: list[str]) -> None:
    assert shown(reader, query) == found


def test_days_are_the_viewers(reader: Client, organization: Organization) -> None:
    write(organization, at=datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
    assert shown(reader, "?from=2026-03-03") == []
    reader.cookies["tz"] = "Asia/Tokyo"
    assert shown(reader, "?from=2026-03-03") == ["kiosk-1"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?action=x", "There is no action “x”"),
        ("?kind=x", "There is no kind “x”"),
        ("?from=yesterday", "“yesterday” is not a date"),
        ("?to=9999-12-31", "“9999-12-31” is not a date"),
        ("?from=0001-01-01", "“0001-01-01” is not a date"),
        ("?after=x", "The address names an unknown place in this log"),
    ],
)
def test_what_is_unknown_is_left_out_and_said(reader: Client, varied: None, query: str, said: str) -> None:
    assert len(shown(reader, query)) == 4
    assert said in text_of(reader.get(PATH + query))


@pytest.mark.parametrize(
    "query", ["?q=%00", "?who=%00", "?id=%00", "?q=" + "x" * 5000, "?after=%00&before=y"]
)
def test_odd_addresses_do_no_harm(reader: Client, varied: None, query: str) -> None:
    assert reader.get(PATH + query).status_code == 200


def test_a_filter_without_entries_says_how_to_go_on(reader: Client, varied: None) -> None:
    page = reader.get(f"{PATH}?q=nowhere")
    assert "No entries match" in text_of(page)
    assert f'<a class="btn" href="{PATH}">Clear filters</a>' in page.content.decode()


@pytest.mark.parametrize("text", ["%", "_", "'", "! &"])
def test_a_search_without_a_word_says_so(reader: Client, varied: None, text: str) -> None:
    page = text_of(reader.get(PATH, {"q": text}))
    assert "No entries match" in page
    assert "has no word to search for. A word has letters or digits." in page


@pytest.mark.parametrize("name", ["İstanbul-7", "ΣΤΑΘΜΟΣ", "서울"])
def test_a_line_is_found_by_its_name_in_any_form(
    reader: Client, organization: Organization, name: str
) -> None:
    write(organization, subject=("device", "a" * 32, normalize("NFD", name)))
    for text in (name, normalize("NFD", name), name.lower()):
        assert len(reader.get(PATH, {"q": text}).context["lines"]) == 1


def test_names_lead_to_their_lines(reader: Client, varied: None) -> None:
    html = reader.get(PATH).content.decode()
    assert f'href="{PATH}?who=device%20two"' in html
    assert f'href="{PATH}?kind=device&amp;id={"b" * 32}"' in html


# Jobs

JOB = UUID(int=7)


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


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["kiosk-1", "Move 3 devices"]),
        ("?who=ada", ["Move 3 devices"]),
        ("?from=2026-03-02&to=2026-03-02", ["Move 3 devices"]),
        (f"?job={JOB}", ["d-2", "d-1", "d-0"]),
        (f"?kind=device&id={1:032x}", ["d-1"]),  # who did what to this device
        ("?q=d-2", ["d-2"]),
        ("?action=device-moved", ["kiosk-1", "d-2", "d-1", "d-0"]),
        (f"?kind=job&id={JOB}", ["Move 3 devices"]),
        ("?job=x", ["kiosk-1", "Move 3 devices"]),
    ],
)
def test_a_job_is_one_line_with_its_devices_behind_it(
    reader: Client, job: None, query: str, found: list[str]
) -> None:
    assert shown(reader, query) == found


def test_a_line_leads_to_what_is_behind_it_and_back(reader: Client, job: None) -> None:
    page = reader.get(PATH)
    assert "203.0.113.7 Started a job Job Move 3 devices Show what it changed" in text_of(page)
    assert f'href="{PATH}?job={JOB}"' in page.content.decode()
    page = reader.get(f"{PATH}?kind=device&id={1:032x}")
    assert f'href="{PATH}?kind=job&amp;id={JOB}">In a job' in page.content.decode()
    assert f'name="job" value="{JOB}"' in reader.get(f"{PATH}?job={JOB}").content.decode()
    assert "There is no job “x”" in text_of(reader.get(f"{PATH}?job=x"))


def test_a_file_has_the_lines_behind_jobs_too(reader: Client, job: None) -> None:
    rows = rows_of(fetch(reader, "entries.csv"))
    assert [row["subject_name"] for row in rows] == ["kiosk-1", "d-2", "d-1", "d-0", "Move 3 devices"]
    assert [row["job"] for row in rows] == ["", str(JOB), str(JOB), str(JOB), ""]


# Length


def test_pages_follow_one_another(reader: Client, organization: Organization) -> None:
    for n in range(120):
        write(organization, at=T0 + seconds(n // 7), subject=("device", "a" * 32, f"d-{n}"))
    seen, query, pages = [], "", 0
    while True:
        context = reader.get(PATH + query).context
        seen += [line.entry.subject_name for line in context["lines"]]
        pages += 1
        if not context["next"]:
            break
        query = context["next"]
    assert (pages, seen) == (3, [f"d-{n}" for n in reversed(range(120))])
    assert shown(reader, context["previous"]) == seen[50:100]


def test_a_page_costs_the_same_whatever_its_length(
    reader: Client, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    write(organization)
    for more in (0, 29):
        write(organization, more, at=T0 + timedelta(days=1))
        # session, user, organizations with my role, the clock, fleets at the side, members, entries
        with django_assert_num_queries(7):
            assert len(shown(reader)) == 1 + more


# Files


def fetch(client: Client, path: str) -> str:
    """A streamed file, as ASGI sends it."""

    async def whole() -> str:
        asked = AsyncClient()
        asked.cookies = client.cookies
        response: Any = await asked.get(PATH + path)
        assert response.is_async
        return "".join([part.decode() async for part in response.streaming_content])

    return async_to_sync(whole)()


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
