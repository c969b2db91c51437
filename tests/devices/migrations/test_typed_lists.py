"""Lists kept as the text of an address become what the address means; what is not known stays a text."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from devices.listing.kept_list import FormerAddress, read, stored
from devices.listing.query_string import MOST
from tests.lists import listed

typed = import_module("devices.migrations.0004_typed_lists").typed

EVERYTHING = (
    "org=halden&fleet=kiosks&fleet=gone&status=offline&status=frozen&vpn=never&heartbeat=overdue&heartbeat=late"
    "&tag=site+%3D+central&tag=spare&tag=line%3D&no-tag=lost&type=pi&os=12&os=11&release=v1&silent=36h&q=+a%C3%A9+"
    "&sort=-name&per_page=100&columns=os&columns=type"
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        EVERYTHING,
        "status=offline&status=offline&view=0190&after=W10&range=7d&junk=1",
        "sort=nonsense&columns=nonsense&per_page=7",
        "silent=7d",
        "silent=90m",
        "q=a&q=b",
        f"q={'a' * 300}",
        "&".join(f"type={number}" for number in range(MOST)),
        "status=&fleet=&columns=",
    ],
)
def test_what_is_known_becomes_what_the_address_means(text: str) -> None:
    assert read(typed(text)) == listed(text)
    assert json.loads(json.dumps(stored(listed(text)))) == typed(text)


@pytest.mark.parametrize(
    "text",
    [
        "status=nonsense",
        "status=offline&vpn=up",
        "heartbeat=none",
        "tag=%3Dvalue",
        "silent=soon",
        "silent=0m",
        "silent=4000d",
        "per_page=all",
        "q=%00",
        "&".join(f"type={number}" for number in range(MOST + 1)),
    ],
)
def test_what_is_not_known_stays_as_it_was(text: str) -> None:
    assert read(typed(text)) == FormerAddress(address=text)
