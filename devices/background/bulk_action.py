"""The job of a bulk action: applies it to the devices of a selection, some hundreds in a transaction.

Changes and results are committed together, so that after the death of a worker the next one continues behind
the last result, and handles no device twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db.models import Count, Max

from devices import clock
from devices.clock import Moment
from devices.jobs.runner import Refused, Result, Run
from devices.listing import kept_list
from devices.listing.filters import Filters, still_matching
from devices.models import Device, JobResult, Selection
from devices.operations import batch as batch_actions
from devices.operations import bulk_actions, lifecycle
from devices.operations.batch import Batch, Outcomes
from devices.transitions.write import settle_devices
from devices.words import of_site
from fleets.access import locks
from fleets.models import Fleet

STEP: Final = 500  # devices per transaction, which may lock the organization
DONE, SKIPPED = JobResult.Outcome.DONE, JobResult.Outcome.SKIPPED
LEFT: Final = "Deleted or moved to another organization meanwhile"
OTHER: Final = "No longer matches the filter"


def do(run: Run) -> str:
    """Apply the action of the job's parameters; returns a summary.

    Raises Refused where it cannot be applied.
    """
    selection = _selection(run)
    last = JobResult.objects.filter(job=run.job).aggregate(last=Max("device_id"))["last"] or 0
    work = _Work(run, selection)
    while chosen := list(bulk_actions.rest(selection, last, STEP)):
        with run.step() as results:
            results.extend(work.results(chosen))
        last, _ = chosen[-1]
    return _summary(run)


def _selection(run: Run) -> Selection:
    found = Selection.objects.select_related("organization").filter(uuid=run.parameters["selection"]).first()
    if found is None:
        raise Refused("The selection is no longer kept.")
    return found


class _Work:
    """An action with its payload, actor and filters; `results` applies it to a part of the selection."""

    def __init__(self, run: Run, selection: Selection) -> None:
        self._run, self._organization = run, selection.organization
        self._action = bulk_actions.ACTIONS[run.parameters["action"]]
        self._actor = run.actor
        self._filters = _filters(selection)
        try:
            self._payload = bulk_actions.from_parameters(run.parameters["said"], selection.organization)
        except Fleet.DoesNotExist as gone:
            raise Refused(of_site("The {fleet} that the devices should move to was deleted.")) from gone

    def results(self, chosen: Sequence[tuple[int, str]]) -> list[Result]:
        """Apply the action to devices given as (id, UUID), in the caller's transaction; a result for each."""
        at = clock.moment()
        names = self._there([pk for pk, _ in chosen], at)
        matching = self._matching(names, at)
        outcomes = self._done(sorted(matching), at) if matching else {}
        outcomes |= dict.fromkeys(names.keys() - matching, OTHER)
        return [self._result(pk, uuid, names.get(pk, ""), outcomes.get(pk, LEFT)) for pk, uuid in chosen]

    def _there(self, ids: list[int], at: Moment) -> dict[int, str]:
        """The names, by id, of the devices that exist in the organization, locked and settled."""
        if self._action.holds:
            locks.hold([self._organization.pk])
            settle_devices(ids, at)
        there = Device.objects.filter(organization=self._organization, pk__in=ids).order_by("pk")
        return dict(there.select_for_update(no_key=True, of=("self",)).values_list("pk", "name"))

    def _matching(self, ids: Iterable[int], at: Moment) -> set[int]:
        if self._filters is None:
            return set(ids)
        found = still_matching(ids, [self._organization], self._filters, at)
        return set(found.order_by().values_list("pk", flat=True))

    def _done(self, ids: list[int], at: Moment) -> Outcomes:
        try:
            return self._action.do(Batch(ids, self._organization, self._actor, at), self._payload)
        except lifecycle.FleetGone as gone:
            raise Refused(f"{gone}.") from gone

    def _result(self, device_id: int, uuid: str, name: str, why: str) -> Result:
        if why == batch_actions.CHANGED:
            return Result(device_id, uuid, name, DONE)
        reason = self._action.unchanged(self._payload) if why == batch_actions.UNCHANGED else why
        return Result(device_id, uuid, name, SKIPPED, reason)


def _filters(selection: Selection) -> Filters | None:
    if selection.kept is None:
        return None
    unknown: list[str] = []
    try:
        kept = kept_list.read_for_work(selection.kept)
    except kept_list.Unreadable as unreadable:
        raise Refused(f"The filter can no longer be read. {unreadable}") from unreadable
    filters = kept_list.resolved(kept.filters, [selection.organization], unknown)
    if unknown:  # a fleet that was deleted: without it the filter would match other devices
        raise Refused(f"The filter no longer means the same. {unknown[0]}")
    return filters


def _summary(run: Run) -> str:
    """How many devices were changed and skipped, as a sentence."""
    found: dict[str, Any] = dict(
        JobResult.objects.filter(job=run.job).order_by().values_list("outcome").annotate(Count("pk"))
    )
    done, skipped = found.get(DONE, 0), found.get(SKIPPED, 0)
    if done and skipped:
        return f"{done} changed, {skipped} skipped."
    return f"{skipped} skipped." if skipped else f"{done} changed."
