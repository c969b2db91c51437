"""What a row of a list of then says: the status and both links of then, and what the device is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from dashboard.templating.indicators import HEARTBEAT_STATES, VPN_STATES, Indicator
from devices import words
from devices.history.counts_as_of import Instant
from devices.listing.list_as_of import Was
from devices.models import Device
from devices.status.reading import with_status
from fleets.models import Fleet

LINKS = """
SELECT named.id, kind.link, newest.after, newest.at
FROM unnest(%s::bigint[]) AS named(id), (VALUES ('vpn'), ('heartbeat')) AS kind(link), LATERAL (
    SELECT r.after, r.at FROM devices_connectivityrecord r
    WHERE r.device_id = named.id AND r.link = kind.link AND r.at <= %s ORDER BY r.at DESC, r.id DESC LIMIT 1
) AS newest
"""
State = tuple[str | None, datetime | None]  # of a link, and since when


@dataclass(frozen=True)
class ThenRow:
    """A device as it was. `now` is its status at present; None, as a `fleet` of None: that is gone."""

    uuid: str
    name: str
    fleet: Fleet | None
    status: str
    since: datetime
    links: tuple[Indicator, ...]
    now: str | None
    moved_to: Fleet | None  # where it is now, if elsewhere

    @property
    def short_uuid(self) -> str:
        return self.uuid[:7]


def rows_then(found: Sequence[Was], then: Instant) -> list[ThenRow]:
    """The rows of a page, in its order, in four queries at most."""
    ids = [each.pk for each in found]
    present = {each.pk: each for each in _present(ids, then.now)}
    vpn, heartbeat = links_then(ids, then)
    fleets = Fleet.objects.in_bulk({each.fleet_id for each in found})
    return [
        _row(
            each,
            present.get(each.pk),
            fleets.get(each.fleet_id),
            vpn.get(each.pk, (None, None)),
            heartbeat.get(each.pk, (None, None)),
            then.at,
        )
        for each in found
    ]


def _present(ids: Sequence[int], now: datetime) -> Any:
    return with_status(Device.objects.filter(pk__in=ids), now).select_related("fleet")


def links_then(ids: Sequence[int], then: Instant) -> tuple[dict[int, State], dict[int, State]]:
    """The VPN and the heartbeat of these devices then, and since when; without those never seen."""
    states: dict[str, dict[int, State]] = {"vpn": {}, "heartbeat": {}}
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [list(ids), then.at])
        for pk, link, state, since in cursor.fetchall():
            states[link][pk] = (state, since)
    moved = sorted({*ids} & {*then.passed})
    for device in with_status(Device.objects.filter(pk__in=moved), then.at) if moved else ():
        if device.vpn_since:
            states["vpn"][device.pk] = ("connected" if device.vpn else "disconnected", device.vpn_since)
        states["heartbeat"][device.pk] = (device.heartbeat, device.heartbeat_since)
    return states["vpn"], states["heartbeat"]


def _row(was: Was, device: Any, fleet: Fleet | None, vpn: State, heartbeat: State, at: datetime) -> ThenRow:
    used = device is None or device.vpn_enabled
    return ThenRow(
        uuid=was.uuid,
        name=was.name or was.uuid[:7],
        fleet=fleet,
        status=was.status,
        since=was.status_since,
        links=(_vpn(vpn, at, used=used), _heartbeat(heartbeat, at)),
        now=device.status if device else None,
        moved_to=device.fleet if device and device.fleet_id != was.fleet_id else None,
    )


def _vpn(link: State, at: datetime, *, used: bool) -> Indicator:
    """Whether it is used at all is a setting, of which only the present one is known."""
    down = {"disconnected": "lost", None: "unknown"}
    state = "connected" if link[0] == "connected" else down[link[0]] if used else "off"
    notes = {"unknown": "No connection recorded", "off": "Turned off for this device"}
    note = notes.get(state) or _since(link[1], at)
    return Indicator("vpn", state, f"{settings.VPN_WORD} {VPN_STATES[state]}", link[1], note=note)


def _heartbeat(link: State, at: datetime) -> Indicator:
    state = link[0] or "unknown"
    note = "No contact recorded" if state == "unknown" else _since(link[1], at)
    return Indicator("heartbeat", state, f"API {HEARTBEAT_STATES[state]}", link[1], note=note)


def _since(since: datetime | None, at: datetime) -> str:
    return f"since {words.clock(since, at)}, for {words.duration(at - since)}" if since else ""
