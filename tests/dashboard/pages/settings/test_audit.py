"""The audit log's page and files: who may read it, what it says, its filters, and its length."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from fleets import audit
from fleets.models import Organization, Role
from tests.dashboard.pages.settings.audit_log import JOB, PATH, fetch, shown, write
from tests.factories import T0, make_member, make_organization, seconds
from tests.pages import text_of

pytestmark = pytest.mark.django_db
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
