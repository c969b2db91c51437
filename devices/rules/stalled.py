"""Stalled devices: those that configure or update, without progress for long (domain.md, Needs attention)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import BooleanField, DateTimeField, Q, Value

from devices.rules.live_links import over
from devices.rules.vocabulary import PROGRESSING, STALLED_AFTER
from fleets.postgres.expressions import Sql
from fleets.postgres.fragment import Fragment

# By less than so much recorded_progress_at is older than the progress (devices/models/device.py).
PROGRESS_KEPT: Final = timedelta(minutes=10)
NAMED: Final = f"({', '.join(repr(status.value) for status in PROGRESSING)})"
SQL: Final = f"{{progress_changed_at}} <= {{stopped_by}} AND {{status}} IN {NAMED}"
RECORDED: Final = over(SQL, status="d.recorded_status", stopped_by="%s")


def is_stalled(at: datetime) -> Sql:
    """Whether a device has stalled at `at`, as an expression; its `status` at that moment is annotated."""
    stopped_by = Value(at - STALLED_AFTER, DateTimeField())
    return Sql(f"COALESCE({SQL}, false)", BooleanField(), stopped_by=stopped_by)


def recorded_stalled(at: datetime) -> Fragment:
    """Whether a device, aliased `d`, has stalled at `at` by its recorded status, as SQL with parameters."""
    return RECORDED, [at - STALLED_AFTER]


def stopped_progress(at: datetime) -> Fragment:
    """SQL that devices `d` which have stalled at `at` meet, and few others; by the index device_progress."""
    return f"d.recorded_status IN {NAMED} AND d.recorded_progress_at <= %s", [at - STALLED_AFTER]


def progressed_since(at: datetime) -> list[Fragment]:
    """SQL of two conditions; devices `d` which make progress at `at` meet one, and few others; likewise."""
    since: list[Fragment] = [("> %s", [at - STALLED_AFTER - PROGRESS_KEPT]), ("IS NULL", [])]
    return [(f"d.recorded_status IN {NAMED} AND d.recorded_progress_at {sql}", known) for sql, known in since]


def may_have_stalled(at: datetime) -> Q:
    """A condition that all devices meet whose recorded status has stalled at `at`, and few others.

    Answered by the index device_progress.
    """
    return Q(recorded_status__in=PROGRESSING, recorded_progress_at__lte=at - STALLED_AFTER)


def progresses_by_record(at: datetime) -> list[Q]:
    """Two conditions; exactly the devices that make progress at `at` by their recorded status meet one.

    Answered by the index device_progress; by both in one condition it would be read as a whole.
    """
    goes_on = Q(recorded_status__in=PROGRESSING) & ~Q(progress_changed_at__lte=at - STALLED_AFTER)
    since = at - STALLED_AFTER - PROGRESS_KEPT
    return [goes_on & Q(recorded_progress_at__gt=since), goes_on & Q(recorded_progress_at__isnull=True)]


def stalled_by_record(at: datetime) -> Q:
    """A condition that exactly the devices meet whose recorded status has stalled at `at`.

    Answered by the index device_progress.
    """
    return may_have_stalled(at) & Q(progress_changed_at__lte=at - STALLED_AFTER)
