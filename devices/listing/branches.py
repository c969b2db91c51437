"""The filters of a list over what is recorded: branches of it that an index can find, and that never overlap.

What is recorded is what is, but for the few devices that the clock has moved since (devices/status): a
reading takes the branches without those, and those by what they are.
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
from devices.rules.status_code import QUIET, codes
from devices.rules.status_code import VPN as VPN_STATES
from devices.rules.vocabulary import OVERDUE_AFTER, HeartbeatState, Status, behind
from fleets.models import Organization
from fleets.postgres.fragment import Fragment

DESCRIPTIONS, HEARTBEATS = "devices_description", "devices_heartbeat"
FEW = 20_000  # rows that are read and sorted sooner than they are looked for in order


@dataclass(frozen=True)
class Branch:
    """Devices of these status codes that meet conditions on columns of other tables, each by its name."""

    codes: list[int]
    quiet_before: datetime | None = None  # of devices that do not poll: no contact since
    poll: Fragment | None = None  # on HEARTBEATS
    words: Fragment | None = None  # on DESCRIPTIONS
    device: Fragment | None = None  # on the device `d` itself

    @property
    def elsewhere(self) -> list[tuple[str, Fragment]]:
        """Its conditions on other tables than the device's, each with its table."""
        both = ((DESCRIPTIONS, self.words), (HEARTBEATS, self.poll))
        return [(table, condition) for table, condition in both if condition]

    def narrowed(self, codes: list[int], device: Fragment | None = None) -> Branch:
        """Those of it with these status codes that meet another condition."""
        return replace(self, codes=codes, device=device)


@dataclass(frozen=True)
class Recorded:
    """What a list asks for: whole fleets or organizations, branches of them, and who is left out of these."""

    organizations: list[int]
    fleets: list[int]
    at: datetime
    branches: list[Branch]
    moved: list[int] = field(default_factory=list)

    @property
    def column(self) -> str:
        """The column that the scope is about."""
        return "fleet_id" if self.fleets else "organization_id"

    @property
    def scope(self) -> list[int]:
        return self.fleets or self.organizations


def recorded(
    organizations: Iterable[Organization], filters: Filters, at: Moment, moved: Sequence[int] = ()
) -> Recorded:
    """What the filters mean at `at` for all devices but `moved`, over what is recorded."""
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
    """Which of a heartbeat's states are asked the same besides their codes."""
    if overdue and state == HeartbeatState.RECENT:
        return "recent"
    if silent is None:
        return "any"
    return "quiet" if state in QUIET else "polls"


def _overdue(states: Sequence[str], at: datetime) -> Fragment | None:
    """Whether those that poll must be overdue, or must not; None: either."""
    if ("recent" in states) == ("overdue" in states):
        return None
    due = (
        "devices_heartbeat.last_poll_at + devices_heartbeat.poll_interval * interval '1 second' + %s <= %s",
        [OVERDUE_AFTER, at],
    )
    if "recent" in states:
        return f"NOT ({due[0]})", due[1]
    # Whoever polls often is overdue near its deadline only: half an interval before, less the jitter.
    near = at + timedelta(seconds=OFTEN / 2 + 1) - OVERDUE_AFTER
    bounds = "(devices_heartbeat.due_at <= %s OR devices_heartbeat.poll_interval > %s)"
    return f"devices_heartbeat.due_at > %s AND {bounds} AND {due[0]}", [at, near, OFTEN, *due[1]]


def _contact(silent: datetime | None) -> Fragment | None:
    if silent is None:
        return None
    polls = "devices_heartbeat.due_at IS NOT NULL"
    return f"{polls} AND devices_heartbeat.recorded_contact_at < %s", [silent]


def _all(fragments: Sequence[Fragment]) -> Fragment | None:
    """All of these conditions in one."""
    if not fragments:
        return None
    return " AND ".join(f"({sql})" for sql, _ in fragments), [
        param for _, params in fragments for param in params
    ]


def _compiled(model: type[Model], condition: Q) -> Fragment | None:
    """A condition as SQL that names the columns by their table."""
    if not condition:
        return None
    query = QuerySet(model).filter(condition).query
    sql, params = query.get_compiler(connection=connection).compile(query.where)
    return sql, list(params)


# How a branch is read: joined from its conditions, or device by device


def from_rows(branch: Branch) -> str:
    """Devices `d` with the tables of the branch's conditions."""
    joins = (f" JOIN {table} ON {table}.device_id = d.id" for table, _ in branch.elsewhere)
    return f"devices_device d{''.join(joins)}"


def conditions(recorded: Recorded, branch: Branch, *, there: Sequence[str] = (), first: str = "") -> Fragment:
    """What a device `d` of the branch must meet besides its status code and scope; begins with AND.

    Conditions on other tables are looked up for one device at a time, but on those that are `there` by a
    join; `first`: of this table, few rows meet the condition, and these are found before any device.
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
    """That a device is one of those that meet a condition; as an array, which the planner takes for short."""
    found = f"SELECT device_id FROM {table} WHERE organization_id = ANY(%s) AND ({condition[0]})"
    return f"d.id = ANY(ARRAY({found}))", [recorded.organizations, *condition[1]]


def sorted_scan_by(recorded: Recorded, branch: Branch) -> str:
    """The table whose condition so few devices meet that all of them can be read and sorted; else nothing."""
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
    """Whether so few devices are recorded with these status codes."""
    sql = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM devices_device d
        WHERE d.{recorded.column} = ANY(%s) AND d.recorded_cell = ANY(%s::smallint[]) LIMIT %s
    ) AS found
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [recorded.scope, list(codes), most + 1])
        return bool(cursor.fetchone()[0] <= most)


def estimated(recorded: Recorded, words: Fragment) -> int:
    """How many devices the planner expects to be described so."""
    sql = f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {DESCRIPTIONS} WHERE organization_id = ANY(%s) AND {words[0]}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [recorded.organizations, *words[1]])
        plan = cursor.fetchone()[0]
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])
