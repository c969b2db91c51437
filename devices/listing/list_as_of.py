"""The Devices pages as they were at an instant of the kept history: which rows, with the status of then.

A list of few devices is found and sorted in one
statement; of many, by name, a portion after the other is looked at until a page is full, or has taken long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from devices.history import counts_as_of
from devices.history.counts_as_of import Instant
from devices.listing import device_as_of, index_scan
from devices.listing.branches import recorded, suits_sorted_scan
from devices.listing.cursor import Cursor, order_named
from devices.listing.device_as_of import COLUMNS, HEARTBEAT, VPN_STATE, Was
from devices.listing.facet_counts import as_shown
from devices.listing.filters import Filters, described, in_organizations, unchanging
from devices.models import Device, StatusChange
from devices.rules.vocabulary import Status, behind
from fleets.models import Organization
from fleets.postgres.fragment import Fragment, compiled
from fleets.postgres.keyset import Order, Page, after_sql, encode, order_sql, page_of
from fleets.postgres.name_order import NameKey

SORTED: Final = 20_000  # devices of a list that are all looked at, and sorted
PORTIONS: Final = (
    500,
    1000,
    2000,
    4000,
    8000,
    16_000,
)  # devices of a long list that are looked at for a page
PAGE: Final = f"SELECT {COLUMNS} FROM ranked WHERE {{where}}"
DELETED: Final = """
SELECT c.device_id, COALESCE(c.reason ->> 'uuid', ''), COALESCE(c.reason ->> 'name', ''), true
FROM devices_statuschange c WHERE c.organization_id = ANY(%s) AND c.after IS NULL AND c.at > %s
"""


BROKEN_OFF: Final = ""  # the status of no device: the place where the look at a long list ends


class ListAsOf:
    """The devices that the filters name, as they were at an instant.

    What the histories do not know (tags, types, versions, notes) is asked of the present; how long a device
    had been silent is not asked.
    """

    def __init__(self, organizations: Iterable[Organization], filters: Filters, instant: Instant) -> None:
        self.organizations, self.filters, self.instant = list(organizations), filters, instant
        self.at = instant.at.at
        self.lasting = replace(filters, statuses=(), vpn=(), heartbeat=(), silent=None)
        self.recorded = recorded(self.organizations, self.lasting, instant.at)
        self.is_short = all(
            suits_sorted_scan(self.recorded, branch.codes, SORTED) for branch in self.recorded.branches
        )

    def page(self, sort: str, size: int, *, after: str = "", before: str = "") -> Page[Any]:
        """A page of Was, by attention or by name. Raises keyset.UnreadableCursor.

        Of a long list of which few devices are asked for it may have fewer rows than are there, and leads on.
        """
        order = order_named(sort)
        if self.is_short:
            return page_of(self._take, order, size, after=after, before=before)
        found = page_of(self._look, order, size, after=after, before=before)
        ends = [row for row in (*found.rows[:1], *found.rows[-1:]) if row.status == BROKEN_OFF]
        rows = [row for row in found.rows if row.status != BROKEN_OFF]
        for end in ends:
            if end.rank == order[0].descending:
                found = replace(found, next=encode(end, order))
            else:
                found = replace(found, previous=encode(end, order))
        return replace(found, rows=rows)

    def counts(self) -> dict[Status, int] | None:
        """How many were of each status, under all filters but that; None where counting takes long."""
        if self.filters.without_statuses() == Filters(fleets=self.filters.fleets):
            owned, fleets = (
                [organization.pk for organization in self.organizations],
                [fleet.pk for fleet in self.filters.fleets],
            )
            return as_shown(counts_as_of.count(owned, self.instant, fleets)[0])
        if not self.is_short:
            return None
        sql, params = self._ranked([self._present(), *self._others()], self.filters.without_statuses())
        counts: dict[str, int] = dict.fromkeys(Status.values, 0)
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} SELECT status, count(*) FROM ranked GROUP BY status", params)
            counts.update(dict(cursor.fetchall()))
        return as_shown(counts)

    def _take(self, order: Order, size: int, values: list[Any] | None) -> list[Any]:
        return self._rows([self._present(), *self._others()], order, size, values)

    def _look(self, order: Order, size: int, values: list[Any] | None) -> list[Any]:
        """The same of a long list in the order of names: of those here now a portion after the other."""
        found, cursor, broken_off = list[Any](), values, list[Any]()
        for portion in PORTIONS:
            ids, _ = index_scan.ids(self.recorded, [], Cursor("name", order[0].descending, cursor, portion))
            if not ids:
                break
            found += self._rows([_named(ids)], order, portion)
            last = Device.objects.filter(pk=ids[-1]).values_list(NameKey("name"), flat=True)
            key = last.first() or ""
            cursor = [key, ids[-1]]
            if len(found) >= size:
                break
        else:
            broken_off = [Was(ids[-1], "", "", 0, BROKEN_OFF, self.at, order[0].descending, key)]
        whole = [_named([row.pk for row in found]), *self._others()]
        return self._rows(whole, order, size, values, cursor if broken_off else None) + broken_off

    def _rows(
        self,
        candidates: Sequence[Fragment],
        order: Order,
        size: int,
        values: list[Any] | None = None,
        until: list[Any] | None = None,
    ) -> list[Was]:
        sql, params = self._ranked(candidates, self.filters)
        (where, behind_params), (end, end_params) = after_sql(order, values), after_sql(order, until)
        where = f"{where} AND NOT {end}" if until else where
        by = order_sql(order)
        with connection.cursor() as cursor:
            cursor.execute(
                f"{sql} {PAGE.format(where=where)} ORDER BY {by} LIMIT %s",
                [*params, *behind_params, *end_params, size],
            )
            return [Was(*row) for row in cursor.fetchall()]

    def _ranked(self, candidates: Sequence[Fragment], filters: Filters) -> Fragment:
        within = in_organizations(self.organizations)
        return device_as_of.ranked(candidates, self._asked(filters), self.instant, within)

    def _asked(self, filters: Filters) -> Fragment:
        """What the filters ask of the status, the fleet and the links of then; begins with AND."""
        fragments: list[Fragment] = []
        if filters.fleets:
            fragments.append(("s.fleet_id = ANY(%s)", [[fleet.pk for fleet in filters.fleets]]))
        if meant := [status.value for shown in filters.statuses for status in behind(shown)]:
            fragments.append(("COALESCE(unrecorded.status, s.after) = ANY(%s)", [meant]))
        if filters.vpn:
            fragments.append((f"{VPN_STATE} = ANY(%s)", [self.at, list(filters.vpn)]))
        # Whether a poll was overdue is forgotten.
        if states := sorted({"recent" if state == "overdue" else state for state in filters.heartbeat}):
            fragments.append((f"{HEARTBEAT} = ANY(%s)", [self.at, states]))
        return (
            "".join(f" AND {sql}" for sql, _ in fragments),
            [param for _, params in fragments for param in params],
        )

    # Where devices are looked for: among those that are here now, those that moved away, those that are gone

    def _present(self) -> Fragment:
        return _candidates(unchanging(in_organizations(self.organizations), self.lasting))

    def _others(self) -> list[Fragment]:
        owned, fragments = [organization.pk for organization in self.organizations], list[Fragment]()
        if self.filters.fleets:
            left = StatusChange.objects.filter(left_fleet__in=self.filters.fleets, at__gt=self.at)
            moved = in_organizations(self.organizations).filter(pk__in=left.values("device_id"))
            fragments.append(_candidates(unchanging(moved, replace(self.lasting, fleets=()))))
        if not described(self.lasting):
            fragments.append((DELETED, [owned, self.at]))
        return fragments


def _candidates(devices: QuerySet[Device]) -> Fragment:
    return compiled(devices.order_by().values_list("pk", "uuid", "name", "vpn_enabled"))


def _named(ids: Sequence[int]) -> Fragment:
    return "SELECT id, uuid, name, vpn_enabled FROM devices_device WHERE id = ANY(%s)", [list(ids)]
