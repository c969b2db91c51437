"""The job of an action over many devices: goes through its selection, a few devices in a transaction.

What was done and what came of each device commit together, so that after the death of a worker the next one
goes on behind the last result, and does no device twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max
from django.http import QueryDict

from devices import bulk, clock, connectivity, freezing, lifecycle
from devices.models import Device, JobResult, SelectedDevice, Selection
from devices.pages.filters import Filters, still_matching
from devices.runs import Refused, Run
from devices.views.filter_query import filters_in
from fleets.models import Fleet

if TYPE_CHECKING:
    from datetime import datetime

    from dashboard.models import User

STEP: Final = 20  # devices in a transaction, which may hold the organization
DONE, SKIPPED = JobResult.Outcome.DONE, JobResult.Outcome.SKIPPED
LEFT: Final = "Deleted, or moved to another organization, meanwhile"
OTHER: Final = "Does not match the filter any more"


def do(run: Run) -> str:
    """Do what its parameters say. Raises Refused where that cannot be done to any device."""
    selection = _selection(run)
    last = JobResult.objects.filter(job=run.job).aggregate(last=Max("device_id"))["last"] or 0
    work = _Work(run, selection)
    while chosen := list(bulk.rest(selection, last, STEP)):
        with run.step() as results:
            results.extend(work.results(chosen))
        last = chosen[-1].device_id
    return _summary(run)


def _selection(run: Run) -> Selection:
    found = Selection.objects.select_related("organization").filter(uuid=run.parameters["selection"]).first()
    if found is None:
        raise Refused("What was selected is not kept any longer.")
    return found


class _Work:
    """What is the same for all devices of a run; its results are of a few of them, in their transaction."""

    def __init__(self, run: Run, selection: Selection) -> None:
        self._run, self._selection = run, selection
        self._action = bulk.ACTIONS[run.parameters["action"]]
        self._actor = _actor(run)
        self._filters = _filters(selection)
        try:
            self._said = bulk.from_parameters(run.parameters["said"], selection.organization)
        except Fleet.DoesNotExist as gone:
            raise Refused("The fleet that they were to move to was deleted.") from gone

    def results(self, chosen: Sequence[SelectedDevice]) -> list[JobResult]:
        at = clock.now()
        if self._action.holds:
            freezing.hold([self._selection.organization_id])
            connectivity.settle_devices([each.device_id for each in chosen], at)
        there = self._there(chosen)
        matching = self._matching(list(there), at)
        return [self._one(each, there.get(each.device_id), matching, at) for each in chosen]

    def _there(self, chosen: Sequence[SelectedDevice]) -> dict[int, Device]:
        devices = bulk.devices_in(self._selection).select_related("organization", "fleet")
        return devices.in_bulk([each.device_id for each in chosen])

    def _matching(self, ids: list[int], at: datetime) -> set[int]:
        if self._filters is None:
            return set(ids)
        found = still_matching(ids, [self._selection.organization], self._filters, at)
        return set(found.values_list("pk", flat=True))

    def _one(
        self, chosen: SelectedDevice, device: Device | None, matching: set[int], at: datetime
    ) -> JobResult:
        if device is None:
            gone = Device(pk=chosen.device_id, uuid=chosen.device_uuid)
            return self._run.result(gone, SKIPPED, LEFT)
        if device.pk not in matching:
            return self._run.result(device, SKIPPED, OTHER)
        return self._run.result(device, *self._outcome(device, at))

    def _outcome(self, device: Device, at: datetime) -> tuple[JobResult.Outcome, str]:
        try:
            changed = self._action.do(device=device, actor=self._actor, at=at, said=self._said)
        except lifecycle.StillConnected as refused:
            return SKIPPED, str(refused)
        except Device.DoesNotExist:
            return SKIPPED, LEFT
        except lifecycle.FleetGone as gone:
            raise Refused(f"{gone}.") from gone
        except PermissionDenied as denied:
            raise Refused(f"{self._actor} may not do this any more.") from denied
        return (DONE, "") if changed else (SKIPPED, self._action.unchanged(self._said))


def _actor(run: Run) -> User:
    """Who started it: who acts, and whose role is asked for with each device."""
    if run.job.started_by is None:
        raise Refused(f"The account of {run.job.started_by_name}, who started it, is gone.")
    return run.job.started_by


def _filters(selection: Selection) -> Filters | None:
    if selection.query is None:
        return None
    unknown: list[str] = []
    filters = filters_in(QueryDict(selection.query), [selection.organization], unknown)
    if unknown:  # a fleet that was deleted: without it the filter would name others
        raise Refused(f"The filter does not mean the same any more. {unknown[0]}")
    return filters


def _summary(run: Run) -> str:
    """What came of them, in a sentence; of each it stands below."""
    found: dict[str, Any] = dict(
        JobResult.objects.filter(job=run.job).order_by().values_list("outcome").annotate(Count("pk"))
    )
    parts = [(DONE, "{} changed"), (SKIPPED, "{} skipped")]
    return ", ".join(words.format(found[outcome]) for outcome, words in parts if outcome in found) + "."
