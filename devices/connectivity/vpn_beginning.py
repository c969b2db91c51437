"""How a fleet begins to use the VPN: by the first connect of one of its devices (domain.md, the facts).

Used by devices/connectivity/vpn.py alone. A fleet whose VPN is set, on or off, is not changed by a connect.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q

from devices import jobs
from devices.models import Device, Job
from devices.words import of_site
from fleets import audit
from fleets.access import locks
from fleets.models import Fleet, Role

BEGAN: Final = "vpn-began"  # the slug of the reason in the history
# Devices `d` of fleets `f`: without any setting, and those that have not followed their fleet yet.
UNSET: Final = "d.vpn_setting IS NULL AND f.vpn_enabled IS NULL"
BEHIND: Final = (
    "d.vpn_setting IS NULL AND f.vpn_enabled IS NOT FALSE AND NOT (d.vpn_enabled AND f.vpn_enabled IS TRUE)"
)
HELD: Final = f"""
SELECT DISTINCT d.organization_id FROM devices_device d JOIN fleets_fleet f ON f.id = d.fleet_id
WHERE d.id = ANY(%(ids)s) AND (({UNSET}) OR (%(activates)s AND NOT d.is_active))
"""
FOUND: Final = f"""
SELECT d.id, NOT d.is_active, {BEHIND} FROM devices_device d JOIN fleets_fleet f ON f.id = d.fleet_id
WHERE d.id = ANY(%(ids)s) AND (({BEHIND}) OR NOT d.is_active) ORDER BY d.id
"""


def hold(ids: Collection[int], *, activates: bool) -> None:
    """Lock the organizations of the devices (by id) whose fleet a connect sets, as a rule none.

    `activates`: the connect is also contact; then those of devices that it activates as well.
    """
    if ids and (found := _rows(HELD, ids=list(ids), activates=activates)):
        locks.hold(organization for (organization,) in found)


def found(ids: Collection[int]) -> tuple[list[int], list[int]]:
    """Of these device ids, which are locked: those not active, and those whose VPN a connect sets to on."""
    rows = _rows(FOUND, ids=list(ids))
    return [pk for pk, inactive, _ in rows if inactive], [pk for pk, _, behind in rows if behind]


def begin(ids: Collection[int], server: str, at: datetime) -> None:
    """Set the VPN of the devices (by id) that `server` connected, and of their fleets, to on.

    The other devices of such a fleet follow by a job. The organizations are locked by `hold`; that of a
    device which was moved since is locked here, out of order: a deadlock is solved by the caller's second
    attempt.
    """
    if not ids:
        return
    connected = Device.objects.filter(pk__in=ids, vpn_connected=True)
    unset = connected.filter(fleet__vpn_enabled=None)
    locks.hold(unset.order_by().values_list("organization_id", flat=True))
    fleets = Fleet.objects.filter(pk__in=unset.order_by().values("fleet"), vpn_enabled=None)
    began = list(fleets.select_related("organization").order_by("pk"))
    Fleet.objects.filter(pk__in=[fleet.pk for fleet in began]).update(vpn_enabled=True)
    reason = {"slug": BEGAN, "server": server}
    behind = connected.filter(fleet__vpn_enabled=True, vpn_enabled=False)
    Device.objects.filter(pk__in=list(behind.values_list("pk", flat=True))).update(
        vpn_enabled=True, facts_at=at, facts_reason=reason
    )
    for fleet in began:
        _tell(fleet, server, at)


def _tell(fleet: Fleet, server: str, at: datetime) -> None:
    """Write the audit log, and start the job by which the other devices of the fleet follow."""
    by = of_site("{vpn} server {server}", server=server)
    audit.record(
        "fleet-changed",
        actor=None,
        organization=fleet.organization,
        subject=("fleet", fleet.slug, fleet.name),
        at=at,
        before={"vpn_enabled": None},
        after={"vpn_enabled": True},
        by=by,
    )
    if others := Device.objects.filter(behind(fleet, used=True)).count():
        jobs.start(
            kind=Job.Kind.VPN,
            organization=fleet.organization,
            title=of_site("The {fleet} {name} began to use the {vpn}", name=fleet.name)[:255],
            actor=None,
            by=by,
            parameters={"fleet": fleet.pk, "used": True},
            total=others,
            whole=False,
            least=Role.ADMINISTRATOR,
            at=at,
        )


def behind(fleet: Fleet, *, used: bool) -> Q:
    """The condition of devices that have no VPN setting of their own and not yet the fleet's, `used`."""
    return Q(fleet=fleet, vpn_setting=None) & ~Q(vpn_enabled=used)


def _rows(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
