"""SQL of what fades with the clock: the two links, and since when, at a clock given as SQL."""

import re

from django.db.models import BooleanField, Expression, F, TextField

from fleets.postgres.expressions import Sql

# The links at a clock. A device that never polled has no deadlines: what is recorded stands.
HEARTBEAT_SQL = """(CASE WHEN {poll__late_at} IS NULL THEN {heartbeat_state}
    WHEN {poll__lost_at} <= {at} THEN 'lost' WHEN {poll__late_at} <= {at} THEN 'late' ELSE 'recent' END)"""
# What is recorded, unless the owner's lease ended unrecorded.
VPN_SQL = "({vpn_connected} AND COALESCE({vpn_server__due_at} > {at}, true))"

# A status that moved did so at one of the deadlines that passed unrecorded: at the first from which on
# it is what it is now (the clock alone never brings an earlier status back).
STATUS_SINCE_SQL = """(CASE WHEN {vpn} = {vpn_connected} AND {heartbeat} = {heartbeat_state}
    OR {status} = {recorded_status} THEN COALESCE({recorded_status_at}, {created_at}) ELSE COALESCE((
        SELECT GREATEST(MIN(passed.at), {recorded_status_at})
        FROM unnest(ARRAY[{poll__late_at}, {poll__lost_at}, {vpn_server__due_at}]) AS passed(at)
        WHERE passed.at <= {at} AND {status_then} = {status}
    ), {created_at}) END)"""
HEARTBEAT_SINCE_SQL = """(CASE WHEN {heartbeat} = {heartbeat_state} THEN {heartbeat_changed_at}
    ELSE GREATEST({heartbeat_changed_at}, CASE {heartbeat} WHEN 'lost' THEN {poll__lost_at}
        WHEN 'late' THEN {poll__late_at} ELSE {poll__last_poll_at} END) END)"""
VPN_SINCE_SQL = """(CASE WHEN {vpn} = {vpn_connected} THEN {vpn_changed_at}
    ELSE GREATEST({vpn_changed_at}, {vpn_server__due_at}) END)"""
# For the eye only: the next poll is due, the status does not change.
OVERDUE_SQL = """COALESCE({heartbeat} = 'recent' AND {poll__last_poll_at}
    + {poll__poll_interval} * interval '1 second' + {overdue_after} <= {at}, false)"""


def links_at(at: Expression | F) -> dict[str, Sql]:
    """The two links as SQL expressions at a clock that is an SQL expression too."""
    return {
        "vpn": Sql(VPN_SQL, BooleanField(), at=at),
        "heartbeat": Sql(HEARTBEAT_SQL, TextField(), at=at),
    }


def over(template: str, **facts: str) -> str:
    """A template as SQL over a device `d`, its `poll` and its `vpn_server`; facts stand in for names."""
    return re.sub(r"\{(\w+)\}", lambda name: facts.get(name[1]) or _column(name[1]), template)


def _column(name: str) -> str:
    table, _, column = name.rpartition("__")
    return f"{table or 'd'}.{column}"
