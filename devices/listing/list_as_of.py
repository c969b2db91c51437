"""The Devices pages as they were at an instant of the kept history: which rows, with the status of then.

A device was what its newest change until then says. A list of few devices is found and sorted in one
statement; of many, by name, a portion after the other is looked at until a page is full, or has taken long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from devices.history import counts_as_of
from devices.history.counts_as_of import Instant
from devices.listing import index_scan
from devices.listing.branches import few_in, recorded
from devices.listing.cursor import Place, order_named
from devices.listing.facet_counts import as_shown
from devices.listing.filters import Filters, described, in_organizations, unchanging
from devices.models import Device, StatusChange
from devices.rules import vpn_states
from devices.rules.vocabulary import RANKS, Status, behind
from devices.status.reading import with_status
from fleets.models import Organization
from fleets.postgres import name_order
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
RANKED: Final = [status.value if status else "" for status in RANKS]  # what had stalled nobody knows any more

ROWS: Final = """
WITH unrecorded (id, status, since, vpn, vpn_since, heartbeat) AS MATERIALIZED ({unrecorded}),
candidate (id, uuid, name, vpn_enabled) AS ({candidates}),
was AS (
    SELECT candidate.id AS pk, candidate.uuid, candidate.name, s.fleet_id,
           COALESCE(unrecorded.status, s.after) AS status,
           CASE WHEN unrecorded.status <> s.after THEN unrecorded.since
                WHEN s.before IS DISTINCT FROM s.after THEN s.at
                ELSE COALESCE((
                    SELECT c.at FROM devices_statuschange c
                    WHERE c.device_id = candidate.id AND c.at <= %s AND c.before IS DISTINCT FROM c.after
                    ORDER BY c.at DESC, c.id DESC LIMIT 1
                ), s.at) END AS status_since
    FROM candidate
    CROSS JOIN LATERAL (
        SELECT c.before, c.after, c.at, c.fleet_id FROM devices_statuschange c
        WHERE c.device_id = candidate.id AND c.at <= %s ORDER BY c.at DESC, c.id DESC LIMIT 1
    ) AS s
    LEFT JOIN unrecorded ON unrecorded.id = candidate.id
    WHERE s.after IS NOT NULL {asked}
),
ranked AS (
    SELECT *, array_position(%s::text[], status::text) - 1 AS rank, {sort_name} AS sort_name FROM was
)
"""
PAGE: Final = """
SELECT pk, uuid, name, fleet_id, status, status_since, rank, sort_name FROM ranked WHERE {where}
"""
# The state of a link then; null: never seen.
LINK: Final = """COALESCE({unrecorded}, (
    SELECT r.after FROM devices_connectivityrecord r
    WHERE r.device_id = candidate.id AND r.link = '{link}' AND r.at <= %s
    ORDER BY r.at DESC, r.id DESC LIMIT 1
))"""
VPN: Final = LINK.format(
    link="vpn",
    unrecorded="CASE WHEN unrecorded.vpn THEN 'connected'"
    " WHEN unrecorded.vpn_since IS NOT NULL THEN 'disconnected' END",
)
VPN_STATE: Final = vpn_states.state_sql(VPN, "candidate.vpn_enabled")
HEARTBEAT: Final = LINK.format(link="heartbeat", unrecorded="unrecorded.heartbeat")
NOBODY: Final = """SELECT NULL::bigint, NULL::text, NULL::timestamptz,
    NULL::bool, NULL::timestamptz, NULL::text WHERE false"""
DELETED: Final = """
SELECT c.device_id, COALESCE(c.reason ->> 'uuid', ''), COALESCE(c.reason ->> 'name', ''), true
FROM devices_statuschange c WHERE c.organization_id = ANY(%s) AND c.after IS NULL AND c.at > %s
"""


@dataclass(frozen=True)
class Was:
    """What a device was; `pk` may be gone by now."""

    pk: int
    uuid: str
    name: str
    fleet_id: int
    status: str
    status_since: datetime
    rank: int
    sort_name: str


BROKEN_OFF: Final = ""  # the status of no device: the place where the look at a long list ends


class Then:
    """The devices that the filters name, as they were at an instant.

    What the histories do not know (tags, types, versions, notes) is asked of the present; how long a device
    had been silent is not asked.
    """

    def __init__(self, organizations: Iterable[Organization], filters: Filters, instant: Instant) -> None:
        self.organizations, self.filters, self.instant = list(organizations), filters, instant
        self.at, self.passed = instant.at, instant.passed
        self.lasting = replace(filters, statuses=(), vpn=(), heartbeat=(), silent=None)
        self.recorded = recorded(self.organizations, self.lasting, self.at)
        self.few = all(few_in(self.recorded, branch.cells, SORTED) for branch in self.recorded.branches)

    def page(self, sort: str, size: int, *, after: str = "", before: str = "") -> Page[Any]:
        """A page of Was, by attention or by name. Raises keyset.UnreadableCursor.

        Of a long list of which few devices are asked for it may have fewer rows than are there, and leads on.
        """
        order = order_named(sort)
        if self.few:
            return page_of(self._take, order, size, after=after, before=before)
        found = page_of(self._look, order, size, after=after, before=before)
        ends = [each for each in (*found.rows[:1], *found.rows[-1:]) if each.status == BROKEN_OFF]
        rows = [each for each in found.rows if each.status != BROKEN_OFF]
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
                [each.pk for each in self.organizations],
                [each.pk for each in self.filters.fleets],
            )
            return as_shown(counts_as_of.count(owned, self.instant, fleets)[0])
        if not self.few:
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
        found, place, broken_off = list[Any](), values, list[Any]()
        for portion in PORTIONS:
            ids, _ = index_scan.ids(self.recorded, [], Place("name", order[0].descending, place, portion))
            if not ids:
                break
            found += self._rows([_named(ids)], order, portion)
            last = Device.objects.filter(pk=ids[-1]).values_list(NameKey("name"), flat=True)
            key = last.first() or ""
            place = [key, ids[-1]]
            if len(found) >= size:
                break
        else:
            broken_off = [Was(ids[-1], "", "", 0, BROKEN_OFF, self.at, order[0].descending, key)]
        whole = [_named([each.pk for each in found]), *self._others()]
        return self._rows(whole, order, size, values, place if broken_off else None) + broken_off

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
        sql, params = self._unrecorded() if self.passed else (NOBODY, [])
        asked, asked_params = self._asked(filters)
        return (
            ROWS.format(
                unrecorded=sql,
                candidates=" UNION ".join(sql for sql, _ in candidates),
                asked=asked,
                sort_name=name_order.sql("name"),
            ),
            [
                *params,
                *(each for _, params in candidates for each in params),
                *(self.at, self.at),
                *asked_params,
                RANKED,
            ],
        )

    def _unrecorded(self) -> Fragment:
        """Those of the devices whose histories the clock is ahead of, as they were."""
        moved = in_organizations(self.organizations).order_by().filter(pk__in=self.passed)
        columns = ("pk", "status", "status_since", "vpn", "vpn_since", "heartbeat")
        return compiled(with_status(moved, self.at).values_list(*columns))

    def _asked(self, filters: Filters) -> Fragment:
        """What the filters ask of the status, the fleet and the links of then; begins with AND."""
        fragments: list[Fragment] = []
        if filters.fleets:
            fragments.append(("s.fleet_id = ANY(%s)", [[each.pk for each in filters.fleets]]))
        if meant := [status.value for shown in filters.statuses for status in behind(shown)]:
            fragments.append(("COALESCE(unrecorded.status, s.after) = ANY(%s)", [meant]))
        if filters.vpn:
            fragments.append((f"{VPN_STATE} = ANY(%s)", [self.at, list(filters.vpn)]))
        # Whether a poll was overdue is forgotten.
        if states := sorted({"recent" if state == "overdue" else state for state in filters.heartbeat}):
            fragments.append((f"COALESCE({HEARTBEAT}, 'unknown') = ANY(%s)", [self.at, states]))
        return (
            "".join(f" AND {sql}" for sql, _ in fragments),
            [each for _, params in fragments for each in params],
        )

    # Where devices are looked for: among those that are here now, those that moved away, those that are gone

    def _present(self) -> Fragment:
        return _candidates(unchanging(in_organizations(self.organizations), self.lasting))

    def _others(self) -> list[Fragment]:
        owned, fragments = [each.pk for each in self.organizations], list[Fragment]()
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
