"""The devices of an incident, a page at a time, each with how the rule holds it and how it is now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from django.http import HttpRequest

from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.sort_links import Choice
from devices.alerts.shares import NO_DEVICE
from devices.clock import Moment
from devices.models import Device, Incident, IncidentMember
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import as_recorded, moved_ids, with_status
from fleets.postgres.keyset import Key, Order, page

PAGE: Final = 25
# By the index of the members of an incident: firing before recovering.
ORDER: Final[Order] = (Key("state", str), Key("id", int))
State = IncidentMember.State
INSIDE: Final = (State.FIRING, State.RECOVERING)


@dataclass(frozen=True)
class Held:
    """A device that a rule holds, or held, in the incident; `device` None: it is gone, or none is meant."""

    member: IncidentMember
    device: DeviceWithStatus | None

    @property
    def name(self) -> str:
        return self.member.device_name or self.member.device_uuid[:7] or "Devices of the rule"

    @property
    def deleted(self) -> bool:
        return self.device is None and self.member.device_id != NO_DEVICE


@dataclass(frozen=True)
class Members:
    """A page of them, with the links to those that are in it and to those that are gone."""

    rows: list[Held]
    shown: list[Choice]
    previous: str | None
    next: str | None


def members(request: HttpRequest, incident: Incident, at: Moment, notices: list[str]) -> Members:
    """The devices that are in the incident, or with `?devices=gone` those that no longer are."""
    over = incident.state == Incident.State.RESOLVED
    gone = over or request.GET.get("devices") == "gone"
    states = (State.GONE,) if gone else INSIDE
    mine = IncidentMember.objects.filter(incident=incident, state__in=states).select_related("rule")
    found = requested_page(request, notices, partial(page, mine, ORDER, PAGE))
    annotated = with_status if moved_ids(at) else as_recorded
    named = Device.objects.filter(
        organization=incident.organization_id, pk__in=[member.device_id for member in found.rows]
    )
    devices = {device.pk: device for device in annotated(named, at)}
    previous, after = beside(request, found)
    shown = (
        []
        if over
        else [
            Choice("In it now", address(request, devices=None), not gone),
            Choice("No longer in it", address(request, devices="gone"), gone),
        ]
    )
    rows = [Held(member, devices.get(member.device_id)) for member in found.rows]
    return Members(rows, shown, previous, after)
