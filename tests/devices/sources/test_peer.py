"""Every address that is asked of a source can be parsed by the parser that open-balena-api uses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

from devices.models import Source
from devices.sources import queries
from devices.sources.check import check
from tests.devices.sources.api import LONGEST, TOKEN, BalenaApi
from tests.devices.sources.swept import swept
from tests.programs import required

PEER: Final = Path(__file__).with_name("peer")


@pytest.fixture
def node() -> str:
    path = required("node")
    if not (PEER / "node_modules" / "@balena" / "odata-parser").is_dir():
        required(f"{PEER}/node_modules/@balena/odata-parser")
    return path


def unparsed(node: str, paths: list[str]) -> list[str]:
    """Those of these addresses that the parser refuses, with what it says."""
    run = subprocess.run(
        [node, str(PEER / "parse.js")], input=json.dumps(paths), capture_output=True, text=True, check=True
    )
    wrong: list[str] = json.loads(run.stdout)
    return wrong


def test_addresses_of_sweeps_and_checks_are_parsed(node: str, api: BalenaApi, source: Source) -> None:
    for row in api.devices:
        del row["update_status"]  # so that fields are asked for in parts
    check(api.address, TOKEN)
    swept(source)
    swept(source, 60)
    asked = [path for path in api.asked if path != queries.WHOAMI]
    assert len(asked) > 10
    assert unparsed(node, asked) == []


def test_longest_filter_is_parsed_and_short_enough_for_the_server(node: str) -> None:
    parts = (*queries.NEEDED["device"], *queries.WANTED["device"])
    longest = queries.page("device", parts, 10**9, fleets=range(2_000_000, 2_000_000 + queries.MOST_FLEETS))
    assert len(longest) < LONGEST
    assert unparsed(node, [longest]) == []


def test_address_that_is_wrong_is_found(node: str) -> None:
    assert unparsed(node, ["/v7/device?$select=id&$filter=id%20gt"]) != []
