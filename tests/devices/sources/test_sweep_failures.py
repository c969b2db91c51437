"""What goes wrong while a source is swept: nothing is concluded from half a sweep."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.models import Device, Source, SourceOutage
from devices.sources import queries
from devices.sources.sweep import sweep
from tests.devices.sources.api import BalenaApi, Fault
from tests.devices.sources.swept import AT, swept

FAULTS = {
    "a limit": Fault(429, {"Retry-After": "3600"}),
    "an error without a word": Fault(500),
    "an address that is too long": Fault(431),
    "a cut connection": Fault(cut=True),
    "something else": Fault(200, {"Content-Type": "text/html"}, b"<html>"),
    "a redirect": Fault(301, {"Location": "https://elsewhere.example/"}),
    "a token that ended": Fault(401),
}


@pytest.mark.parametrize(
    "calls",
    [0, pytest.param(1, marks=pytest.mark.thorough), pytest.param(2, marks=pytest.mark.thorough), 3],
)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_nothing_is_concluded_from_half_a_sweep(
    api: BalenaApi, source: Source, fault: Fault, calls: int
) -> None:
    swept(source)
    before = list(Device.objects.order_by("pk").values()), source.swept_at
    api.devices = api.devices[1::2]
    api.device("2")["api_heartbeat_state"] = "offline"
    api.faults.extend([None] * calls + [fault])
    outcome = sweep(source, whole=True, at=AT + timedelta(seconds=600))
    source.refresh_from_db()
    assert outcome.error
    assert source.error == outcome.error
    assert (list(Device.objects.order_by("pk").values()), source.swept_at) == before
    assert swept(source, 1200).written


def test_attempts_after_failures_come_later_and_later(api: BalenaApi, source: Source) -> None:
    pauses = []
    for after in range(6):
        api.faults.append(Fault(502))
        sweep(source, at=AT + timedelta(seconds=after))
        source.refresh_from_db()
        pauses.append(source.pause)
    assert pauses == [60, 120, 240, 480, 600, 600]


def test_limit_of_the_server_is_waited_for_within_a_sweep(api: BalenaApi, source: Source) -> None:
    api.faults.extend([None, Fault(429, {"Retry-After": "0"}), Fault(429, {"Retry-After": "0"})])
    swept(source)
    assert Device.objects.count() == 14


def test_device_deleted_between_two_pages_is_gone_and_no_other(
    api: BalenaApi, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(queries.PER_PAGE, "device", 3)
    swept(source)

    def delete_first(path: str) -> None:
        if "gt%205%20" in path:
            api.devices = [row for row in api.devices if row["id"] != 3]

    api.before = delete_first
    swept(source, 600)
    assert Device.objects.count() == 14  # it was on a page that had been read
    swept(source, 1200)
    assert Device.objects.count() == 13


def test_device_moved_between_two_pages_is_there_once(
    api: BalenaApi, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(queries.PER_PAGE, "device", 3)

    def move(path: str) -> None:
        if "gt%205%20" in path:
            api.device("2")["belongs_to__application"] = {"__id": 2}

    api.before = move
    swept(source)
    swept(source, 600)
    assert Device.objects.filter(uuid__endswith="2").count() == 1
    assert Device.objects.get(uuid__endswith="2").fleet.name == "kiosks"


def test_token_that_sees_no_fleet_any_longer_deletes_nothing(api: BalenaApi, source: Source) -> None:
    swept(source)
    api.applications.clear()
    outcome = sweep(source, whole=True, at=AT + timedelta(seconds=600))
    assert outcome.error == "The token sees none of the fleets any longer. Nothing was deleted here."
    assert Device.objects.count() == 14


def test_of_two_sweeps_at_once_one_writes(api: BalenaApi, source: Source) -> None:
    began_before = Source.objects.get()
    swept(source)
    outcome = sweep(began_before, at=AT + timedelta(seconds=1))
    assert (outcome.written, outcome.error) == (None, "")
    source.refresh_from_db()
    assert source.swept_at == AT


def test_fields_that_a_server_does_not_have_are_found_once(api: BalenaApi, source: Source) -> None:
    for row in api.devices:
        del row["update_status"], row["overall_progress"]
    swept(source)
    asked = {"is_active", "update_status", "overall_progress"}
    assert not asked & set(source.known_fields["device"])
    assert "overall_status" in source.known_fields["device"]
    api.asked.clear()
    swept(source, 600)
    assert not any(path.rsplit("&", 1)[1] == "$top=1" for path in api.asked)


def test_silence_of_a_source_is_an_outage_of_it(api: BalenaApi, source: Source) -> None:
    swept(source)
    assert not source.is_silent(AT + timedelta(seconds=180))
    assert source.is_silent(AT + timedelta(seconds=181))
    swept(source, 900)
    outage = SourceOutage.objects.get()
    assert (outage.began_at, outage.ended_at) == (AT, AT + timedelta(seconds=900))
