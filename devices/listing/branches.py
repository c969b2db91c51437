"""The filters of a list over recorded columns, as branches: sets of devices that one index can find each.

Branches of a list never overlap. Recorded columns are right but for the few devices that moved, to which the
clock has done something since (devices/status): a reading takes the branches without those, and adds those by
what they are at that moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Model, Q, QuerySet

from devices.clock import Moment
from devices.listing.filters import Filters, described
from devices.models import Description
from devices.models.heartbeat import OFTEN
from devices.rules.stalled import progressed_since, stopped_progress
from devices.rules.status_code import QUIET, codes
from devices.rules.status_code import VPN as VPN_STATES
from devices.rules.vocabulary import OVERDUE_AFTER, HeartbeatState, Status, behind
from fleets.models import Organization
from fleets.postgres.fragment import Fragment, joined

DESCRIPTIONS, HEARTBEATS = "devices_description", "devices_heartbeat"
FEW = 20_000  # up to so many rows a sorted scan is faster than an index scan in order


@dataclass(frozen=True)
class Branch:
    """Devices with one of these status codes that meet all of the conditions; None: no such condition."""

    codes: list[int]
    quiet_before: datetime | None = None  # devices that do not poll, without any contact since then
    poll: Fragment | None = None  # a condition on columns of HEARTBEATS
    words: Fragment | None = None  # a condition on columns of DESCRIPTIONS
    device: Fragment | None = None  # a condition on the device, aliased `d`
    sorts_stalled: bool = False  # in order of attention; else those that have stalled are looked for in order

    @property
    def elsewhere(self) -> list[tuple[str, Fragment]]:
        """The conditions on other tables than the device's, as (table, condition)."""
        both = ((DESCRIPTIONS, self.words), (HEARTBEATS, self.poll))
        return [(table, condition) for table, condition in both if condition]

    def narrowed(self, codes: list[int], device: Fragment | None = None) -> Branch:
        """The part of the branch with these status codes that meets the condition `device`."""
        return replace(self, codes=codes, device=device)


@dataclass(frozen=True)
class Recorded:
    """A list over recorded columns: its scope, the branches that match its filters, and devices left out."""

    organizations: list[int]  # ids
    fleets: list[int]  # ids; empty: all fleets of the organizations
    at: datetime
    branches: list[Branch]
    moved: list[int] = field(default_factory=list)  # ids of devices that moved, which no branch includes

    @property
    def column(self) -> str:
        """The column of Device that the ids of `scope` are in."""
        return "fleet_id" if self.fleets else "organization_id"

    @property
    def scope(self) -> list[int]:
        """The ids of the fleets, or else of the organizations."""
        return self.fleets or self.organizations


def recorded(
    organizations: Iterable[Organization], filters: Filters, at: Moment, moved: Sequence[int] = ()
) -> Recorded:
    """The list of these filters at `at` over recorded columns, without the devices `moved` (ids)."""
    owned = [organization.pk for organization in organizations]
    fleets = [fleet.pk for fleet in filters.fleets if fleet.organization_id in owned]
    if filters.fleets and not fleets:
        owned = []
    return Recorded(owned, fleets, at.heard, list(_branches(filters, at.heard)), list(moved))


def _branches(filters: Filters, at: datetime) -> Iterable[Branch]:
    statuses = [status for shown in filters.statuses for status in behind(shown)] or list(Status)
    vpn = filters.vpn or tuple(VPN_STATES)
    wanted = filters.heartbeat or ("recent", "overdue", "late", "lost", "unknown")
    silent = None if filters.silent is None else at - filters.silent
    words = _compiled(Description, described(filters))
    overdue = _overdue(wanted, at)
    grouped: dict[bool | str, list[str]] = {}
    for state in HeartbeatState:
        if state in wanted or (state == HeartbeatState.RECENT and "overdue" in wanted):
            grouped.setdefault(_kind(state, silent, overdue), []).append(state)
    for kind, states in grouped.items():
        conditions = [term for term in (overdue if kind == "recent" else None, _contact(silent)) if term]
        yield Branch(
            codes(statuses, vpn, states),
            quiet_before=silent if kind == "quiet" else None,
            poll=_all(conditions) if kind not in ("quiet", "any") else None,
            words=words,
        )


def _kind(state: str, silent: datetime | None, overdue: Fragment | None) -> str:
    """The group of a heartbeat state: the states of a group share their conditions besides the codes."""
    if overdue and state == HeartbeatState.RECENT:
        return "recent"
    if silent is None:
        return "any"
    return "quiet" if state in QUIET else "polls"


def _overdue(states: Sequence[str], at: datetime) -> Fragment | None:
    """The condition that devices that poll are overdue, or that they are not; None: either."""
    if ("recent" in states) == ("overdue" in states):
        return None
    due = (
        "devices_heartbeat.last_poll_at + devices_heartbeat.poll_interval * interval '1 second' + %s <= %s",
        [OVERDUE_AFTER, at],
    )
    if "recent" in states:
        return f"NOT ({due[0]})", due[1]
    # A device that polls often is overdue only near its deadline: half an interval before, less the jitter.
    near = at + timedelta(seconds=OFTEN / 2 + 1) - OVERDUE_AFTER
    bounds = "(devices_heartbeat.due_at <= %s OR devices_heartbeat.poll_interval > %s)"
    return f"devices_heartbeat.due_at > %s AND {bounds} AND {due[0]}", [at, near, OFTEN, *due[1]]


