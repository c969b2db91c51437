"""Functions that create rows for tests, with defaults; T0 is the moment at which most tests begin."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from dashboard.models import User
from devices.models import Device
from fleets.models import Fleet, Membership, Organization, Role

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_numbers = count(1)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def make_organization(name: str = "", **fields: Any) -> Organization:
    number = next(_numbers)
    name = name or f"Organization {number}"
    return Organization.objects.create(**{"name": name, "slug": f"organization-{number}"} | fields)


def make_member(
    organization: Organization, role: Role = Role.OPERATOR, username: str = "", **fields: Any
) -> User:
    username = username or f"person-{next(_numbers)}"
    user = User.objects.create_user(username, **fields)
    Membership.objects.create(organization=organization, user=user, role=role)
    return user


def make_fleet(organization: Organization | None = None, **fields: Any) -> Fleet:
    """Create a fleet that uses the VPN; with vpn_enabled=None nobody has set whether it does."""
    number = next(_numbers)
    return Fleet.objects.create(
        organization=organization or make_organization(),
        **{"name": f"fleet-{number}", "slug": f"fleet-{number}", "vpn_enabled": True} | fields,
    )


def make_uuid() -> str:
    return f"{next(_numbers):032x}"


def make_device(fleet: Fleet | None = None, **fields: Any) -> Device:
    """Create an active device that registered at T0 and made no contact since, so it is Post Provisioning."""
    fleet = fleet or make_fleet()
    facts = {"is_active": True, "provisioned_at": T0, "activated_at": T0, "created_at": T0}
    uuid = make_uuid()
    defaults = {"uuid": uuid, "name": f"device-{int(uuid, 16)}", **facts}
    if fleet.vpn_enabled is None:
        defaults["vpn_enabled"] = False
    device = Device.objects.create(fleet=fleet, **defaults | fields)
    device.refresh_from_db()
    return device


def make_devices(fleet: Fleet, number: int) -> None:
    """Create so many active devices, each activated a second after the one before."""
    Device.objects.bulk_create(
        Device(
            organization=fleet.organization,
            fleet=fleet,
            uuid=make_uuid(),
            is_active=True,
            provisioned_at=T0,
            activated_at=T0 + seconds(place),
        )
        for place in range(number)
    )
