"""A list of devices as of an instant of the kept history: which devices it had, with their status as of then.

A list of few devices is found and sorted by one statement. Of a long list, which is in order of name,
portions are read one after another until a page is full, or the last portion is read.
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

SORTED: Final = 20_000  # devices of a short list, at most, which are all read and sorted
PORTIONS: Final = (500, 1000, 2000, 4000, 8000, 16_000)  # devices of a long list that are read for a page
PAGE: Final = f"SELECT {COLUMNS} FROM ranked WHERE {{where}}"
DELETED: Final = """
SELECT c.device_id, COALESCE(c.reason ->> 'uuid', ''), COALESCE(c.reason ->> 'name', ''), true
FROM devices_statuschange c WHERE c.organization_id = ANY(%s) AND c.after IS NULL AND c.at > %s
"""


BROKEN_OFF: Final = ""  # the status of a row that stands for the end of the last portion, and is no device


class ListAsOf:
    """The devices of these organizations that match the filters as of an instant.

    Filters by what histories do not have (tags, types, versions, words) are applied to the present devices;
    that by last contact is not applied.
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
        """A page of `size` Was, in the order `sort`; `after`, `before`: cursors. Raises UnreadableCursor.

        Of a long list of which few devices match, a page may have fewer rows, with a cursor to the next.
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
        """The number of devices per shown status, under all filters but that.

        None where counting takes long.
        """
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
        """The rows of a long list behind the name and id `values`, by portions of present devices."""
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
        return device_as_of.ranked(candidates, self._condition(filters), self.instant, within)

    def _condition(self, filters: Filters) -> Fragment:
        """The condition of the filters on status, fleet and links as of then, beginning with AND.

        Or empty.
        """
        fragments: list[Fragment] = []
        if filters.fleets:
            fragments.append(("s.fleet_id = ANY(%s)", [[fleet.pk for fleet in filters.fleets]]))
        if statuses := [status.value for shown in filters.statuses for status in behind(shown)]:
            fragments.append(("COALESCE(unrecorded.status, s.after) = ANY(%s)", [statuses]))
        if filters.vpn:
            fragments.append((f"{VPN_STATE} = ANY(%s)", [self.at, list(filters.vpn)]))
        # Whether a poll was overdue is not kept: such heartbeats were recent.
        if states := sorted({"recent" if state == "overdue" else state for state in filters.heartbeat}):
            fragments.append((f"{HEARTBEAT} = ANY(%s)", [self.at, states]))
        return (
            "".join(f" AND {sql}" for sql, _ in fragments),
            [param for _, params in fragments for param in params],
        )

    # The candidates: present devices, those that moved to another fleet since, and those deleted since

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
