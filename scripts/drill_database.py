"""The devices of the drill (drill.py) in the database, and what was recorded of them during its outage."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from devices import clock, keys
from devices.history import device_history
from devices.history.spans import spans_of
from devices.integrity import checks as integrity
from devices.models import ConnectivityRecord, Device, Outage, StatusChange
from devices.operations import lifecycle
from devices.rules.vocabulary import Status
from devices.simulator.keyfile import write_private
from devices.status.reading import with_status
from fleets.models import Fleet, Organization

INTERVAL = 10  # seconds between two polls
# A device is late after this time without a poll, and lost after twice as long.
WINDOW = timedelta(seconds=15)
GROUPS = ("stay", "lost", "leave")  # only devices that stay use a VPN
# Devices of each group that does not stay: together so few that they are no incident of one cause, which
# tells of those that join it only once they are many more.
FEW = 2

Groups = dict[str, list[int]]  # primary keys of devices, by the name of their group
Finding = tuple[str, object, object]  # what was compared, the expected value and the actual one


def make_devices(state: Path, number: int) -> Groups:
    """Create a fleet with so many devices, and write a key file of each group to `state`."""
    organization = Organization.objects.create(name="Drill", slug="drill")
    fleet = Fleet.objects.create(
        organization=organization, name="Drill", slug="drill", poll_interval=INTERVAL, vpn_enabled=True
    )
    service_key, groups = keys.new_service_key(organization, "drill"), {}
    for group in GROUPS:
        count = FEW if group != "stay" else number - 2 * FEW
        made = [lifecycle.preregister(fleet=fleet, actor=None, name=f"{group}-{n}") for n in range(count)]
        known = [
            {"uuid": device.uuid, "key": key, "fleet": "drill", "name": device.name} for device, key in made
        ]
        content = {
            "organization": group,
            "service_key": service_key,
            "fleets": [{"slug": "drill", "provisioning_key": "none", "vpn": group == "stay"}],
            "devices": known,
        }
        write_private(state / f"{group}.json", json.dumps(content).encode())
        groups[group] = [device.pk for device, _ in made]
    return groups


def statuses(groups: Groups) -> dict[str, frozenset[str]]:
    """By group, the statuses that pages would show at this moment."""
    by_id = dict(with_status(Device.objects.all()).values_list("pk", "status"))
    return {group: frozenset(by_id[pk] for pk in ids) for group, ids in groups.items()}


def described(groups: Groups) -> str:
    """Each group with its number of devices and their present statuses, as text."""
    now = statuses(groups)
    return ", ".join(f"{group}: {len(ids)} {'/'.join(sorted(now[group]))}" for group, ids in groups.items())


def recorded(devices: list[int], since: datetime | None = None) -> bool:
    """Whether the history has one change to Offline of each of these devices, after `since` if given."""
    changes = StatusChange.objects.filter(device__in=devices, after=Status.OFFLINE)
    return changes.filter(**{"at__gt": since} if since else {}).count() == len(devices)


def outages() -> list[Outage]:
    """All outages that are recorded."""
    return list(Outage.objects.all())


def findings(
    groups: Groups,
    calm: datetime,
    before: dict[str, frozenset[str]],
    during: dict[str, frozenset[str]],
    outage: Outage,
) -> Iterator[Finding]:
    """Compare the history with what happened.

    `calm`: a moment after the first group was lost. `before`, `during`: the statuses before and at the end of
    the outage.
    """

    def changes(model: Any, group: str) -> list[tuple[str, float]]:
        """The changes since the outage began: the new state, and seconds from the end of the outage."""
        rows = model.objects.filter(device__in=groups[group], at__gt=outage.began_at).order_by("at", "id")
        return [(row.after, round((row.at - outage.ended_at).total_seconds(), 3)) for row in rows]

    window, gone = WINDOW.total_seconds(), len(groups["leave"])
    yield "status of all while nobody listened", before, during
    for group, words in (("stay", "that stayed"), ("lost", "that were lost before")):
        yield f"changes of status of those {words}", [], changes(StatusChange, group)
        yield f"changes of a link of those {words}", [], changes(ConnectivityRecord, group)
    late, lost = [("late", window)] * gone, [("lost", 2 * window)] * gone
    yield "links of those that left meanwhile", late + lost, changes(ConnectivityRecord, "leave")
    yield (
        "status of those that left meanwhile",
        [(Status.OFFLINE, 2 * window)] * gone,
        changes(StatusChange, "leave"),
    )
    uptimes, hatched = lanes(groups["stay"], calm)
    yield "uptime of those that stayed", {1.0}, uptimes
    yield "not observed", [(outage.began_at, outage.ended_at)], hatched
    yield (
        "what disagrees with the facts",
        [],
        [str(disagreement) for disagreement in integrity.disagreements()],
    )


def lanes(devices: list[int], start: datetime) -> tuple[set[float | None], list[Any]]:
    """The uptimes in all history lanes of these devices, and the times that are hatched as not observed."""
    at, uptimes, hatched = clock.moment(), set(), []
    for device in with_status(Device.objects.filter(pk__in=devices), at):
        history = spans_of(device, device_history.read(device, start, at), start, at)
        uptimes |= {history.uptime(link, start, at.at) for link in ("status", "vpn", "heartbeat")}
        hatched = history.outages
    return uptimes, hatched


def judge(found: list[Finding]) -> int:
    """Print the findings; the exit status is 1 if one is wrong."""
    for what, must, there in found:
        right = must == there
        print(f"{'ok   ' if right else 'WRONG'}  {what}: {words(there)}")
        if not right:
            print(f"       must be {words(must)}")
    wrong = sum(must != there for _, must, there in found)
    print(
        f"\n{wrong} of {len(found)} are wrong."
        if wrong
        else "\nThe history shows the outage, and nothing else."
    )
    return 1 if wrong else 0


def words(value: object) -> str:
    """A value of a finding as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {'/'.join(sorted(item))}" for key, item in value.items())
    if isinstance(value, set):
        return ", ".join(f"{item or 0:.1%}" for item in value)
    if isinstance(value, list) and value and isinstance(value[0][0], datetime):
        return ", ".join(f"{start:%H:%M:%S} to {end:%H:%M:%S}" for start, end in value)
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return ", ".join(
            f"{sum(item == one for item in value)} {one[0]} {one[1]:+g} s after the end"
            for one in dict.fromkeys(value)
        )
    return "none" if not value else str(value)
