"""A device that is mirrored and one that is relayed, too, agree after each sweep."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from devices import clock, connectivity
from devices.connectivity.mirrored import MirroredLinks, record_mirrored
from devices.ingest.contacts import record
from devices.models import Device
from tests.devices.ingest.relay.mirrored import Mirrored, make_source
from tests.factories import T0, make_uuid, seconds

INTERVAL: Final = 60  # seconds; less than a supervisor of the site itself has
SWEEP: Final = 60  # seconds
LEASE: Final = seconds(60)
WAY: Final = ("relayed", "straight")  # the proxy went straight to the API while Lookout was away
WHAT: Final = ("poll", "poll", "connect", "disconnect", "sign")


@dataclass
class Api:
    """What the API knows: every poll, link and sign."""

    polled: datetime | None = None
    connected: bool = False
    linked: datetime | None = None
    signed: datetime | None = None

    def hears(self, what: str, at: datetime) -> None:
        if what == "poll":
            self.polled = at
        elif what == "sign":
            self.signed = at
        else:
            self.connected, self.linked = what == "connect", at

    def links(self, device: int, at: datetime) -> MirroredLinks:
        silent = self.connected and self.signed is not None and self.signed + LEASE <= at
        state, since = self._heartbeat(at)
        ended = self.signed + LEASE if silent and self.signed else self.linked
        return MirroredLinks(
            device, state, since, self.connected and not silent, ended, "vpn" if silent else ""
        )

    def _heartbeat(self, at: datetime) -> tuple[str, datetime | None]:
        if self.polled is None:
            return "unknown", None
        late = self.polled + seconds(1.5 * INTERVAL)
        lost = late + seconds(15)
        return ("lost", lost) if at >= lost else ("late", late) if at >= late else ("recent", self.polled)


@dataclass
class Beside:
    """The two devices, and the moment."""

    mirrored: Device
    relayed: Device
    at: datetime = T0
    api: Api = field(default_factory=Api)

    def happens(self, what: str, way: str) -> None:
        self.api.hears(what, self.at)
        if way == "relayed":
            self._relay(what)

    @transaction.atomic
    def _relay(self, what: str) -> None:
        at, organization = clock.listened(self.at), self.relayed.organization
        if what == "poll":
            record({self.relayed.pk: ""}, [], at, supervisors=())
        elif what == "sign":
            connectivity.vpn_alive("vpn", at=at, organization=organization)
        else:
            change = connectivity.vpn_connected if what == "connect" else connectivity.vpn_disconnected
            change("vpn", [self.relayed.uuid], at, organization=organization)

    def sweep(self) -> None:
        read = [self.api.links(device.pk, self.at) for device in (self.mirrored, self.relayed)]
        record_mirrored(read, self.at, clock.listened(self.at))

    def links(self) -> list[tuple[str, bool]]:
        devices = Device.objects.filter(pk__in=[self.mirrored.pk, self.relayed.pk])
        return list(devices.order_by("pk").values_list("heartbeat_state", "vpn_connected"))


def both(source: Mirrored) -> Beside:
    """Two devices of a source."""
    mirrored, relayed = (source.device(make_uuid(), n, poll_interval=INTERVAL) for n in (1, 2))
    return Beside(mirrored, relayed)


HAPPENINGS: Final = st.lists(
    st.tuples(st.integers(1, 150), st.sampled_from(WHAT), st.sampled_from(WAY)), min_size=1, max_size=12
)


@pytest.mark.thorough
@pytest.mark.django_db
@given(happenings=HAPPENINGS)
def test_after_a_sweep_both_agree(happenings: list[tuple[int, str, str]]) -> None:
    with transaction.atomic():
        beside, next_sweep = both(make_source()), T0 + seconds(SWEEP)
        for after, what, way in (*happenings, (1000, "sign", "straight")):
            until = beside.at + timedelta(seconds=after)
            while next_sweep <= until:
                beside.at = next_sweep
                beside.sweep()
                assert len({*beside.links()}) == 1, (beside.at - T0, beside.links())
                next_sweep += seconds(SWEEP)
            beside.at = until
            beside.happens(what, way)
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_a_relayed_deadline_holds_until_it_has_passed() -> None:
    beside = both(make_source())
    beside.happens("poll", "relayed")
    beside.api.polled = None  # the API has not written it yet
    beside.at = T0 + seconds(SWEEP)
    beside.sweep()
    assert beside.links() == [("unknown", False), ("recent", False)]
