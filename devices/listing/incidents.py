"""What needs attention, as lines: the newest devices in trouble, those lost together as one line.

How they are grouped: devices/listing/grouping.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet, Sum

from devices.clock import Moment
from devices.listing.grouping import Line, Lost, grouped
from devices.models import Device, FleetCount
from devices.rules.status_code import VPN, cells
from devices.rules.vocabulary import WORST, HeartbeatState
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import ATTENTION, as_recorded, moved_ids, stalled, with_status
from fleets.postgres.fragment import compiled
from fleets.postgres.keyset import Key, Order, Page, page_of

LOOKED_AT: Final = 1_000  # devices in trouble, the newest: the rest is told as a number
ORDER: Order = (Key("rank", int), Key("newest", datetime, descending=True), Key("id", str))


@dataclass(frozen=True)
class Among:
    """Whose devices are looked at: those of organizations, or of one fleet of theirs; by primary keys."""

    organizations: tuple[int, ...]
    fleet: int | None = None

    @property
    def devices(self) -> QuerySet[Device]:
        mine = Device.objects.filter(organization__in=self.organizations)
        return mine if self.fleet is None else mine.filter(fleet=self.fleet)


@dataclass(frozen=True)
class Attended:
    """All lines of what was looked at."""

    lines: Sequence[Line]

    def page(self, size: int, *, after: str = "", before: str = "") -> Page[Any]:
        """A page of lines, the worst and newest first. Raises keyset.UnreadableCursor."""
        return page_of(self._take, ORDER, size, after=after, before=before)

    def named(self, ids: Sequence[str]) -> list[Line]:
        """The lines that a page already shows, in its order; without those that are no more."""
        return [self._by_id[pk] for pk in ids if pk in self._by_id]

    @cached_property
    def _by_id(self) -> Mapping[str, Line]:
        return {line.id: line for line in self.lines}

    def _take(self, order: Order, size: int, values: list[Any] | None) -> list[Line]:
        found = sorted(self.lines, key=lambda line: _place(order, [getattr(line, key.name) for key in order]))
        if values:
            behind = _place(order, values)
            found = [
                line for line in found if _place(order, [getattr(line, key.name) for key in order]) > behind
            ]
        return found[:size]


def attended(among: Among, at: Moment, moved: Sequence[int] | None = None) -> Attended:
    """What needs attention; `moved`: as status.moved_ids, where they have been read."""
    moved = moved_ids(at) if moved is None else moved
    return Attended(grouped(_read(among, at, moved), _sizes))


def trouble(among: Among, at: Moment, moved: Sequence[int]) -> QuerySet[DeviceWithStatus]:
    """The newest that need attention, at most LOOKED_AT, annotated as by with_status."""
    ids = [*_newest_recorded(among), *moved]
    ids += stalled(among.devices, at, moved).order_by().values_list("pk", flat=True)
    annotated = with_status if moved else as_recorded
    newest = annotated(among.devices.filter(pk__in=ids), at).filter(ATTENTION)
    return newest.order_by("-status_since", "-pk")[:LOOKED_AT]


def _newest_recorded(among: Among) -> list[int]:
    column, ids = ("organization", among.organizations) if among.fleet is None else ("fleet", [among.fleet])
    with connection.cursor() as cursor:
        cursor.execute(NEWEST.format(column=column), {"ids": list(ids), "cells": TROUBLE, "most": LOOKED_AT})
        return [pk for (pk,) in cursor.fetchall()]


# By the indexes of the lists by attention, cell by cell: what is older is not read.
TROUBLE: Final = cells(WORST, VPN, HeartbeatState.values)
NEWEST: Final = """
SELECT near.id
FROM unnest(%(ids)s::bigint[]) AS scope(id), unnest(%(cells)s::smallint[]) AS c(cell), LATERAL (
    SELECT d.id, d.recorded_since FROM devices_device d
    WHERE d.{column}_id = scope.id AND d.recorded_cell = c.cell
    ORDER BY d.recorded_since DESC, d.id DESC LIMIT %(most)s
) AS near
ORDER BY near.recorded_since DESC, near.id DESC LIMIT %(most)s
"""
READ: Final = (  # the fields of Lost, in its order
    *("pk", "uuid", "name", "fleet_id", "status", "rank", "status_since", "vpn_since", "poll__last_poll_at"),
    *("poll__lost_at", "progress_changed_at", "public_address", "vpn_server_id", "release", "tags"),
)


def _read(among: Among, at: Moment, moved: Sequence[int]) -> list[Lost]:
    try:
        sql, params = compiled(trouble(among, at, moved).values_list(*READ))
    except EmptyResultSet:  # nobody is, any more
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [Lost(*row) for row in cursor.fetchall()]


def _sizes(fleets: Collection[int]) -> Mapping[int, int]:
    counts = FleetCount.objects.filter(fleet__in=fleets).order_by()
    return dict(counts.values_list("fleet").annotate(n=Sum("number")))


def _place(order: Order, values: Sequence[Any]) -> tuple[Any, ...]:
    """Where a line with these values of its keys stands."""
    return tuple(
        _falling(value) if key.descending else value for key, value in zip(order, values, strict=True)
    )


def _falling(value: Any) -> Any:
    return -value.timestamp() if isinstance(value, datetime) else -value
