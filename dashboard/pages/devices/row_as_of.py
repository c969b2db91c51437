"""The rows of a list as of a past minute: status and links as of the minute, and the present status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.templating.indicators import HEARTBEAT_STATES, Indicator, vpn_in, vpn_state
from devices import words
from devices.history.counts_as_of import Instant
from devices.listing.device_as_of import DeviceAsOf, Link, Was, devices_as_of
from fleets.models import Fleet


@dataclass(frozen=True)
class RowAsOf:
    """A device as of the minute. `now` is its present status.

    `now` is None if the device was deleted since, `fleet` is None if its fleet was.
    """

    uuid: str
    name: str
    fleet: Fleet | None
    status: str
    since: datetime
    links: tuple[Indicator, ...]
    now: str | None
    moved_to: Fleet | None  # its present fleet, if it is another one

    @property
    def short_uuid(self) -> str:
        return self.uuid[:7]


def rows_as_of(found: Sequence[Was], instant: Instant) -> list[RowAsOf]:
    """The rows for these states of devices, in their order; takes four queries at most."""
    return [_row(state, instant.at.at) for state in devices_as_of(found, instant)]


def _row(state: DeviceAsOf, at: datetime) -> RowAsOf:
    was, device = state.was, state.device
    # Whether the VPN is used is a setting, whose past values are not stored.
    vpn = vpn_state(state.vpn.state, device)
    return RowAsOf(
        uuid=was.uuid,
        name=was.name or was.uuid[:7],
        fleet=state.fleet,
        status=was.status,
        since=was.status_since,
        links=(
            vpn_in(vpn, state.vpn.since, _since(state.vpn.since, at)),
            _heartbeat(state.heartbeat, at),
        ),
        now=device.status if device else None,
        moved_to=device.fleet if device and device.fleet_id != was.fleet_id else None,
    )


def _heartbeat(link: Link, at: datetime) -> Indicator:
    state = link.state or "unknown"
    note = "No contact recorded" if state == "unknown" else _since(link.since, at)
    return Indicator("heartbeat", state, f"API {HEARTBEAT_STATES[state]}", link.since, note=note)


def _since(since: datetime | None, at: datetime) -> str:
    return f"since {words.clock(since, at)}, for {words.duration(at - since)}" if since else ""
