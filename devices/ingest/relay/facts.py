"""Writing the rarer facts of relayed calls, one by one: registrations, VPN servers, links, refused keys."""

from __future__ import annotations

import logging
from functools import singledispatch
from typing import TYPE_CHECKING

from django.db import transaction

from devices import clock, connectivity
from devices.connectivity.postponing import postpone
from devices.ingest.relay.observations import (
    Away,
    Links,
    Observation,
    Refusal,
    Registration,
    ServerSign,
    ServerStart,
)
from devices.models import MirroredDevice, MirroredFleet, Source, VpnServer
from devices.operations import lifecycle
from devices.sources.vpn_servers import server_name

if TYPE_CHECKING:
    from devices.ingest.relay.backlog import Seen

logger = logging.getLogger("devices.ingest")


def write(seen: Seen) -> None:
    """Write one observation that is neither a poll nor a report; nothing, if its source was deleted."""
    source = Source.objects.select_related("organization").filter(pk=seen.source).first()
    if source is not None:
        _record(seen.observation, source)


@singledispatch
def _record(observation: Observation, source: Source) -> None:
    raise TypeError(f"{observation} is written elsewhere.")


@_record.register
def _registration(observation: Registration, source: Source) -> None:
    """A device comes into the fleet that mirrors its application; without one, the mirror will bring both."""
    mirrored = MirroredFleet.objects.select_related("fleet__organization").filter(
        source=source, remote_id=observation.application
    )
    if (fleet := mirrored.first()) is None:
        return
    try:
        with transaction.atomic():
            device = lifecycle.register(
                fleet=fleet.fleet,
                uuid=observation.uuid,
                device_type=observation.device_type,
                reported=observation.facts,
            )
            MirroredDevice.objects.create(device=device, source=source, remote_id=observation.number)
    except lifecycle.UuidTaken:
        logger.info("%s registered the device %s, which was here before", source, observation.uuid)


@_record.register
def _server_start(observation: ServerStart, source: Source) -> None:
    name = server_name(source.pk, observation.number)
    connectivity.vpn_alive(name, organization=source.organization)


@_record.register
def _server_sign(observation: ServerSign, source: Source) -> None:
    """The API answers 200 to a sign of any id, so it counts for servers that are known."""
    if name := _known_server(observation.number, source):
        connectivity.vpn_alive(name, organization=source.organization)


@_record.register
def _links(observation: Links, source: Source) -> None:
    """Of known devices alone, since the API answers 200 for others, too.

    Where it connected one of them, the server is known to it, else it would have answered 409.
    """
    named = MirroredDevice.objects.filter(source=source, device__uuid__in=observation.uuids)
    uuids = list(named.values_list("device__uuid", flat=True))
    if uuids and observation.connected:
        name = server_name(source.pk, observation.number)
        connectivity.vpn_connected(name, uuids, organization=source.organization)
    elif uuids and (name := _known_server(observation.number, source)):
        connectivity.vpn_disconnected(name, uuids, organization=source.organization)


@_record.register
def _refusal(observation: Refusal, source: Source) -> None:
    devices = MirroredDevice.objects.filter(source=source, device__uuid=observation.uuid)
    devices.update(refused_at=clock.now())


@_record.register
def _away(observation: Away, source: Source) -> None:
    servers = VpnServer.objects.filter(
        name__startswith=server_name(source.pk), organization=source.organization_id
    )
    devices = source.devices.values_list("device_id", flat=True)
    postpone(list(devices), list(servers.values_list("pk", flat=True)))


def _known_server(number: int, source: Source) -> str:
    """The name of the server with this id in the API; empty: it is not known here."""
    name = server_name(source.pk, number)
    known = VpnServer.objects.filter(name=name, organization=source.organization_id)
    return name if known.exists() else ""
