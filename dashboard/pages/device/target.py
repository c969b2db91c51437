"""What pages of an action on one device share: finding the device, its context, and the page of a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from dashboard.http.scope import Scope, request_scope
from dashboard.pages.parts.access import require
from dashboard.pages.parts.mirrored import require_own
from dashboard.templating import indicators
from devices import clock
from devices.listing.filters import in_organizations
from devices.models import Device
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status
from fleets.models import Role
from fleets.text import isolated


@dataclass(frozen=True)
class Target:
    """The device that an address names, with its status at `at`."""

    device: DeviceWithStatus
    at: datetime
    scope: Scope

    def context(self, **more: Any) -> dict[str, Any]:
        """The context that templates/devices/action.html expects, with `more` added."""
        shown = {"nav": "fleets", "scope": self.scope, "at": self.at, "device": self.device}
        return shown | {"links": (indicators.vpn(self.device), indicators.heartbeat(self.device))} | more


def find_target(request: HttpRequest, uuid: str, least: Role, *, own: bool = True) -> Target:
    """The device with this UUID.

    Raises Http404 for strangers, PermissionDenied for roles below `least`, and Mirrored where a source is in
    charge of the device, unless the action may be done to such a device, too: then `own` is False.
    """
    at, scope = clock.moment(), request_scope(request)
    devices = with_status(in_organizations(scope.chosen), at).select_related(
        "fleet", "organization", "mirrored__source"
    )
    found = get_object_or_404(devices, uuid=uuid)
    require(scope, found.organization, least)
    if own:
        require_own(found)
    return Target(found, at.at, scope)


def gone(request: HttpRequest, device: Device) -> HttpResponse:
    """The page, with status 404, for a device that was deleted after it was read."""
    words = f"{isolated(device)} was deleted meanwhile. Nothing else was changed."
    context = {"heading": "This device no longer exists", "words": words}
    return render(request, "refused.html", context, status=404)
