"""What a fleet says about its devices, and how a change reaches them in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from devices import clock, connectivity, freezing
from devices.models import Device
from fleets import audit, roles
from fleets.models import Fleet, Role

if TYPE_CHECKING:
    from dashboard.models import User

CHANGEABLE = ("name", "type", "device_type", "poll_interval", "vpn_enabled")


@transaction.atomic
def change_fleet(*, fleet: Fleet, actor: User | None, at: datetime | None = None, **settings: Any) -> None:
    """Set those of `CHANGEABLE` that are named; the values are valid (a form's).

    A type freezes or thaws its devices; VPN on or off reaches those that do not say so themselves; a poll
    interval counts from each device's next poll. Raises PermissionDenied.
    """
    roles.require(actor, Role.ADMINISTRATOR, fleet.organization)
    at = at or clock.now()
    freezing.hold([fleet.organization_id])
    before = Fleet.objects.filter(pk=fleet.pk).values(*CHANGEABLE).get()
    after = {name: value for name, value in settings.items() if before[name] != value}
    if not after:
        return
    Fleet.objects.filter(pk=fleet.pk).update(**after)
    if "vpn_enabled" in after:
        _follow_vpn(fleet, actor, at, enabled=after["vpn_enabled"])
    if "type" in after:
        freezing.refreeze(fleet.organization_id, at)
    audit.record(
        "fleet-changed",
        actor=actor,
        organization=fleet.organization,
        subject=("fleet", fleet.slug, fleet.name),
        at=at,
        before={name: before[name] for name in after},
        after=after,
    )


def _follow_vpn(fleet: Fleet, actor: User | None, at: datetime, *, enabled: bool) -> None:
    following = Device.objects.filter(fleet=fleet, vpn_setting=None).exclude(vpn_enabled=enabled)
    connectivity.settle_devices(following.values_list("pk", flat=True), at)
    reason = {"slug": "vpn-setting"} | ({"by": actor.get_username()} if actor else {})
    following.update(vpn_enabled=enabled, facts_at=at, facts_reason=reason)
