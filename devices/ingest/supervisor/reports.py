"""Translating a supervisor's report into the payload that `devices.operations.reports` takes (protocol.md).

A report is a diff: an absent field is unchanged. `apps`, where present, is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from msgspec import UNSET, UnsetType

from devices.ingest.native.bodies import UpdateStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devices.ingest.supervisor.bodies import App, Release, Service, State, State2, State3

Value = TypeVar("Value")

LARGEST: Final = 2**31 - 1
MEGABYTE: Final = 1024 * 1024
# The longest texts that are stored; longer ones are cut, lists of addresses at a space.
LENGTHS: Final = {"os_version": 70, "supervisor_version": 20, "provisioning_state": 255}
ADDRESSES: Final = {"ip_address": "ip_addresses", "mac_address": "mac_addresses"}
LONGEST: Final = 255
# The metrics of a supervisor by their names: our name, and the factor to our unit.
METRICS: Final = {
    "cpu_usage": ("cpu_percent", 1),
    "cpu_temp": ("temperature", 1),
    "memory_usage": ("memory_used", MEGABYTE),
    "memory_total": ("memory_total", MEGABYTE),
    "storage_usage": ("storage_used", MEGABYTE),
    "storage_total": ("storage_total", MEGABYTE),
}
LOWEST_FIRST: Final[tuple[str, ...]] = get_args(UpdateStatus)
UNDER_WAY: Final = ("downloading", "applying changes")
DOWNLOADING: Final = "Downloading"


def changes(state: State) -> dict[str, Any]:
    """The payload of the fields that both forms of a report share."""
    facts: dict[str, Any] = {
        name: (getattr(state, name) or "")[:length]
        for name, length in LENGTHS.items()
        if getattr(state, name) is not UNSET
    }
    for name, ours in ADDRESSES.items():
        if (text := getattr(state, name)) is not UNSET:
            facts[ours] = addresses(text or "")
    if state.provisioning_progress is not UNSET:
        progress = state.provisioning_progress
        facts["provisioning_progress"] = None if progress is None else percent(progress)
    if metrics := _metrics(state):
        facts["metrics"] = metrics
    return facts


def changes3(state: State3) -> dict[str, Any]:
    """The payload of a report in the v3 form."""
    facts = changes(state)
    if state.apps is UNSET:
        return facts
    apps = present(state.apps)
    releases = [release for app in apps for release in present(app.releases)]
    statuses = [release.update_status for release in releases if release.update_status]
    return {
        **facts,
        **_versions(apps),
        "update_status": min(statuses, key=LOWEST_FIRST.index, default=""),
        "update_progress": update_progress(releases),
    }


def changes2(state: State2) -> dict[str, Any]:
    """The payload of a report in the v2 form, in which the device downloads, and releases have no status."""
    facts = changes(state)
    if state.is_on__commit is not UNSET:
        facts["release"] = (state.is_on__commit or "")[:LONGEST]
    if state.apps is UNSET and state.status is UNSET and state.download_progress is UNSET:
        return facts
    services = [service for app in present(state.apps) for service in present(app.services)]
    progress = mean(service for service in services if service.status == DOWNLOADING)
    # A progress without a status continues the download that was reported before.
    if progress is None and state.status in {DOWNLOADING, UNSET}:
        progress = _own_progress(state)
    return facts | {"update_status": "" if progress is None else "downloading", "update_progress": progress}


def _own_progress(state: State2) -> int | None:
    if isinstance(state.download_progress, int | float):
        return percent(state.download_progress)
    return 0 if state.status == DOWNLOADING else None


def update_progress(releases: Iterable[Release]) -> int | None:
    """The progress of the update under way, 0 to 100; None: there is none."""
    statuses = {release.update_status for release in releases}
    progress = mean(
        service
        for release in releases
        for service in present(release.services)
        if service.status == DOWNLOADING or release.update_status in UNDER_WAY
    )
    if progress is not None:
        return progress
    if "downloading" in statuses:
        return 0
    return 100 if "applying changes" in statuses else None


def mean(services: Iterable[Service]) -> int | None:
    """The rounded mean of the services' download progress, null counting as 100; None: there are none."""
    progress = [
        100 if service.download_progress is None else clamped(service.download_progress)
        for service in services
    ]
    return percent(sum(progress) / len(progress)) if progress else None


def percent(number: float) -> int:
    """The number rounded to an integer from 0 to 100."""
    return int(clamped(number) + 0.5)


def clamped(number: float) -> float:
    """The number, at least 0 and at most 100."""
    return min(100, max(0, number))


def addresses(text: str) -> list[str]:
    """The addresses of a text with spaces between them; a text longer than LONGEST is cut at a space."""
    if len(text) > LONGEST:
        text = text[: LONGEST + 1].rpartition(" ")[0]
    return text.split()


def present(values: Mapping[str, Value | None] | UnsetType | None) -> list[Value]:
    """The values that are not null, of a mapping that may be null or absent itself."""
    return [value for value in (values or {}).values() if value is not None]


def _versions(apps: list[App]) -> dict[str, str]:
    """`release`, which runs, and `target_release`, which is coming, of the first app that names them."""
    running = next((app.release_uuid for app in apps if app.release_uuid), None)
    coming = (
        commit
        for app in apps
        for commit, release in (app.releases or {}).items()
        if release and release.update_status in UNDER_WAY
    )
    target = next(coming, running)
    versions = {"release": running, "target_release": target}
    return {name: text.replace("\0", "")[:LONGEST] for name, text in versions.items() if text}


def _metrics(state: State) -> dict[str, Any]:
    measured = {
        ours: _amount(getattr(state, name), unit)
        for name, (ours, unit) in METRICS.items()
        if getattr(state, name) is not UNSET
    }
    if state.is_undervolted is not UNSET:
        measured["undervolted"] = state.is_undervolted
    return measured


def _amount(number: float | None, unit: int) -> float | None:
    if number is None:
        return None
    capped = min(LARGEST, max(-LARGEST if unit == 1 else 0, number))
    return int(capped * unit) if isinstance(capped, int) or unit > 1 else capped
