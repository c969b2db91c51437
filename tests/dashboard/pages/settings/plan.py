"""What tests say to the form of the plan."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.test import Client

from devices.models import Device
from devices.operations import lifecycle
from fleets.models import Fleet
from tests.pages import text_of

PATH = "/settings/halden/plan/"
CHANGE = f"{PATH}change/"


def register(fleet: Fleet, *names: str) -> list[Device]:
    return [lifecycle.register(fleet=fleet, name=name) for name in names]


def wanted(**plan: Any) -> dict[str, str]:
    """What the form says."""
    said = {"plan": "free", "allowance": "3"} | plan
    return {name: str(value) for name, value in said.items() if value is not None}


def preview(client: Client, **plan: Any) -> str:
    return text_of(client.get(f"{CHANGE}?{urlencode(wanted(**plan))}"))
