"""Lines and pages about devices lead to the open incident that these stand in."""

from __future__ import annotations

import pytest
from django.test import Client

from dashboard.models import User
from devices import clock
from devices.alerts import windows
from devices.alerts.windows import Plan
from devices.listing.kept_list import KeptFilters
from fleets.models import Fleet
from tests.dashboard.pages.attention.lost import lose
from tests.factories import make_fleet
from tests.incidents import MINUTE, hold, make_incident, make_rule, page_of, put_in
from tests.pages import html_of, make_every_status, text_of

pytestmark = pytest.mark.django_db


def test_a_line_leads_to_the_incident_of_its_devices(reader: Client, fleet: Fleet) -> None:
    lost = lose(fleet, 6, public_address="203.0.113.7")
    one = make_incident(
        fleet.organization, clock.now(), acknowledged_at=clock.now(), acknowledged_by_name="mia"
    )
    put_in(one, lost, make_rule(fleet.organization))
    hold(one, page_of(fleet.organization), clock.now())
    page = reader.get("/attention/")
    assert f'href="/incidents/{one.uuid}/"' in html_of(page)
    assert "Open the incident · acknowledged by mia · not told: Maintenance until" in text_of(page)


def test_the_page_of_a_device_leads_to_its_open_incident_and_to_none_that_is_over(
    reader: Client, fleet: Fleet
) -> None:
    at, rule = clock.now(), make_rule(fleet.organization)
    (device,) = lose(fleet, 1)
    over = make_incident(fleet.organization, at, state="resolved", resolved_at=at)
    put_in(over, [device], rule, state="gone", gone_at=at)
    path = f"/devices/{device.uuid}/"
    assert "It is part of an open incident" not in text_of(reader.get(path))
    one = make_incident(fleet.organization, at)
    put_in(one, [device], rule)
    assert "It is part of an open incident" in text_of(reader.get(path))
    assert f"/incidents/{one.uuid}/" in html_of(reader.get(path))


@pytest.mark.parametrize("page", ["/attention/", "/"])
def test_pages_say_how_many_that_are_offline_are_in_maintenance(
    reader: Client, user: User, fleet: Fleet, page: str
) -> None:
    at = clock.now()
    make_every_status(fleet)
    make_every_status(make_fleet(fleet.organization))
    plan = Plan(
        title="Rewiring",
        scope=KeptFilters(fleets=(fleet.slug,)),
        starts=(at - MINUTE).replace(tzinfo=None),
        ends=(at + 60 * MINUTE).replace(tzinfo=None),
        zone="UTC",
    )
    assert "maintenance" not in text_of(reader.get(page))
    windows.plan(organization=fleet.organization, plan=plan, actor=user, at=at)
    assert "2 Offline (1 in maintenance)" in text_of(reader.get(page))
