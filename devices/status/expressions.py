"""The rules as SQL over links that are given: what the status is at any clock, not only what is recorded.

The stored columns have the same rules over the recorded links (devices/rules/rules.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.db.models import Expression, F, IntegerField, TextField
from psycopg.sql import Literal

from devices.models import Device
from devices.rules import live_links
from devices.rules.rules import RULES
from devices.rules.vocabulary import LAST_ATTENTION_RANK, RANKS, Status
from fleets.postgres.expressions import Sql, condition_sql


def _by_rule(results: Sequence[object]) -> str:
    """A template for Sql that gives, per rule, one of `results`: compiled once."""
    whens = [
        f"WHEN {condition_sql(Device, rule.recorded)} THEN {Literal(result).as_string()}"
        for rule, result in zip(RULES[:-1], results[:-1], strict=True)
    ]
    return f"(CASE {' '.join(whens)} ELSE {Literal(results[-1]).as_string()} END)"


@cache
def _statuses() -> str:
    return _by_rule([rule.status.value for rule in RULES])


@cache
def _numbers() -> str:
    return _by_rule(range(1, len(RULES) + 1))


@cache
def _ranks() -> str:
    return _by_rule([RANKS.index(Status(rule.status)) for rule in RULES])


def status_of(vpn: Expression | F, heartbeat: Expression | F) -> Sql:
    """The status by the rules, over links given as SQL expressions."""
    return Sql(_statuses(), TextField(), vpn_connected=vpn, heartbeat_state=heartbeat)


def status_over(**facts: str) -> str:
    """The status by the rules as SQL over a device `d`, some of whose columns stand for other SQL."""
    return live_links.over(_statuses(), **facts)


def rule_over(**facts: str) -> str:
    """The number of the rule that matches, from 1, in the same way."""
    return live_links.over(_numbers(), **facts)


def rank() -> Sql:
    """The place of an annotated device in lists, worst first: of what has stalled, one of its own."""
    return Sql(
        f"(CASE WHEN {{stalled}} THEN {LAST_ATTENTION_RANK} ELSE {_ranks()} END)",
        IntegerField(),
        vpn_connected=F("vpn"),
        heartbeat_state=F("heartbeat"),
    )
