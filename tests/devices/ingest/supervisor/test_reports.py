"""What a report says, form by form (protocol.md, Report): the truth table of update progress, diffs, cuts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.ingest.native.bodies import parse
from devices.ingest.supervisor.bodies import State2, State3
from devices.ingest.supervisor.reports import changes2, changes3

MIB = 1024 * 1024


def said3(state: Any) -> dict[str, Any]:
    return changes3(parse(State3, json.dumps(state).encode()))


def said2(state: Any) -> dict[str, Any]:
    return changes2(parse(State2, json.dumps(state).encode()))


def service(status: str | None, progress: float | None) -> dict[str, Any]:
    return {"image": "registry/x", "status": status, "download_progress": progress}


def app(**releases: tuple[str | None, list[Any]]) -> dict[str, Any]:
    """An app of these releases by commit: its update status and its services."""
    return {
        "releases": {
            commit: {
                "update_status": update_status,
                "services": {f"s{n}": service(*each) for n, each in enumerate(services)},
            }
            for commit, (update_status, services) in releases.items()
        }
    }


DOWN, RUN = "Downloading", "Running"
# Apps, then the update status and progress that follow.
PROGRESS: list[tuple[list[dict[str, Any]], str, int | None]] = [
    ([], "", None),
    ([app()], "", None),
    ([app(a=(None, []))], "", None),
    ([app(a=("done", [(RUN, None)]))], "done", None),
    ([app(a=("done", [(RUN, 40)]))], "done", None),
    ([app(a=("downloaded", [("Downloaded", 100)]))], "downloaded", None),
    ([app(a=("rejected", [])), app(b=("aborted", []))], "rejected", None),
    # A release's status makes it an update.
    ([app(a=("downloading", []))], "downloading", 0),
    ([app(a=("applying changes", []))], "applying changes", 100),
    ([app(a=("downloading", []), b=("applying changes", []))], "downloading", 0),
    ([app(a=("downloading", [(RUN, None)]))], "downloading", 100),
    ([app(a=("downloading", [(DOWN, 0)]))], "downloading", 0),
    ([app(a=("downloading", [(DOWN, 10), ("Downloaded", None)]))], "downloading", 55),
    ([app(a=("downloading", [(DOWN, 10), ("exploding", 20)]))], "downloading", 15),
    ([app(a=("applying changes", [("Installing", None), ("Stopping", 50)]))], "applying changes", 75),
    # So does a service's, whatever its release says.
    ([app(a=("done", [(DOWN, 30), (RUN, 90)]))], "done", 30),
    ([app(a=(None, [(DOWN, None)]))], "", 100),
    ([app(a=("rejected", [(DOWN, 7)]))], "rejected", 7),
    ([app(a=("done", [("downloading", 30)]))], "done", None),
    # Over all apps and releases; the lowest status is told.
    ([app(a=("done", [(RUN, 100)]), b=("downloading", [(DOWN, 20)]))], "downloading", 20),
    ([app(a=("downloading", [(DOWN, 20)])), app(b=("done", [(DOWN, 60), (RUN, 0)]))], "downloading", 40),
    ([app(a=("applying changes", [])), app(b=("done", [(DOWN, 60)]))], "applying changes", 60),
    ([app(a=("aborted", []), b=("applying changes", []))], "aborted", 100),
    # Rounded, each clamped before.
    ([app(a=("downloading", [(DOWN, 0), (DOWN, 1)]))], "downloading", 1),
    ([app(a=("downloading", [(DOWN, 33), (DOWN, 33), (DOWN, 34)]))], "downloading", 33),
    ([app(a=("downloading", [(DOWN, 33.4)]))], "downloading", 33),
    ([app(a=("downloading", [(DOWN, -50), (DOWN, 500)]))], "downloading", 50),
    ([app(a=("downloading", [(DOWN, 10**30)]))], "downloading", 100),
]


@pytest.mark.parametrize(("apps", "status", "progress"), PROGRESS)
def test_update_progress(apps: list[dict[str, Any]], status: str, progress: int | None) -> None:
    said = said3({"apps": {f"app{n}": each for n, each in enumerate(apps)}})
    assert (said["update_status"], said["update_progress"]) == (status, progress)


@pytest.mark.parametrize("apps", [None, {"a": None}, {"a": {}}, {"a": {"releases": {"c": None}}}])
def test_apps_that_say_nothing_end_an_update(apps: Any) -> None:
    assert said3({"apps": apps}) == {"update_status": "", "update_progress": None}


def test_what_is_absent_is_unchanged() -> None:
    assert said3({}) == {}
    assert said2({}) == {}
    assert said3({"status": "Idle"}) == {}
    assert said3({"cpu_usage": 5}) == {"metrics": {"cpu_percent": 5}}


def test_the_releases_that_run_and_are_to_run() -> None:
    running = {"release_uuid": "aaa", **app(aaa=("done", []))}
    assert said3({"apps": {"1": running}})["release"] == "aaa"
    assert said3({"apps": {"1": running}})["target_release"] == "aaa"
    updating = {"release_uuid": "aaa", **app(aaa=("done", []), bbb=("downloading", []))}
    said = said3({"apps": {"1": updating}})
    assert (said["release"], said["target_release"]) == ("aaa", "bbb")
    first = said3({"apps": {"1": app(bbb=("downloading", []))}})
    assert (first.get("release"), first["target_release"]) == (None, "bbb")


# v2: status and progress of the device itself, then its services; what follows.
FORM2: list[tuple[dict[str, Any], list[Any] | None, int | None]] = [
    ({"status": DOWN, "download_progress": 40}, None, 40),
    ({"status": DOWN, "download_progress": 0}, None, 0),
    ({"status": DOWN, "download_progress": None}, None, 0),
    ({"status": DOWN}, None, 0),
    ({"status": DOWN, "download_progress": 140}, None, 100),
    ({"status": "Idle", "download_progress": 40}, None, None),
    ({"status": "Idle", "download_progress": None}, None, None),
    ({"status": None}, None, None),
    ({"download_progress": 50}, None, 50),  # the status is as it was
    ({"download_progress": 0}, None, 0),
    ({"download_progress": None}, None, None),
    ({}, [], None),
    ({}, [(DOWN, 20), (DOWN, None), (RUN, 5)], 60),
    ({"status": DOWN, "download_progress": 99}, [(DOWN, 20)], 20),
    ({"status": "Idle"}, [(DOWN, 20)], 20),
    ({"status": "Idle"}, [("Installing", 20)], None),
    ({"status": DOWN, "download_progress": 7}, [("Installing", 20)], 7),
]


@pytest.mark.parametrize(("state", "services", "progress"), FORM2)
def test_update_progress_in_v2(
    state: dict[str, Any], services: list[Any] | None, progress: int | None
) -> None:
    state = dict(state)
    if services is not None:
        images = {str(n): service(*each) | {"releaseId": 5} for n, each in enumerate(services)}
        state["apps"] = {"1": {"services": images}}
    status = "" if progress is None else "downloading"
    assert said2(state) == {"update_status": status, "update_progress": progress}


@pytest.mark.parametrize(("commit", "release"), [("c0ffee", "c0ffee"), (None, ""), ("c" * 300, "c" * 255)])
def test_release_in_v2(commit: str | None, release: str) -> None:
    assert said2({"is_on__commit": commit}) == {"release": release}
    assert said2({"is_on__commit": commit, "apps": {}})["release"] == release


FULL: dict[str, Any] = {
    "status": "Idle",
    "os_version": "balenaOS 6.1.2",
    "os_variant": "prod",
    "supervisor_version": "17.0.1",
    "provisioning_state": "Post-Provisioning",
    "provisioning_progress": 99.6,
    "ip_address": "192.0.2.7  2001:db8::7 ",
    "mac_address": "00:00:5E:00:53:01 00:00:5E:00:53:02",
    "api_port": 48484,
    "api_secret": "hidden",
    "cpu_usage": 12,
    "cpu_temp": -5.5,
    "memory_usage": 700,
    "memory_total": 3800,
    "storage_usage": 0,
    "storage_total": 10**12,
    "storage_block_device": "/dev/mmcblk0p6",
    "cpu_id": "10000000abcdef",
    "is_undervolted": False,
}


@pytest.mark.parametrize("said", [said3, said2])
def test_every_field(said: Any) -> None:
    update = {"update_status": "", "update_progress": None} if said is said2 else {}
    assert said(FULL) == {
        "os_version": "balenaOS 6.1.2",
        "supervisor_version": "17.0.1",
        "provisioning_state": "Post-Provisioning",
        "provisioning_progress": 100,
        "ip_addresses": ["192.0.2.7", "2001:db8::7"],
        "mac_addresses": ["00:00:5E:00:53:01", "00:00:5E:00:53:02"],
        "metrics": {
            "cpu_percent": 12,
            "temperature": -5.5,
            "memory_used": 700 * MIB,
            "memory_total": 3800 * MIB,
            "storage_used": 0,
            "storage_total": (2**31 - 1) * MIB,
            "undervolted": False,
        },
        **update,
    }


def test_null_takes_away() -> None:
    said = said3(dict.fromkeys(FULL))
    metrics = said.pop("metrics")
    assert said == {
        "os_version": "",
        "supervisor_version": "",
        "provisioning_state": "",
        "provisioning_progress": None,
        "ip_addresses": [],
        "mac_addresses": [],
    }
    assert set(metrics.values()) == {None}
    assert len(metrics) == 7


CUTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"os_version": "x" * 71}, {"os_version": "x" * 70}),
    ({"os_version": "ü" * 70}, {"os_version": "ü" * 70}),
    ({"supervisor_version": "1" * 21}, {"supervisor_version": "1" * 20}),
    ({"provisioning_state": "y" * 300}, {"provisioning_state": "y" * 255}),
    ({"status": "z" * 5000}, {}),
    ({"provisioning_progress": -3}, {"provisioning_progress": 0}),
    ({"provisioning_progress": 10**25}, {"provisioning_progress": 100}),
    ({"provisioning_progress": 40.5}, {"provisioning_progress": 41}),
    ({"ip_address": "a" * 127 + " " + "b" * 127}, {"ip_addresses": ["a" * 127, "b" * 127]}),
    ({"ip_address": "a" * 128 + " " + "b" * 127}, {"ip_addresses": ["a" * 128]}),
    ({"mac_address": "a" * 255 + " b"}, {"mac_addresses": ["a" * 255]}),
    ({"mac_address": "a" * 256}, {"mac_addresses": []}),
    ({"memory_usage": -7}, {"metrics": {"memory_used": 0}}),
    ({"memory_usage": 2**40}, {"metrics": {"memory_used": (2**31 - 1) * MIB}}),
    ({"memory_usage": 1.5}, {"metrics": {"memory_used": MIB * 3 // 2}}),
    ({"cpu_usage": 2**40}, {"metrics": {"cpu_percent": 2**31 - 1}}),
    ({"cpu_temp": -(10**40)}, {"metrics": {"temperature": -(2**31 - 1)}}),
]


@pytest.mark.parametrize(("state", "said"), CUTS)
def test_what_is_too_much_is_cut(state: dict[str, Any], said: dict[str, Any]) -> None:
    assert said3(state) == said
