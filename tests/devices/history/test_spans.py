"""What a device was over a time: spans without overlap or gap, and uptime by product.md."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from devices import clock, connectivity
from devices.connectivity import outages
from devices.history import device_history
from devices.history import spans as lanes
from devices.history.spans import Span
from devices.models import Device
from devices.operations import lifecycle
from devices.status.reading import with_status
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

MONTH = timedelta(days=30)


def at(number: float) -> datetime:
    return T0 + seconds(number)


def read(device: Device, start: datetime, moment: datetime) -> lanes.History:
    found = with_status(Device.objects.filter(pk=device.pk), moment).get()
    known = clock.moment(moment)
    return lanes.spans_of(found, device_history.read(found, start, known), start, known)


def told(spans: list[Span]) -> list[tuple[str, Any, Any]]:
    return [(span.state, span.start, span.end) for span in spans]


def polled(*moments: float, **facts: Any) -> Device:
    device = make_device(make_fleet(poll_interval=10), **facts)
    for moment in moments:
        connectivity.record_heartbeats([device.pk], at(moment))
    return device


@pytest.mark.parametrize("settled", [True, False])
def test_the_lanes_tell_what_was_whether_or_not_somebody_recorded_it(*, settled: bool) -> None:
    device = polled(100)
    if settled:
        connectivity.settle(at(200))
    history = read(device, at(50), at(200))
    assert told(history.spans["status"]) == [
        ("post-provisioning", at(50), at(100)),
        ("heartbeat-only", at(100), at(130)),
        ("offline", at(130), None),
    ]
    assert told(history.spans["heartbeat"]) == [
        ("unknown", at(50), at(100)),
        ("recent", at(100), at(115)),
        ("late", at(115), at(130)),
        ("lost", at(130), None),
    ]
    assert told(history.spans["vpn"]) == [("unknown", at(50), None)]
    assert [span.reason for span in history.spans["status"]][1:] == [
        "it contacted the API",
        "no poll until its window ended",
    ]


def test_before_a_device_was_made_there_is_nothing() -> None:
    device = polled(0)
    assert read(device, at(-500), at(10)).spans["status"][0].start == T0


def test_a_move_is_no_change_of_the_lane() -> None:
    device = polled(0)
    lifecycle.move(device=device, fleet=make_fleet(device.organization), actor=None, at=at(5))
    assert told(read(device, at(1), at(10)).spans["status"]) == [("heartbeat-only", at(1), None)]


def test_off_all_month_is_nought_and_on_all_month_is_whole() -> None:
    off, on, never = polled(0), polled(0), make_device(is_active=False, activated_at=None)
    connectivity.vpn_connected("vpn-1", [on.uuid], at(0))
    end = at(100) + MONTH
    for device, expected in [(off, (0.0, None, 0.0)), (on, (1.0, 1.0, 0.0)), (never, (None, None, None))]:
        history = read(device, at(100), end)
        shares = tuple(history.uptime(lane, at(100), end) for lane in ("status", "vpn", "heartbeat"))
        assert shares == expected


def test_what_was_not_observed_is_outside_the_division() -> None:
    device = polled(0)
    outages.record_liveness(at(10))
    outages.record_liveness(at(3610))  # its window begins anew: lost 30 s later
    for moment in range(3612, 3672, 2):
        outages.record_liveness(at(moment))
    history = read(device, at(0), at(3670))
    assert history.outages == [(at(10), at(3610))]
    assert told(history.spans["heartbeat"])[-1] == ("lost", at(3640), None)
    assert history.uptime("heartbeat", at(0), at(3670)) == pytest.approx(40 / 70)


def test_an_outage_that_goes_on_is_not_observed_up_to_now() -> None:
    device = polled(0)
    outages.record_liveness(at(10))
    history = read(device, at(0), at(1000))
    assert history.outages == [(at(10), at(1000))]
    assert history.uptime("heartbeat", at(0), at(1000)) == 1.0


def test_inactive_time_is_outside_the_division_of_every_lane() -> None:
    device = polled(0)
    connectivity.settle(at(40))
    lifecycle.deactivate(device=device, actor=None, at=at(60))
    history = read(device, at(0), at(1000))
    assert history.uptime("status", at(0), at(1000)) == pytest.approx(30 / 60)
    assert history.uptime("heartbeat", at(0), at(1000)) == pytest.approx(30 / 60)


def test_spans_neither_overlap_nor_gap() -> None:
    device = polled(*range(0, 400, 37))
    for spans in read(device, at(20), at(500)).spans.values():
        assert spans[0].start == at(20)
        assert spans[-1].end is None
        assert all(one.end == following.start for one, following in pairwise(spans))
        assert all(one.state != following.state for one, following in pairwise(spans))
