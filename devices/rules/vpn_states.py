"""The four states of a device's VPN, as icons show them and filters name them.

Every device has exactly one: connected, disconnected, never (was connected), off (not used). Each way to
compute it is here: over the columns of a device, from its history in SQL, and from values that were read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q

# SQL of the VPN state that a ConnectivityRecord would name for a device aliased `d`.
RECORDED: Final = "CASE WHEN d.vpn_connected THEN 'connected' ELSE 'disconnected' END"


def recorded_as(*, connected: bool, changed_at: datetime | None) -> str | None:
    """The state that the newest ConnectivityRecord of such a VPN names; None: it never changed."""
    if connected:
        return "connected"
    return "disconnected" if changed_at else None


def conditions(connected: str) -> dict[str, Q]:
    """The condition of each state by its name; `connected` names the boolean column of the connection."""
    return {
        "connected": Q(**{connected: True}),
        "disconnected": Q(**{connected: False}, vpn_enabled=True, vpn_changed_at__isnull=False),
        "never": Q(**{connected: False}, vpn_enabled=True, vpn_changed_at__isnull=True),
        "off": Q(**{connected: False}, vpn_enabled=False),
    }


def state_of(recorded: str | None, *, used: bool) -> str:
    """The state, from what the newest record names (None: no record) and whether the VPN is used."""
    if recorded == "connected":
        return "connected"
    return (recorded or "never") if used else "off"


def state_sql(recorded: str, used: str) -> str:
    """SQL of the state: `recorded` is SQL of what the newest record names (null: no record), `used` SQL of
    whether the VPN is used."""
    return f"""(CASE {recorded} WHEN 'connected' THEN 'connected'
        WHEN 'disconnected' THEN CASE WHEN {used} THEN 'disconnected' ELSE 'off' END
        ELSE CASE WHEN {used} THEN 'never' ELSE 'off' END END)"""
