"""The status as a function of the database: what it is called, which facts it takes, and how SQL calls it.

Its text is devices/schema/status_of.sql, made of RULES (devices/status/expressions.py). Stored columns and
queries call it, so that a change of a rule is a function replaced, and no table is built anew.
"""

from __future__ import annotations

from typing import Final

from django.db.models import Func, SmallIntegerField, TextField

from devices.rules.vocabulary import RANKS

NAME: Final = "devices_status_of"
# The facts that rules may look at, in the order of the arguments, with their types. One that no rule looks at
# any more stays: other arguments would be another function, and the stored columns would be built anew.
FACTS: Final = {
    "frozen_reason": "text",
    "is_active": "boolean",
    "provisioning_state": "text",
    "provisioning_progress": "smallint",
    "update_progress": "smallint",
    "provisioned_at": "timestamptz",
    "first_contact_at": "timestamptz",
    "vpn_enabled": "boolean",
    "vpn_connected": "boolean",
    "vpn_changed_at": "timestamptz",
    "heartbeat_state": "text",
}
# Templates for Sql and live_links.over.
CALL: Final = f"{NAME}({', '.join(f'{{{fact}}}' for fact in FACTS)})"
_RANKS: Final = ", ".join(f"'{status or ''}'" for status in RANKS)
RANK: Final = f"(array_position(ARRAY[{_RANKS}]::text[], {{status}}) - 1)"


def recorded_status() -> Func:
    """The expression of the stored column `Device.recorded_status`, as a migration can hold it."""
    return Func(*FACTS, function=NAME, output_field=TextField())


def recorded_rank() -> Func:
    """The place of the recorded status among the ranks, in the same way."""
    template = RANK.format(status="%(expressions)s")
    return Func(recorded_status(), template=template, output_field=SmallIntegerField())
