"""One sweep of a source: all of it is read, then written, then noted. A failed one concludes nothing.

Of two processes that sweep at once only one writes: it finds the source as it was when it began to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from devices import clock
from devices.models import Source
from devices.models.sources import SWEPT_EVERY
from devices.sources import ladder, reading, secrets, silence, writing
from devices.sources.client import Api, Failed, Limited
from devices.sources.ladder import Known
from devices.sources.reading import Quick, Whole
from devices.sources.writing import Sweep, Written

LONGEST_PAUSE: Final = 600  # seconds between two attempts after failures
LONGEST_LIMIT: Final = 3600  # seconds for which a limit of the server is waited for
MOST_REFUSED: Final = 100  # UUIDs that are kept to be listed
# Which a change of the rights of a token looks like.
SEES_NOTHING: Final = "The token sees none of the fleets any longer. Nothing was deleted here."


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep: what it wrote, or why it failed; neither: another process came first."""

    whole: bool
    written: Written | None = None
    error: str = ""


def due_at(source: Source) -> datetime | None:
    """When the next attempt is due; None: at once."""
    return source.tried_at and source.tried_at + timedelta(seconds=source.pause)


def sweep(source: Source, *, whole: bool | None = None, at: datetime | None = None) -> Outcome:
    """Read and write a source once, whole or quick (None: what is due).

    `at` dates it all; None: the database's clock.
    """
    began = at or clock.now()
    whole = _whole_due(source, began) if whole is None else whole
    try:
        fleets = list(source.fleets.values_list("remote_id", flat=True))
        known, read = asyncio.run(_read(source, secrets.read(source), None if whole else fleets))
        _check_sight(read, fleets)
        if not _claim(source, known, at or clock.now()):
            return Outcome(whole)
        work = Sweep(source, began, clock.moment(at))
        written = _write(work, read)
    except (Failed, secrets.Unreadable) as error:
        note_failure(source, error, at or clock.now())
        return Outcome(whole, error=str(error))
    _note(work, written, whole=whole, ended=at or clock.now())
    return Outcome(whole, written)


def note_failure(source: Source, error: Exception, at: datetime) -> None:
    """Note why an attempt failed, as a sentence; the next one comes later the more have failed in a row."""
    pause = min(LONGEST_PAUSE, SWEPT_EVERY.total_seconds() * 2 ** min(source.failures, 10))
    if isinstance(error, Limited):
        pause = max(pause, min(error.seconds, LONGEST_LIMIT))
    Source.objects.filter(pk=source.pk).update(
        tried_at=at, pause=int(pause), failures=F("failures") + 1, error=str(error)
    )


def _whole_due(source: Source, at: datetime) -> bool:
    return source.whole_at is None or at - source.whole_at >= silence.WHOLE


async def _read(source: Source, token: str, fleets: list[int] | None) -> tuple[Known, Whole | Quick]:
    """What the server has, and all that a quick sweep of these fleets reads; None: a whole one.

    Raises Failed.
    """
    async with Api(source.address, token) as api:
        known = ladder.usable(source.known_fields) or await ladder.known_parts(api)
        if fleets is None:
            return known, await reading.whole(api, known, source.only_fleets)
        return known, await reading.quick(api, known, fleets)


def _check_sight(read: Whole | Quick, fleets: Sequence[int]) -> None:
    """Raise Failed if the token sees none of the fleets, where it saw some before."""
    if isinstance(read, Whole) and fleets and not read.applications:
        raise Failed(SEES_NOTHING)


def _claim(source: Source, known: Known, at: datetime) -> bool:
    """Whether nobody else has tried since this source was read; what the server has is remembered."""
    unchanged = Source.objects.filter(pk=source.pk, address=source.address, tried_at=source.tried_at)
    return bool(unchanged.update(tried_at=at, known_fields=known))


def _write(work: Sweep, read: Whole | Quick) -> Written:
    if isinstance(read, Whole):
        return writing.write_whole(work, read)
    return writing.write_quick(work, read)


@transaction.atomic
def _note(work: Sweep, written: Written, *, whole: bool, ended: datetime) -> None:
    """Note that the sweep is written, and that an outage of the source is over."""
    source, at = work.source, work.at.at
    silence.note_end(source, at)
    lasted = (ended - work.read_from).total_seconds()
    values: dict[str, Any] = {
        "swept_at": at,
        "tried_at": at,
        "pause": max(1, int(SWEPT_EVERY.total_seconds() - lasted)),
        "failures": 0,
        "error": "",
    }
    if whole:
        values |= {"whole_at": at, "refused_uuids": list(written.refused)[:MOST_REFUSED]}
    Source.objects.filter(pk=source.pk).update(**values)
