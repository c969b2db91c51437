"""Changing a fleet's settings, and applying them to its devices in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from devices import clock, freezing
from devices.clock import Moment
from devices.keys import mirrored
from devices.models import Device
from devices.transitions.write import settle_devices
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Fleet, Role
from fleets.services.fleets import settings_of, version

if TYPE_CHECKING:
    from fleets.actor import Actor


@transaction.atomic
def change_fleet(
    *,
    fleet: Fleet,
    actor: Actor | None,
    at: datetime | Moment | None = None,
    seen: str | None = None,
    tell: freezing.Tell | None = None,
    by: str = audit.CONSOLE,
    **settings: Any,
) -> None:
    """Set those of the fleet's settings (fleets.services.fleets.CHANGEABLE) that are given, to valid values.

    A type freezes or thaws devices. The VPN's setting reaches the devices without a setting of their own. A
    poll interval is in force from each device's next poll on. `seen` is the `version` of the settings that
    the person saw; `tell` is called with the progress of freezing; `by` names the actor if it is no person.
    Raises PermissionDenied, and ChangedMeanwhile where the settings differ from that version.
    """
    at = clock.moment(at)
    locks.hold([fleet.organization_id])
    roles.require(actor, Role.ADMINISTRATOR, fleet.organization)
    if actor and settings.keys() - {"type"}:
        mirrored.require_own_fleet(fleet)
    before = settings_of(fleet)
    if seen is not None and seen != version(before):
        raise ChangedMeanwhile(f"The settings of {fleet}", before)
    after = {name: value for name, value in settings.items() if before[name] != value}
    if not after:
        return
    Fleet.objects.filter(pk=fleet.pk).update(**after)
    if "vpn_enabled" in after:
        _follow_vpn(fleet, actor, at, enabled=bool(after["vpn_enabled"]))
    if "type" in after:
        freezing.refreeze(fleet.organization_id, at, tell=tell)
    audit.record(
        "fleet-changed",
        actor=actor,
        organization=fleet.organization,
        subject=("fleet", fleet.slug, fleet.name),
        at=at.at,
        before={name: before[name] for name in after},
        after=after,
        by=by,
    )


def _follow_vpn(fleet: Fleet, actor: Actor | None, at: Moment, *, enabled: bool) -> None:
    following = Device.objects.filter(fleet=fleet, vpn_setting=None).exclude(vpn_enabled=enabled)
    settle_devices(following.values_list("pk", flat=True), at)
    reason = {"slug": "vpn-setting"} | ({"by": actor.get_username()} if actor else {})
    following.update(vpn_enabled=enabled, facts_at=at.at, facts_reason=reason)
