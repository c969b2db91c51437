"""Counters that are wrong: found, and made anew."""

from __future__ import annotations

import pytest

from devices import connectivity
from devices.integrity import counters
from devices.models import FleetCount
from tests.factories import T0, make_device, make_fleet

pytestmark = pytest.mark.django_db


def test_a_counter_that_is_wrong_is_found_and_recounted() -> None:
    fleet, other = make_fleet(), make_fleet()
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk], T0)
    make_device(other)
    FleetCount.objects.filter(fleet=other).update(number=7)
    FleetCount.objects.create(organization=fleet.organization, fleet=fleet, status="offline", number=2)
    assert counters.wrong() == [(fleet.pk, "offline", 2, 0), (other.pk, "post-provisioning", 7, 1)]
    counters.recount()
    assert counters.wrong() == []
    newest = FleetCount.objects.get(fleet=fleet)
    assert (newest.status, newest.changed_at) == ("heartbeat-only", T0)
