"""Creating and deleting fleets; devices/operations/fleet_settings.py changes their settings."""

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
    """A fleet of this site, in any organization, has the slug already."""


class HasDevices(Exception):
    """The fleet has devices, so it is not deleted; `devices` is their number."""

    def __init__(self, fleet: Fleet, devices: int) -> None:
        super().__init__(f"{fleet} has {devices} devices.")
        self.devices = devices


def version(settings: Mapping[str, Any]) -> str:
    """A digest of the settings in CHANGEABLE, for a form to send back: other settings have another digest."""
    text = repr([settings[name] for name in CHANGEABLE])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def settings_of(fleet: Fleet) -> dict[str, Any]:
    """The settings in CHANGEABLE of this fleet, read from the database."""
    settings: dict[str, Any] = Fleet.objects.filter(pk=fleet.pk).values(*CHANGEABLE).get()
    return settings


@transaction.atomic
def create(
    *,
    organization: Organization,
    actor: Actor | None,
    name: str,
    slug: str,
    at: datetime | None = None,
    by: str = audit.CONSOLE,
    **settings: Any,
) -> Fleet:
    """Create a fleet without devices; `settings` are any of CHANGEABLE, valid as a form has checked them.

    `by` names the actor if it is no person. Raises PermissionDenied, SlugTaken.
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
        by=by,
    )
    return fleet


@transaction.atomic
def delete(*, fleet: Fleet, actor: Actor | None, at: datetime | None = None, by: str = audit.CONSOLE) -> None:
    """Delete a fleet that has no devices, with its provisioning keys.

    `by` names the actor if it is no person. Raises PermissionDenied, HasDevices.
    """
    # Devices that register or move wait for this lock, and then find that the fleet is gone.
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
        by=by,
    )
