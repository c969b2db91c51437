"""How fleets come and go. What a fleet says about its devices is changed by
devices/operations/fleet_settings.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from django.db import transaction

from fleets import audit
from fleets.access import locks, roles
from fleets.models import Fleet, Organization, Role
from fleets.postgres import clock
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from fleets.actor import Actor


CHANGEABLE = ("name", "type", "device_type", "poll_interval", "vpn_enabled")


class SlugTaken(Exception):
    """A fleet of this site has the slug: addresses name fleets by it alone."""


class HasDevices(Exception):
    """A fleet that has devices stays. `devices` says how many."""

    def __init__(self, fleet: Fleet, devices: int) -> None:
        super().__init__(f"{fleet} has {devices} devices.")
        self.devices = devices


def version(settings: Mapping[str, Any]) -> str:
    """Names these settings, so that a change can tell whether it was made up from them."""
    text = repr([settings[name] for name in CHANGEABLE])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def settings_of(fleet: Fleet) -> dict[str, Any]:
    """Its settings as they stand in the database."""
    found: dict[str, Any] = Fleet.objects.filter(pk=fleet.pk).values(*CHANGEABLE).get()
    return found


@transaction.atomic
def create(
    *,
    organization: Organization,
    actor: Actor | None,
    name: str,
    slug: str,
    at: datetime | None = None,
    **settings: Any,
) -> Fleet:
    """A fleet without devices; its settings are those of CHANGEABLE, and valid (a form's).

    Raises PermissionDenied, SlugTaken.
    """
    roles.require(actor, Role.ADMINISTRATOR, organization)
    with unique_violation(lambda _: SlugTaken(f"There is already a fleet {slug} on this site.")):
        fleet = Fleet.objects.create(organization=organization, name=name, slug=slug, **settings)
    audit.record(
        "fleet-created",
        actor=actor,
        organization=organization,
        subject=("fleet", slug, name),
        at=at or clock.now(),
        after=settings_of(fleet),
    )
    return fleet


@transaction.atomic
def delete(*, fleet: Fleet, actor: Actor | None, at: datetime | None = None) -> None:
    """Delete a fleet without devices, and its provisioning keys with it.

    Raises PermissionDenied, HasDevices.
    """
    # Devices that register or move wait here, and then for a fleet that is gone.
    locks.hold([fleet.organization_id])
    roles.require(actor, Role.ADMINISTRATOR, fleet.organization)
    if devices := fleet.devices.count():
        raise HasDevices(fleet, devices)
    keys = fleet.provisioning_keys.filter(revoked_at=None).order_by("pk")
    payload = {"name": fleet.name, "keys": list(keys.values_list("name", flat=True))}
    Fleet.objects.filter(pk=fleet.pk).delete()
    audit.record(
        "fleet-deleted",
        actor=actor,
        organization=fleet.organization,
        subject=("fleet", fleet.slug, fleet.name),
        at=at or clock.now(),
        before=payload,
    )
