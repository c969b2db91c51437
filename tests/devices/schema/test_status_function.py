"""The status as a function of the database: it is what the rules say, whatever the facts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any, Final

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from devices.models import Device
from devices.rules.rules import RULES
from devices.rules.status_function import FACTS, NAME
from devices.schema.texts import FOLDER
from devices.status import explanation
from devices.status.expressions import definition, status_over
from devices.status.reading import with_status
from devices.transitions.write import LAPSED
from tests.devices.lives.model_device import ModelDevice
from tests.factories import T0

pytestmark = pytest.mark.django_db

CHANGED: Final = (
    "RULES say another thing than {what}. A change of a rule needs devices/schema/status_of.sql anew, and a"
    " migration that replaces the function: docs/changing-a-rule.md says how."
)
HEARTBEATS: Final = ("unknown", "recent", "late", "lost")
# In the order of FACTS: each fact in each way that a rule can tell apart, and in one that none does.
ALL: Final[tuple[tuple[Any, ...], ...]] = (
    ("", "unpaid"),
    (False, True),
    ("", "Post-Provisioning", "post-provisioning"),
    (None, 0),
    (None, 0),
    (None, T0),
    (None, T0),
    (False, True),
    (False, True),
    (None, T0),
    HEARTBEATS,
)
MOMENTS: Final = st.none() | st.just(T0)
PROGRESS: Final = st.none() | st.integers(0, 100)
ANY: Final = st.tuples(
    st.sampled_from(["", "unpaid", "fleet-type", "allowance"]),
    st.booleans(),
    st.sampled_from(["", "Post-Provisioning", "Post-Provisioning ", "Idle"])
    | st.text("aP-\u00df", max_size=20),
    *(PROGRESS, PROGRESS, MOMENTS, MOMENTS, st.booleans(), st.booleans(), MOMENTS),
    st.sampled_from(HEARTBEATS),
)


def by_model(facts: tuple[Any, ...]) -> str:
    """By the model, which is written from domain.md."""
    fact = dict(zip(FACTS, facts, strict=True))
    return ModelDevice(
        uuid="",
        created=T0,
        frozen=bool(fact["frozen_reason"]),
        active=fact["is_active"],
        provisioned=fact["provisioned_at"] is not None,
        in_contact=fact["first_contact_at"] is not None,
        state=fact["provisioning_state"],
        provisioning=fact["provisioning_progress"],
        update=fact["update_progress"],
        vpn_wanted=fact["vpn_enabled"],
        vpn=fact["vpn_connected"],
        vpn_since=fact["vpn_changed_at"],
        heartbeat=fact["heartbeat_state"],
    ).status()


def by_function(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    columns = ", ".join(f"%s::{kind}[]" for kind in FACTS.values())
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {NAME}({', '.join(FACTS)}) FROM unnest({columns})"  # noqa: S608 - of our own names
            f" WITH ORDINALITY AS given({', '.join(FACTS)}, number) ORDER BY number",
            [list(values) for values in zip(*rows, strict=True)],
        )
        return [status for (status,) in cursor]


def test_rules_look_only_at_facts_that_the_function_takes() -> None:
    unknown = {fact for rule in RULES for fact in rule.facts} - {*FACTS, "vpn", "heartbeat"}
    assert not unknown, "a further fact is another function: docs/changing-a-rule.md, A new fact"


def test_it_is_the_file_and_the_database_s() -> None:
    assert (FOLDER / "status_of.sql").read_text() == definition(), CHANGED.format(what="the file")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_function_identity_arguments(oid), prosrc FROM pg_proc WHERE proname = %s", [NAME]
        )
        there = cursor.fetchall()
    arguments = ", ".join(f"{fact} {kind}" for fact, kind in FACTS.items())
    arguments = arguments.replace("timestamptz", "timestamp with time zone")
    assert there == [(arguments, definition().split("$$")[1])], CHANGED.format(what="the database")


def test_it_is_the_model_s_over_the_whole_truth_table() -> None:
    rows = list(product(*ALL))
    assert by_function(rows) == [by_model(row) for row in rows]
    assert {by_model(row) for row in rows} == {rule.status.value for rule in RULES}


@given(st.lists(ANY, min_size=1))
def test_it_is_the_model_s_over_any_facts(rows: list[tuple[Any, ...]]) -> None:
    assert by_function(rows) == [by_model(row) for row in rows]


def plan_of(sql: str, params: Any = None) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (VERBOSE) {sql}", params)
        return "\n".join(line for (line,) in cursor)


def test_its_expression_takes_the_place_of_each_call() -> None:
    late, lost = (status_over(heartbeat_state=f"'{state}'") for state in ("late", "lost"))
    explained = {"devices": [1], "at": T0, "named_until": T0, "resumed": None}
    plans = [
        plan_of(f"SELECT {status_over()} FROM devices_device d"),  # noqa: S608 - of our own names
        plan_of(*with_status(Device.objects.all(), T0).query.sql_with_params()),
        plan_of(explanation._sql(), explained),
        plan_of(LAPSED.format(late=late, lost=lost), {"ids": [1], "at": T0}),
    ]
    for plan in plans:
        assert "CASE WHEN" in plan
        assert NAME not in plan
