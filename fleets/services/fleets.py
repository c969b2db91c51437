"""How fleets come and go. What a fleet says about its devices is changed by
devices/operations/fleet_settings.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from devices import clock, freezing
from devices.models import ApiKey, Device
from devices.operations.fleet_settings import settings_of
from fleets import audit
from fleets.access import roles
from fleets.models import Fleet, Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Actor


class SlugTaken(Exception):
    """A fleet of this site has the slug: addresses name fleets by it alone."""


class HasDevices(Exception):
    """A fleet that has devices stays. `devices` says how many."""

    def __init__(self, fleet: Fleet, devices: int) -> None:
        super().__init__(f"{fleet} has {devices} devices.")
        self.devices = devices


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
    """A fleet without devices; its settings are those of fleet_settings.CHANGEABLE, and valid (a form's).

    Raises PermissionDenied, SlugTaken.
    """
    roles.require(actor, Role.ADMINISTRATOR, organization)
    try:
        with transaction.atomic():
            fleet = Fleet.objects.create(organization=organization, name=name, slug=slug, **settings)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise SlugTaken(f"A fleet {slug} exists on this site.") from error
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
    freezing.hold([fleet.organization_id])
    roles.require(actor, Role.ADMINISTRATOR, fleet.organization)
    if devices := Device.objects.filter(fleet=fleet).count():
        raise HasDevices(fleet, devices)
    keys = ApiKey.objects.filter(fleet=fleet, revoked_at=None).order_by("pk")
    said = {"name": fleet.name, "keys": list(keys.values_list("name", flat=True))}
    Fleet.objects.filter(pk=fleet.pk).delete()
    audit.record(
        "fleet-deleted",
        actor=actor,
        organization=fleet.organization,
        subject=("fleet", fleet.slug, fleet.name),
        at=at or clock.now(),
        before=said,
    )
