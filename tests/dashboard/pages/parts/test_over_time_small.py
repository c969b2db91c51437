"""The small pictures of fleets: which share was not well in each hour of a day, on one scale."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.pages.parts.over_time_small import small_pictures
from devices.models import FleetTally
from devices.rules.vocabulary import Status
from fleets.models import Fleet
from tests.factories import T0, make_fleet

pytestmark = pytest.mark.django_db


def counted(fleet: Fleet, hours_ago: int, **counts: int) -> None:
    numbers = [counts.get(slug.replace("-", "_"), 0) for slug in Status.values]
    at = T0 - timedelta(hours=hours_ago)
    FleetTally.objects.create(organization=fleet.organization, fleet=fleet, at=at, counts=numbers)


def test_the_worst_stand_on_the_ground_and_all_fleets_have_one_scale(fleet: Fleet) -> None:
    other, fresh = make_fleet(fleet.organization), make_fleet(fleet.organization)
    counted(fleet, 0, online=6, offline=2, heartbeat_only=2)
    counted(fleet, 24, offline=1)  # more than a day ago
    counted(other, 1, online=9, offline=1)
    counted(other, 0, online=10)
    found = small_pictures([fleet.pk, other.pk, fresh.pk], T0 + timedelta(minutes=20))
    assert fresh.pk not in found
    assert (found[fleet.pk].offline, found[fleet.pk].partial) == (
        "M230 12.0h8V24.0h-8z",
        "M230 0.0h8V12.0h-8z",
    )
    assert (found[other.pk].offline, found[other.pk].partial) == ("M220 18.0h8V24.0h-8z", "")
    assert [found[each.pk].words for each in (fleet, other)] == ["at most 40\u00a0%", "at most 10\u00a0%"]


def test_a_day_without_losses_is_said(fleet: Fleet) -> None:
    counted(fleet, 0, online=10)
    (found,) = small_pictures([fleet.pk], T0).values()
    assert (found.offline, found.partial, found.words) == ("", "", "all well")
