"""Random lives of devices against the model: whatever happens in whatever order, the pages agree with it.

Events are told in any order, doubled, and late (a former owner's disconnect); times are those of receipt.
In half of the lives the ingest leaves liveness signs, and falls silent now and then.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from devices import clock, connectivity
from devices.history import counts_as_of, device_history, rollups
from devices.history.spans import Span, spans_of
from devices.integrity.checks import disagreements
from devices.listing.device_as_of import devices_as_of
from devices.listing.filters import Filters
from devices.listing.fleets import SORTS
from devices.listing.fleets_as_of import summaries_as_of
from devices.listing.list_as_of import ListAsOf
from devices.models import ConnectivityRecord, Device, StatusChange
from devices.rules.vocabulary import Status
from devices.status.counts import count_by_status
from devices.status.explanation import explain
from devices.status.reading import filter_by_status, with_status
from fleets.models import Organization
from tests.devices.lives.events import (
    INTERVALS,
    STEPS,
    UUIDS,
    Event,
    devices,
    events,
    fleets_vpn,
    leave_sign,
    listen,
    make,
    short_passes,
    tell,
)
from tests.devices.lives.model import Model
from tests.examples import examples
from tests.factories import T0, seconds

pytestmark = pytest.mark.django_db(transaction=False)


def check(model: Model, at: datetime) -> None:
    """At this instant every reading agrees with the model, and with every other reading."""
    now = model.read(at)
    shown = {device.uuid: device for device in with_status(Device.objects.all(), at)}
    for uuid, expected in now.devices.items():
        device = shown[uuid]
        assert (device.status, device.heartbeat, device.vpn, device.vpn_enabled) == (
            expected.status(),
            expected.heartbeat,
            expected.vpn,
            expected.vpn_wanted,
        )
        assert device.heartbeat_since == expected.heartbeat_since
        assert device.vpn_since == expected.vpn_since
        assert device.status_since == expected.statuses[-1][0]
    check_ends(now, at)
    counts = count_by_status(Device.objects.all(), at)
    assert list(counts) == Status.values
    assert counts == dict.fromkeys(Status.values, 0) | Counter(d.status() for d in now.devices.values())
    for status, number in counts.items():
        if number or status == Status.OFFLINE:
            listed = filter_by_status(Device.objects.all(), [status], clock.moment(at))
            assert sorted(device.uuid for device in listed) == [
                uuid for uuid, device in now.devices.items() if device.status() == status
            ]
            assert len(listed) == number
    first = shown[UUIDS[0]]
    why = explain(first, at)
    assert (why.status, why.since) == (first.status, first.status_since)
    assert (why.next_status, why.next_at) == model.next_change(first.uuid, at)


def check_ends(model: Model, at: datetime) -> None:
    """Who is connected has a server with a deadline ahead, unless that server never sent a sign."""
    connected = with_status(Device.objects.all(), at).filter(vpn=True)
    ahead = connected.filter(vpn_server__due_at__gt=clock.moment(at).heard)
    endless = connected.filter(vpn_server__due_at=None)
    assert sorted(device.uuid for device in endless) == sorted(model.endless())
    assert connected.count() == ahead.count() + endless.count()


Seen = dict[tuple[datetime, str], tuple[str, str, bool]]  # by instant and device: status, heartbeat, VPN


def remember(seen: Seen, at: datetime) -> None:
    """What every device is at this instant; of several events at one, after the last."""
    for device in with_status(Device.objects.all(), at):
        seen[at, device.uuid] = (device.status, device.heartbeat, device.vpn)


def check_replay(model: Model, seen: Seen, at: datetime) -> None:
    """The histories give at every instant what was read then.

    But for the seconds after the last liveness sign before an outage, which nobody could know to be one.
    """
    for uuid in UUIDS:
        device = with_status(Device.objects.filter(uuid=uuid), at).get()
        start, known = T0 - seconds(1), clock.moment(at)
        lanes = spans_of(device, device_history.read(device, start, known), start, known).spans
        for (moment, of), (status, heartbeat, vpn) in seen.items():
            if of != uuid or any(start < moment <= start + seconds(10) for start, _ in model.outages):
                continue
            replayed = [state_at(lanes[lane], moment) for lane in ("status", "heartbeat", "vpn")]
            assert [*replayed[:2], replayed[2] == "connected"] == [status, heartbeat, vpn]


def check_then(model: Model, seen: Seen, now: datetime, looks: int) -> None:
    """Pages as of an instant show what was shown at that instant, whatever has been recorded since."""
    moments = sorted({moment for moment, _ in seen})
    certain = [each for each in moments if not any(a < each <= a + seconds(10) for a, _ in model.outages)]
    organizations = list(Organization.objects.order_by("pk"))
    for moment in certain[len(certain) // 3 :: max(1, len(certain) // (2 * looks))][:looks]:
        was = {uuid: said for (at, uuid), said in seen.items() if at == moment}
        then = counts_as_of.instant(clock.moment(moment), clock.moment(now))
        found = ListAsOf(organizations, Filters(), then).page("-name", 10).rows
        assert {
            each.was.uuid: (
                each.was.status,
                each.heartbeat.state or "unknown",
                each.vpn.state == "connected",
            )
            for each in devices_as_of(found, then)
        } == was
        counts = Counter(status for status, _, _ in was.values())
        assert counts_as_of.count([each.pk for each in organizations], then)[0] == dict.fromkeys(
            Status.values, 0
        ) | dict(counts)
        standing = summaries_as_of(organizations, then, "", SORTS["name"], 10).rows
        assert sum((Counter(each.counts) for each in standing), Counter()) == counts
        (status, _, _) = was[UUIDS[0]]
        listed = ListAsOf(organizations, Filters(statuses=(Status(status),)), then).page("attention", 10).rows
        assert sorted(each.uuid for each in listed) == sorted(
            u for u, (s, _, _) in was.items() if s == status
        )


def state_at(spans: list[Span], moment: datetime) -> str:
    """The state of the one span that holds the moment."""
    (state,) = [
        span.state for span in spans if span.start <= moment and (span.end is None or moment < span.end)
    ]
    return state


def check_history(model: Model, at: datetime) -> None:
    """Settled, the histories are those of the model: every edge and every change once, dated alike."""
    if model.last_sign_at:
        leave_sign(model, at)
    connectivity.settle(at)
    model.pass_until(at)
    for uuid, expected in model.devices.items():
        device = Device.objects.get(uuid=uuid)
        records = ConnectivityRecord.objects.filter(device=device).order_by("id")
        for link in ("vpn", "heartbeat"):
            assert [(r.at, r.after) for r in records if r.link == link] == [
                (moment, after) for moment, which, after in expected.links if which == link
            ]
        changes = StatusChange.objects.filter(device=device).order_by("id")
        assert [(change.at, change.after) for change in changes] == expected.statuses
        assert all(one.after == following.before for one, following in pairwise(changes))


@given(
    fields=st.lists(devices, min_size=4, max_size=4),
    vpn=fleets_vpn,
    lives=st.lists(events, min_size=1, max_size=14),
    looks=st.lists(STEPS, min_size=1, max_size=3),
    listens=st.booleans(),
    interval=INTERVALS,
)
@hypothesis_settings(max_examples=examples(40))
def test_every_reading_agrees_with_the_model_at_every_instant(
    fields: list[dict[str, Any]],
    lives: list[Event],
    looks: list[float],
    *,
    vpn: bool | None,
    listens: bool,
    interval: int,
) -> None:
    with transaction.atomic(), pytest.MonkeyPatch.context() as context:
        context.setattr(rollups, "EVERY", seconds(60))  # a life is short
        short_passes(context)
        model, now, seen = make(fields, vpn=vpn, interval=interval), T0, Seen()
        for event in lives:
            if listens and event.sign:
                listen(model, now, now + seconds(event.step))
            now += seconds(event.step)
            if model.last_sign_at and model.heard(now) == now:
                leave_sign(model, now)  # whoever receives an event is there
            tell(model, event, now)
            check(model, now)
            remember(seen, now)
        for look in looks:
            now += seconds(look)
            check(model, now)
            remember(seen, now)
        check_then(model, seen, now, 1)
        check_history(model, now)
        rollups.rebuild(now)
        check(model, now)
        check_replay(model, seen, now)
        check_then(model, seen, now, 2)
        assert list(disagreements(now)) == []
        transaction.set_rollback(True)
