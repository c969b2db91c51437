"""The lane of a target: one worker at a time sends to it, for as long as its lease lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db.models import Q, QuerySet

from devices.models import AlertTarget

LEASE: Final = timedelta(seconds=60)  # longer than any attempt


class Lost(Exception):
    """The lease has ended, and somebody else has the lane."""


@dataclass(frozen=True)
class Lane:
    """That this worker may send to the target, by primary key; `key` tells it from those before and after."""

    target: int
    key: UUID


def take(target: int, at: datetime) -> Lane | None:
    """Take the lane if it is free; None: somebody has it, or there is no such target."""
    lane = Lane(target, uuid4())
    free = AlertTarget.objects.filter(Q(leased_until=None) | Q(leased_until__lte=at), pk=target)
    return lane if free.update(leased_until=at + LEASE, attempt_key=lane.key) else None


def keep(lane: Lane, at: datetime) -> None:
    """Have the lease last a whole LEASE from now. Raises Lost."""
    if not _of(lane).update(leased_until=at + LEASE):
        raise Lost


def hold(lane: Lane) -> AlertTarget:
    """The target as it is, locked until the end of the transaction. Raises Lost."""
    target = _of(lane).select_for_update(no_key=True).first()
    if target is None:
        raise Lost
    return target


def release(lane: Lane) -> None:
    """Let somebody else have it; nothing happens if somebody has it already."""
    _of(lane).update(leased_until=None, attempt_key=None)


def free_at(target: int) -> datetime | None:
    """When the lease of the lane ends; None: nobody has it."""
    return AlertTarget.objects.filter(pk=target).values_list("leased_until", flat=True).first()


def _of(lane: Lane) -> QuerySet[AlertTarget]:
    return AlertTarget.objects.filter(pk=lane.target, attempt_key=lane.key)
