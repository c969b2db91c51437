"""The states of a device's VPN, as icons show them and filters name them: every device has exactly one.

They are written once, over columns and over what the histories say.
"""

from __future__ import annotations

from typing import Final

from django.db.models import Q

# What a ConnectivityRecord calls the state of a device `d`.
RECORDED: Final = "CASE WHEN d.vpn_connected THEN 'connected' ELSE 'disconnected' END"


def conditions(connected: str) -> dict[str, Q]:
    """The condition of each state, over the column that says whether it is connected."""
    return {
        "connected": Q(**{connected: True}),
        "disconnected": Q(**{connected: False}, vpn_enabled=True, vpn_changed_at__isnull=False),
        "never": Q(**{connected: False}, vpn_enabled=True, vpn_changed_at__isnull=True),
        "off": Q(**{connected: False}, vpn_enabled=False),
    }


def state_sql(recorded: str, used: str) -> str:
    """SQL of the state, given that of what the newest record says (null: none) and of whether it is used."""
    return f"""(CASE {recorded} WHEN 'connected' THEN 'connected'
        WHEN 'disconnected' THEN CASE WHEN {used} THEN 'disconnected' ELSE 'off' END
        ELSE CASE WHEN {used} THEN 'never' ELSE 'off' END END)"""
