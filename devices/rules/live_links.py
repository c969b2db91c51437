"""SQL templates of the two links, and since when, at a moment: what changes by the clock alone.

A name in braces stands for SQL: `{at}` for the moment, others for a column of the device, or by `poll__` and
`vpn_server__` of its Heartbeat and its VpnServer.
"""

import re

from django.db.models import BooleanField, Expression, F, TextField

from fleets.postgres.expressions import Sql

# The state of the heartbeat. A device that never polled has no deadlines: its recorded state holds.
HEARTBEAT_SQL = """(CASE WHEN {poll__late_at} IS NULL THEN {heartbeat_state}
    WHEN {poll__lost_at} <= {at} THEN 'lost' WHEN {poll__late_at} <= {at} THEN 'late' ELSE 'recent' END)"""
# When the heartbeat will be late and lost if no poll comes. The window of one that is recent begins again at
# `{resumed}`, the end of an outage of ours for which its deadlines have perhaps yet to move (null: none has;
# devices/connectivity/moving.py).
LATE_SQL = """GREATEST({poll__late_at}, CASE WHEN {poll__due_at} = {poll__late_at} AND {poll__late_at} > {at}
    AND {poll__last_poll_at} < {resumed}
    THEN {resumed} + ceil({poll__poll_interval} * 1.5) * interval '1 second' END)"""
LOST_SQL = f"({{poll__lost_at}} + ({LATE_SQL} - {{poll__late_at}}))"
# Whether the VPN is connected: as recorded, unless the lease of its server has ended since.
VPN_SQL = "({vpn_connected} AND COALESCE({vpn_server__due_at} > {at}, true))"

# Since when the status is what it is. Where it differs from the recorded one, it changed at a deadline that
# passed unrecorded: the first after which it is the present one (the clock never brings a status back).
STATUS_SINCE_SQL = """(CASE WHEN {vpn} = {vpn_connected} AND {heartbeat} = {heartbeat_state}
    OR {status} = {recorded_status} THEN COALESCE({recorded_status_at}, {created_at}) ELSE COALESCE((
        SELECT GREATEST(MIN(passed.at), {recorded_status_at})
        FROM unnest(ARRAY[{poll__late_at}, {poll__lost_at}, {vpn_server__due_at}]) AS passed(at)
        WHERE passed.at <= {at} AND {status_at_deadline} = {status}
    ), {created_at}) END)"""
HEARTBEAT_SINCE_SQL = """(CASE WHEN {heartbeat} = {heartbeat_state} THEN {heartbeat_changed_at}
    ELSE GREATEST({heartbeat_changed_at}, CASE {heartbeat} WHEN 'lost' THEN {poll__lost_at}
        WHEN 'late' THEN {poll__late_at} ELSE {poll__last_poll_at} END) END)"""
VPN_SINCE_SQL = """(CASE WHEN {vpn} = {vpn_connected} THEN {vpn_changed_at}
    ELSE GREATEST({vpn_changed_at}, {vpn_server__due_at}) END)"""
# Whether the next poll is overdue; shown, without any effect on the status.
OVERDUE_SQL = """COALESCE({heartbeat} = 'recent' AND {poll__last_poll_at}
    + {poll__poll_interval} * interval '1 second' + {overdue_after} <= {at}, false)"""


def links_at(at: Expression | F) -> dict[str, Sql]:
    """Annotations `vpn` (bool) and `heartbeat` (a HeartbeatState), at the moment that `at` evaluates to."""
    return {
        "vpn": Sql(VPN_SQL, BooleanField(), at=at),
        "heartbeat": Sql(HEARTBEAT_SQL, TextField(), at=at),
    }


def over(template: str, **facts: str) -> str:
    """SQL of a template whose names are columns of the tables aliased `d`, `poll` and `vpn_server`.

    `facts` gives other SQL for names of the template.
    """
    return re.sub(r"\{(\w+)\}", lambda name: facts.get(name[1]) or _column(name[1]), template)


def _column(name: str) -> str:
    table, _, column = name.rpartition("__")
    return f"{table or 'd'}.{column}"
