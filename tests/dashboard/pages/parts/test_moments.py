"""Moments in addresses and cursors: whatever they name, no page fails; and the hour that comes twice."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.test import Client

from dashboard.pages.parts.over_time import address_of
from devices import clock, connectivity
from fleets import audit
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_member
from tests.pages import text_of

pytestmark = pytest.mark.django_db

ODD = [
    "2026-11-24T12:00:00+23:59",
    "2026-11-24T12:00:00-15:59:59.999999",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59.999999+00:00",
    "1900-01-01T00:00:00+00:00",
    "8999-12-31T23:59:59+00:00",
]


def cursor(*values: object) -> str:
    return urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize("odd", ODD)
def test_no_page_fails_for_an_odd_moment(reader: Client, fleet: Fleet, odd: str) -> None:
    reader.cookies["tz"] = "Pacific/Kiritimati" if odd > "5" else "America/Anchorage"  # away from 1 to 9999
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk])
    pages = [
        f"/devices/{device.uuid}/?until={quote(odd)}",
        *(f"{path}?at={quote(odd)}" for path in ("/", "/devices/", "/fleets/kiosks/")),
        *(
            f"{path}{sort}{way}={cursor(*values, odd, 1)}"
            for path in ("/devices/?sort=", "/fleets/kiosks/?sort=")
            for sort, values in (("contact&", []), ("-contact&", []), ("attention&", [3]))
            for way in ("after", "before")
        ),
        f"/attention/?after={cursor(3, odd, 1)}",
    ]
    for page in pages:
        assert reader.get(page, follow=True).status_code == 200, page


@pytest.mark.parametrize("odd", ODD)
def test_a_name_that_reads_as_an_odd_moment_does_not_fail_the_audit_log(
    client: Client, organization: Organization, odd: str
) -> None:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    client.cookies["tz"] = "America/Anchorage"
    audit.record(
        "fleet-changed",
        actor=None,
        organization=organization,
        subject=("fleet", "1", odd),
        at=clock.now(),
        before={"name": odd},
        after={"name": "gates"},
    )
    path = f"/settings/{organization.slug}/audit/"
    assert client.get(path).status_code == 200
    for way in ("after", "before"):
        assert client.get(f"{path}?{way}={cursor(odd, 1)}").status_code == 200


def clocks_went_back() -> datetime:
    """The newest time in Berlin when 03:00 summer time became 02:00."""
    now = clock.now()
    for year in (now.year, now.year - 1):
        last = datetime(year, 10, 31, 1, tzinfo=UTC)
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        if sunday < now - timedelta(days=1):
            break
    return sunday


@pytest.mark.parametrize(("second", "offset"), [(False, "UTC+2"), (True, "UTC+1")])
def test_a_minute_that_the_clock_shows_twice_has_its_offset_and_stays(
    reader: Client, fleet: Fleet, *, second: bool, offset: str
) -> None:
    back = clocks_went_back()
    reader.cookies["tz"] = "Europe/Berlin"
    make_device(fleet, created_at=back - timedelta(days=1), activated_at=back - timedelta(days=1))
    moment = back + timedelta(minutes=30 if second else -30)
    page = reader.get(f"/devices/?at={address_of(moment)}")
    assert f"Oct 02:30 {offset} " in text_of(page)
    form = page.content.decode()
    local = f"{back:%Y-%m-%d}T02:30"
    assert f'name="at" value="{local}"' in form
    assert f'<option value="{int(second)}" selected>{offset}, ' in form
    led_to = reader.get(f"/devices/?at={local}&fold={int(second)}")
    assert led_to["Location"] == f"/devices/?at={quote(address_of(moment))}"


def test_at_other_minutes_nothing_is_asked(reader: Client, fleet: Fleet) -> None:
    back = clocks_went_back()
    reader.cookies["tz"] = "Europe/Berlin"
    make_device(fleet, created_at=back - timedelta(days=1), activated_at=back - timedelta(days=1))
    page = reader.get(f"/devices/?at={address_of(back + timedelta(hours=1))}").content.decode()
    assert "twice" not in page
