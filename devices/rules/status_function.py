"""The database function that computes a status: its name, its arguments, and SQL that calls it.

Its definition is devices/schema/status_of.sql, generated from RULES (devices/status/expressions.py). Stored
columns and queries call it, so that a changed rule replaces a function and rewrites no table.
"""

from __future__ import annotations

from typing import Final

from django.db.models import Func, SmallIntegerField, TextField

from devices.rules.vocabulary import RANKS

NAME: Final = "devices_status_of"
# The facts that rules may use, in the order of the arguments, with their types. A fact that no rule uses any
# more stays: other arguments make another function, and the stored columns would be rewritten.
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
    """The expression of the stored column `Device.recorded_status`, serializable in a migration."""
    return Func(*FACTS, function=NAME, output_field=TextField())


def recorded_rank() -> Func:
    """The index of the recorded status in RANKS, as an expression of stored columns."""
    template = RANK.format(status="%(expressions)s")
    return Func(recorded_status(), template=template, output_field=SmallIntegerField())