def _contact(silent: datetime | None) -> Fragment | None:
    if silent is None:
        return None
    polls = "devices_heartbeat.due_at IS NOT NULL"
    return f"{polls} AND devices_heartbeat.recorded_contact_at < %s", [silent]


def _all(fragments: Sequence[Fragment]) -> Fragment | None:
    """The conjunction of these conditions; None: there are none."""
    return joined(fragments) if fragments else None


def _compiled(model: type[Model], condition: Q) -> Fragment | None:
    """A condition on `model` as SQL with qualified column names; None: it is empty."""
    if not condition:
        return None
    query = QuerySet(model).filter(condition).query
    sql, params = query.get_compiler(connection=connection).compile(query.where)
    return sql, list(params)


# How a branch is read: joined from its conditions, or device by device


def from_rows(branch: Branch) -> str:
    """SQL of devices, aliased `d`, joined with the tables of the branch's conditions."""
    joins = (f" JOIN {table} ON {table}.device_id = d.id" for table, _ in branch.elsewhere)
    return f"devices_device d{''.join(joins)}"


def conditions(recorded: Recorded, branch: Branch, *, there: Sequence[str] = (), first: str = "") -> Fragment:
    """The conditions on a device `d` of the branch besides status code and scope, beginning with AND; or "".

    Conditions on other tables are subqueries for one device at a time; but on tables in `there`, which are
    joined, they are plain. `first`: a table of which few rows meet the condition, so that they are found
    before any device.
    """
    fragments: list[Fragment] = []
    if recorded.moved:
        fragments.append(("d.id <> ALL(%s::bigint[])", [recorded.moved]))
    if branch.device:
        fragments.append(branch.device)
    if branch.quiet_before is not None:
        fragments.append(("d.recorded_quiet_at < %s", [branch.quiet_before]))
    for table, condition in branch.elsewhere:
        if table == first:
            fragments.append(_among(recorded, table, condition))
        else:
            fragments.append(condition if table in there else _looked_up(table, condition))
    whole = _all(fragments)
    return (f"AND {whole[0]}", whole[1]) if whole else ("", [])


def _looked_up(table: str, condition: Fragment) -> Fragment:
    return f"(SELECT {condition[0]} FROM {table} WHERE {table}.device_id = d.id)", condition[1]


def _among(recorded: Recorded, table: str, condition: Fragment) -> Fragment:
    """The condition that a device is among the rows of `table` that meet a condition.

    As an array, which the planner takes to be short.
    """
    found = f"SELECT device_id FROM {table} WHERE organization_id = ANY(%s) AND ({condition[0]})"
    return f"d.id = ANY(ARRAY({found}))", [recorded.organizations, *condition[1]]


def sorted_scan_by(recorded: Recorded, branch: Branch) -> str:
    """The table whose condition so few devices meet that a sorted scan suits; else an empty text."""
    if branch.words and estimated(recorded, branch.words) <= FEW:
        return DESCRIPTIONS
    return HEARTBEATS if branch.poll and _suits_few_polls(recorded, branch.poll) else ""


def _suits_few_polls(recorded: Recorded, poll: Fragment) -> bool:
    sql = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM devices_heartbeat
        WHERE organization_id = ANY(%s) AND due_at IS NOT NULL AND {poll[0]} LIMIT {FEW + 1}
    ) AS found
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [recorded.organizations, *poll[1]])
        return bool(cursor.fetchone()[0] <= FEW)


def suits_sorted_scan(recorded: Recorded, codes: Sequence[int], most: int) -> bool:
    """Whether at most `most` devices of the scope have one of these status codes. One query."""
    sql = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM devices_device d
        WHERE d.{recorded.column} = ANY(%s) AND d.recorded_cell = ANY(%s::smallint[]) LIMIT %s
    ) AS found
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [recorded.scope, list(codes), most + 1])
        return bool(cursor.fetchone()[0] <= most)


def few_progressing(recorded: Recorded, most: int) -> tuple[bool, bool]:
    """Whether at most `most` devices of the organizations make progress, and whether so few have stalled.

    One query, by the index of progress.
    """
    sides = (progressed_since(recorded.at), [stopped_progress(recorded.at)])
    with connection.cursor() as cursor:
        params = [
            param
            for side in sides
            for param in (*(each for _, given in side for each in (recorded.organizations, *given)), most + 1)
        ]
        cursor.execute(f"SELECT {', '.join(map(_up_to, sides))}", params)
        moving, stalled = cursor.fetchone()
    return moving <= most, stalled <= most


def _up_to(conditions: Sequence[Fragment]) -> str:
    """SQL of how many devices meet one of these, up to a number. OR would have all of them read."""
    found = " UNION ALL ".join(
        f"SELECT 1 FROM devices_device d WHERE d.organization_id = ANY(%s) AND {sql}" for sql, _ in conditions
    )
    return f"(SELECT count(*) FROM ({found} LIMIT %s) AS found)"


def estimated(recorded: Recorded, words: Fragment) -> int:
    """How many devices the planner expects to meet this condition on DESCRIPTIONS. One EXPLAIN."""
    sql = f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {DESCRIPTIONS} WHERE organization_id = ANY(%s) AND {words[0]}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [recorded.organizations, *words[1]])
        plan = cursor.fetchone()[0]
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])
