"""Lists as jobs and saved views keep them: read as they were written, and refused where not all is known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.listing import kept_list
from devices.listing.filters import Filters, Tag
from devices.listing.kept_list import FormerAddress, KeptFilters, KeptList, Unreadable, read, stored
from devices.listing.query_string import address_of
from devices.rules.vocabulary import Status
from tests.factories import make_fleet, make_organization
from tests.lists import listed

ALL = (
    "org=halden&fleet=kiosks&status=frozen&status=offline&vpn=never&heartbeat=late&tag=line%3D&tag=site%3Da"
    "&no-tag=lost&type=pi&os=12&release=v1&silent=7d&q=a&sort=-name&per_page=100&columns=os&columns=type"
)
WIDEST = stored(KeptList())


def changed(**filters: Any) -> dict[str, Any]:
    return WIDEST | {"filters": WIDEST["filters"] | filters}


@pytest.mark.parametrize("query", ["", ALL, "silent=90m", "silent=36h", "tag=%C3%A9"])
def test_a_list_is_read_as_it_was_kept_and_its_address_is_the_same(query: str) -> None:
    kept = listed(query)
    assert read(json.loads(json.dumps(stored(kept)))) == kept
    assert address_of(kept) == query


def test_the_same_list_is_kept_alike_however_it_was_asked_for() -> None:
    assert listed("status=offline&status=frozen&tag=a=1&columns=os") == listed(
        "columns=os&tag=+a+%3D+1&status=frozen&status=offline&after=W10&view=0190"
    )


@pytest.mark.parametrize(
    ("json", "words"),
    [
        (WIDEST | {"v": 2}, "Invalid value 2"),
        ({name: WIDEST[name] for name in WIDEST if name != "v"}, "required field `v`"),
        (WIDEST | {"more": 1}, "unknown field `more`"),
        (changed(battery="low"), "unknown field `battery`"),
        (changed(statuses=["nonsense"]), "'nonsense'"),
        (changed(vpn=["up"]), "No link has the state 'up'"),
        (changed(heartbeat=["connected"]), "No link has the state 'connected'"),
        (changed(tags=[{"key": "a", "near": True}]), "unknown field `near`"),
        (changed(silent=90), "multiple of 60"),
        (changed(silent=-60), "`int`"),
        ("status=offline", "Expected `object`"),
        (None, "Expected `object`"),
        ({}, "required field `v`"),
    ],
)
def test_what_is_unknown_is_refused_and_never_means_all_devices(json: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(json)
    assert "This version of the site cannot read it: " in str(refused.value)
    assert words in str(refused.value)


def test_a_former_address_may_be_opened_but_nothing_is_done_to_its_devices() -> None:
    former = {"v": 0, "address": "status=nonsense"}
    assert read(former) == FormerAddress(address="status=nonsense")
    assert address_of(read(former)) == "status=nonsense"
    with pytest.raises(Unreadable, match="Something in “status=nonsense” is no longer known"):
        kept_list.read_for_work(former)


@pytest.mark.django_db
def test_fleets_are_looked_up_where_the_list_is_used() -> None:
    organization = make_organization()
    fleet, _ = make_fleet(organization, slug="kiosks"), make_fleet(slug="elsewhere")
    kept = KeptFilters(fleets=("kiosks", "elsewhere"), tags=(Tag("a", "1"),), silent=3600)
    notices: list[str] = []
    found = kept_list.resolved(kept, [organization], notices)
    assert found.fleets == (fleet,)
    assert (found.tags, found.silent and found.silent.total_seconds()) == ((Tag("a", "1"),), 3600)
    assert notices == ["There is no fleet “elsewhere” here. It was ignored."]


def test_statuses_fold_where_the_list_is_used(settings: Any) -> None:
    kept = listed("status=vpn-only&status=heartbeat-only&status=offline").filters
    assert kept_list.resolved(kept, [], []) == Filters(
        statuses=(Status.VPN_ONLY, Status.HEARTBEAT_ONLY, Status.OFFLINE)
    )
    settings.SIMPLE_STATUSES = True
    assert kept_list.resolved(kept, [], []) == Filters(statuses=(Status.ONLINE, Status.OFFLINE))
