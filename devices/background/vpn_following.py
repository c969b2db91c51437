"""The job by which the devices of a fleet follow its VPN setting, where no person changed that, in batches.

Each batch is committed with its results, and a device that has followed is not found again, so that after the
death of a worker the next one continues with the rest.
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

STEP: Final = 500  # devices per transaction, which locks the organization
UNSET: Final = "vpn-unset"


def do(run: Run) -> str:
    """The work of the job: brings the devices to the setting of their fleet, as long as that is unchanged."""
    while True:
        with run.step() as results:
            results.extend(run.result(item, JobResult.Outcome.DONE) for item in follow_next(run.job))
        if not results:
            followed = JobResult.objects.filter(job=run.job).count()
            return "1 device follows." if followed == 1 else f"{thousands(followed)} devices follow."


def follow_next(job: Job) -> list[Device]:
    """Let the next devices follow, and return them.

    None: all follow, or the fleet was deleted or set since.
    """
    at, used = clock.moment(), bool(job.parameters["used"])
    locks.hold([job.organization_id])
    fleet = Fleet.objects.filter(pk=job.parameters["fleet"], organization=job.organization_id).first()
    if fleet is None or bool(fleet.vpn_enabled) != used:
        return []  # whoever set it has changed its devices as well
    following = Device.objects.filter(behind(fleet, used=used)).order_by("pk")
    ids = list(following.values_list("pk", flat=True)[:STEP])
    settle_devices(ids, at)
    following = following.filter(pk__in=ids)  # under the locks: a device may have set its own meanwhile
    devices = list(following)
    following.update(vpn_enabled=used, facts_at=at.at, facts_reason={"slug": BEGAN if used else UNSET})
    return devices
