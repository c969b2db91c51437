"""The silence of a source: an outage of that source, in which nothing is concluded of its devices.

It begins with the last sweep once three intervals have passed since, and ends with the next one. An outage
that is over is a SourceOutage; one that lasts follows from `swept_at` (Source.is_silent), whether or not
anything runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from devices.models import Source, SourceOutage

WHOLE: Final = timedelta(minutes=10)  # between two whole ones


def note_end(source: Source, at: datetime) -> None:
    """Record the outage that a sweep at `at` ends, if there was one; the source is as before that sweep."""
    if source.swept_at and source.is_silent(at):
        SourceOutage.objects.get_or_create(source=source, began_at=source.swept_at, defaults={"ended_at": at})
