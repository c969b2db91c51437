"""The job by which the devices of a fleet follow what became of its VPN without a person: in batches.

Each batch is done with its results in one transaction, and a device that has followed is not found again, so
that after the death of a worker the next one goes on with the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from devices import clock
from devices.connectivity.vpn_beginning import BEGAN, behind
from devices.models import Device, Job, JobResult
from devices.transitions.write import settle_devices
from devices.words import thousands
from fleets.access import locks
from fleets.models import Fleet

if TYPE_CHECKING:
    from devices.jobs.runner import Run

STEP: Final = 500  # devices in a transaction, which holds the organization
UNSET: Final = "vpn-unset"


def do(run: Run) -> str:
    """Bring the devices of the fleet to what it says, as long as it says that."""
    while True:
        with run.step() as results:
            results.extend(run.result(item, JobResult.Outcome.DONE) for item in some(run.job))
        if not results:
            followed = JobResult.objects.filter(job=run.job).count()
            return "1 device follows." if followed == 1 else f"{thousands(followed)} devices follow."


def some(job: Job) -> list[Device]:
    """The next devices, which follow now; none where all do, or the fleet is gone or says another thing."""
    at, used = clock.moment(), bool(job.parameters["used"])
    locks.hold([job.organization_id])
    fleet = Fleet.objects.filter(pk=job.parameters["fleet"], organization=job.organization_id).first()
    if fleet is None or bool(fleet.vpn_enabled) != used:
        return []  # who set it has brought its devices to it
    following = Device.objects.filter(behind(fleet, used=used)).order_by("pk")
    ids = list(following.values_list("pk", flat=True)[:STEP])
    settle_devices(ids, at)
    following = following.filter(pk__in=ids)  # under its lock: a device may have set its own meanwhile
    devices = list(following)
    following.update(vpn_enabled=used, facts_at=at.at, facts_reason={"slug": BEGAN if used else UNSET})
    return devices
