"""Writing what relayed calls proved, by the services that the site's own calls use."""

from __future__ import annotations

import logging
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import transaction
from django.db.models import F

from devices import clock, freezing
from devices.ingest.contacts import record
from devices.ingest.database import in_database
from devices.ingest.http import Refused
from devices.ingest.relay import facts
from devices.ingest.relay.observations import Observation, Poll, Report
from devices.models import MirroredDevice, Source
from devices.operations.configuration import set_poll_intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devices.ingest.relay.backlog import Seen

logger = logging.getLogger("devices.ingest")

NOTE_EVERY: Final = 30.0  # seconds between two notes that calls of a source are seen


class Writer:
    """Writes the observations of one process, in one thread."""

    def __init__(self) -> None:
        self._noted: dict[int, float] = {}  # by source, seconds of the monotonic clock

    def write(self, batch: Sequence[Seen], lost: Mapping[int, int]) -> dict[int, int]:
        """Write observations, of devices' contacts or a single one, and how many were lost before, by source.

        Returns how many of these could not be written, by source. Raises Refused (503) where the database
        does not answer; then nothing of them was written.
        """
        failed = _write(batch)
        now = time.monotonic()
        for source in {seen.source for seen in batch} | lost.keys():
            if source in lost or now - self._noted.get(source, -NOTE_EVERY) >= NOTE_EVERY:
                in_database(partial(_note, source, lost.get(source, 0)))
                self._noted[source] = now
        return failed


def _note(source: int, lost: int) -> None:
    """Note that calls of a source are seen; in a transaction of its own, since sweeps lock its row longer."""
    at = clock.now()
    notes: dict[str, Any] = {"relay_seen_at": at}
    if lost:
        notes |= {"relay_lost": F("relay_lost") + lost, "relay_lost_at": at}
    Source.objects.filter(pk=source).update(**notes)


def _write(batch: Sequence[Seen]) -> dict[int, int]:
    """A batch that fails is halved until the culprit stands alone; it is logged, and its facts are lost."""
    work = partial(_contacts, batch) if batch[0].is_contact else partial(facts.write, batch[0])
    try:
        in_database(work)
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, the others are written
        if len(batch) == 1:
            logger.warning("a fact of a relayed call was not written: %s", str(error).partition("\n")[0])
            return {batch[0].source: 1}
        middle = len(batch) // 2
        return dict(Counter(_write(batch[:middle])) + Counter(_write(batch[middle:])))
    return {}


class Known(NamedTuple):
    """A device of a source, as a batch finds it."""

    pk: int
    number: int  # its id in the API
    frozen_reason: str
    interval: int | None


def _contacts(batch: Sequence[Seen]) -> None:
    """Write polls and reports, as `devices.ingest.contacts` does for those of the site's own calls."""
    told = _told(batch)
    polls = {device.pk: poll.address for device, poll in told if isinstance(poll, Poll)}
    intervals = {
        device.pk: poll.interval
        for device, poll in told
        if isinstance(poll, Poll) and poll.interval is not None and poll.interval != device.interval
    }
    reported = [
        (device.pk, report.facts)
        for device, report in told
        if isinstance(report, Report) and report.number in {0, device.number} and not device.frozen_reason
    ]
    if intervals:  # before the polls, whose windows they decide
        set_poll_intervals(intervals)
    if polls or reported:
        _record(polls, reported)


@transaction.atomic
def _record(polls: dict[int, str], reported: list[tuple[int, dict[str, Any]]]) -> None:
    if reported:
        freezing.hold_for_contact({*polls, *(device_id for device_id, _ in reported)})
    # No supervisors: their least interval is that of the site's own answers. The API counts by what it told.
    record(polls, reported, clock.moment(), supervisors=())
    MirroredDevice.objects.filter(pk__in=polls, refused_at__isnull=False).update(refused_at=None)


def _told(batch: Sequence[Seen]) -> list[tuple[Known, Observation]]:
    """The observations with their devices, where these are devices of that source."""
    named = [(seen, seen.observation.uuid) for seen in batch if isinstance(seen.observation, Poll | Report)]
    rows = MirroredDevice.objects.filter(device__uuid__in={uuid for _, uuid in named}).values_list(
        *("source_id", "device__uuid", "device_id", "remote_id"),
        *("device__frozen_reason", "device__poll_interval"),
    )
    known = {(source, uuid): Known(*facts) for source, uuid, *facts in rows}
    return [(device, seen.observation) for seen, uuid in named if (device := known.get((seen.source, uuid)))]
