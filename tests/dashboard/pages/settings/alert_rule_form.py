"""What the form of an alert rule sends, and the rules that come with the product."""

from __future__ import annotations

from typing import Any

from devices.models import AlertRule
from fleets.models import Organization


def said(**values: Any) -> dict[str, Any]:
    """What the form of a rule sends."""
    usual_ones = {
        "condition": "status",
        "name": "Kiosks",
        "enabled": "on",
        "severity": "critical",
        "of-statuses": ["offline"],
        "delay_0": "2",
        "delay_1": "min",
        "hold_0": "2",
        "hold_1": "min",
        "gather_0": "60",
        "gather_1": "s",
        "repeat_0": "",
        "repeat_1": "h",
        "hours-zone": "Europe/Oslo",
    }
    return usual_ones | values


def shipped(organization: Organization, which: str) -> AlertRule:
    return AlertRule.objects.get(organization=organization, shipped=which)
