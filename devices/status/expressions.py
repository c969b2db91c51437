"""The status, the matching rule and the rank as SQL over links that are given: for any moment.

The rules are a function of the database, whose definition is generated here. PostgreSQL inlines it where it
is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.db.models import Expression, F, IntegerField, TextField
from psycopg.sql import Literal

from devices.models import Device
from devices.rules import live_links
from devices.rules.rule_table import Rule
from devices.rules.rules import RULES
from devices.rules.status_function import CALL, FACTS, NAME, RANK
from devices.rules.vocabulary import LAST_ATTENTION_RANK
from fleets.postgres.expressions import Sql, condition_sql

DEFINITION = """\
-- The status of a device by the facts that are recorded of it: the rules of docs/domain.md, the first that
-- holds wins. Made of RULES in devices/rules/rules.py, not by hand: docs/changing-a-rule.md. One expression,
-- which PostgreSQL puts in place of each call; a SET or STRICT would keep it from doing so.

CREATE OR REPLACE FUNCTION {name}(
    {arguments}
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT {cases}
$$;
"""


def definition(rules: Sequence[Rule] = RULES) -> str:
    """The SQL that defines the status function by these rules: the text of devices/schema/status_of.sql."""
    arguments = ",\n    ".join(f"{fact} {kind}" for fact, kind in FACTS.items())
    cases = _by_rule(rules, [rule.status.value for rule in rules]).format(**{fact: fact for fact in FACTS})
    return DEFINITION.format(name=NAME, arguments=arguments, cases=cases)


def _by_rule(rules: Sequence[Rule], results: Sequence[object]) -> str:
    """A template for Sql whose value is the item of `results` at the index of the first rule that matches."""
    whens = [
        f"WHEN {condition_sql(Device, rule.recorded)} THEN {Literal(result).as_string()}"
        for rule, result in zip(rules[:-1], results[:-1], strict=True)
    ]
    lines = [*whens, f"ELSE {Literal(results[-1]).as_string()}"]
    return "CASE" + "".join(f"\n    {line}" for line in lines) + "\nEND"


@cache
def _numbers() -> str:
    return f"({_by_rule(RULES, range(1, len(RULES) + 1))})"


def status_of(vpn: Expression | F, heartbeat: Expression | F) -> Sql:
    """The status as an expression; `vpn` (bool) and `heartbeat` (a HeartbeatState) are the two links."""
    return Sql(CALL, TextField(), vpn_connected=vpn, heartbeat_state=heartbeat)


def status_over(**facts: str) -> str:
    """The status as SQL over a device aliased `d`; `facts` gives SQL in place of columns, by their names."""
    return live_links.over(CALL, **facts)


def rule_over(**facts: str) -> str:
    """The number of the matching rule, from 1, as SQL over a device aliased `d`.

    `facts` gives SQL in place of columns, by their names.
    """
    return live_links.over(_numbers(), **facts)


def rank() -> Sql:
    """The rank of an annotated device, an index of RANKS: by its `status`, or that of stalled ones."""
    return Sql(f"(CASE WHEN {{stalled}} THEN {LAST_ATTENTION_RANK} ELSE {RANK} END)", IntegerField())
