"""A source with a relay, and what mirrors it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.models import Device, MirroredDevice, MirroredFleet, Source
from fleets.models import Fleet
from tests.devices.ingest.relay.alone import HOST
from tests.factories import T0, make_device, make_fleet

APPLICATION = 1


@dataclass(frozen=True)
class Mirrored:
    """A source whose application 1 has a fleet here."""

    source: Source
    fleet: Fleet

    def device(self, uuid: str, number: int, **facts: Any) -> Device:
        device = make_device(self.fleet, uuid=uuid, **facts)
        MirroredDevice.objects.create(device=device, source=self.source, remote_id=number)
        return device


def make_source(fleet: Fleet | None = None, port: int = 1, **fields: Any) -> Mirrored:
    fleet = fleet or make_fleet()
    source = Source.objects.create(
        organization=fleet.organization,
        name="Ours",
        address="https://api.example",
        created_at=T0,
        **{"relay_host": HOST, "relay_to": f"http://127.0.0.1:{port}"} | fields,
    )
    MirroredFleet.objects.create(fleet=fleet, source=source, remote_id=APPLICATION, slug="o/pumps")
    return Mirrored(source, fleet)
