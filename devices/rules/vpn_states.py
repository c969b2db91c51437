"""The states of a device's VPN, as icons show them and filters name them: every device has exactly one.

They are written once, over columns, over what the histories say, and over what has been read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q

# What a ConnectivityRecord calls the state of a device `d`.
RECORDED: Final = "CASE WHEN d.vpn_connected THEN 'connected' ELSE 'disconnected' END"


def recorded_as(*, connected: bool, changed_at: datetime | None) -> str | None:
    """What a ConnectivityRecord calls the state of a VPN that was read; None: never seen."""
    if connected:
        return "connected"
    return "disconnected" if changed_at else None


def conditions(connected: str) -> dict[str, Q]:
    """The condition of each state, over the column that says whether it is connected."""
    return {
        "connected": Q(**{connected: True}),
        "disconnected": Q(**{connected: False}, vpn_enabled=True, vpn_changed_at__isnull=False),
        "never": Q(**{connected: False}, vpn_enabled=True, vpn_changed_at__isnull=True),
        "off": Q(**{connected: False}, vpn_enabled=False),
    }


def state_of(recorded: str | None, *, used: bool) -> str:
    """The state, given what the newest record says (None: there is none) and whether the VPN is used."""
    if recorded == "connected":
        return "connected"
    return (recorded or "never") if used else "off"


def state_sql(recorded: str, used: str) -> str:
    """SQL of the state, given that of what the newest record says (null: none) and of whether it is used."""
    return f"""(CASE {recorded} WHEN 'connected' THEN 'connected'
        WHEN 'disconnected' THEN CASE WHEN {used} THEN 'disconnected' ELSE 'off' END
        ELSE CASE WHEN {used} THEN 'never' ELSE 'off' END END)"""
