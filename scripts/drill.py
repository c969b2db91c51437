"""An outage of ours, for real: the site is killed and comes back, and the history must show only that.

usage: .venv/bin/python scripts/drill.py [--devices 20] [--outage 45]

Takes some three minutes, with a database of its own in a directory that it removes: the site,
`settle --watch` and virtual devices that poll every 10 s over HTTP, all as processes. Some devices are lost
before it, some during it, the others stay. What the database then says is printed, and what it must.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STATE = "DRILL_STATE"  # tells the inner process from the outer, and where its files are
PATIENCE = 120.0  # seconds for what must come
INTERVAL = 10  # seconds between two polls
WINDOW = timedelta(seconds=15)  # after which such a device is late; as long again, and it is lost
Start = Callable[..., subprocess.Popen[bytes]]  # by the name of its log, and its arguments of Python
GROUPS = ("stay", "lost", "leave")  # only those that stay use a VPN


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=20, help="default %(default)s; at least 5")
    parser.add_argument("--outage", type=int, default=45, help="seconds; default %(default)s")
    options = parser.parse_args()
    if STATE in os.environ:
        return drill(Path(os.environ[STATE]), max(5, options.devices), options.outage)
    state = Path(tempfile.mkdtemp(prefix="drill-"))
    ours = {"STATE_DIRECTORY": str(state), STATE: str(state), "LOCAL": "1"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    command = [sys.executable, "-m", "dashboard.postgres", sys.executable, *sys.argv]
    try:
        return subprocess.call(command, cwd=ROOT, env=inherited | ours | {"PYTHONPATH": str(ROOT)})
    finally:
        shutil.rmtree(state)


def drill(state: Path, devices: int, seconds: int) -> int:
    """Make all that is needed, and rehearse; returns 1 where the database says what it must not."""
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    import django  # noqa: PLC0415 - of the database above

    django.setup()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with processes(state) as start:
        return judge(rehearse(make_devices(state, devices), state, start, port, seconds))


def rehearse(
    groups: dict[str, list[int]], state: Path, start: Start, port: int, seconds: int
) -> list[tuple[str, object, object]]:
    """Everything in order; returns the findings."""
    from devices import clock  # noqa: PLC0415
    from devices.rules.vocabulary import Status  # noqa: PLC0415

    began = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {words}", flush=True)

    start_site = ["-m", "dashboard.listen", "dashboard.asgi:application", "--port", str(port)]
    site = start("site", *start_site)
    start("settle", "manage.py", "settle", "--watch")
    running = {name: start(name, *simulation(state, name, port)) for name in GROUPS}
    polling = frozenset({Status.HEARTBEAT_ONLY})
    usual = {"stay": frozenset({Status.ONLINE}), "lost": polling, "leave": polling}
    until("all devices are heard", lambda: statuses(groups) == usual)
    say(f"they poll every {INTERVAL} s: {told(groups)}")
    kill(running["lost"])
    until("some are lost", lambda: statuses(groups)["lost"] == {Status.OFFLINE} and recorded(groups["lost"]))
    calm = clock.now()
    time.sleep(INTERVAL)  # the others' ordinary life
    before = statuses(groups)
    say(f"some were switched off and are lost: {told(groups)}; the site is killed")
    kill(site)
    time.sleep(seconds / 2)
    kill(running["leave"])
    say("others are switched off while nobody listens")
    time.sleep(seconds / 2)
    during = statuses(groups)
    say(f"{seconds} s without the site, every window is over: {told(groups)}; the site is started")
    start("site again", *start_site)
    until("the outage is over", outages)
    (outage,) = outages()
    say(f"the outage is in the ledger: {outage.began_at:%H:%M:%S} to {outage.ended_at:%H:%M:%S}")
    until("those that left are lost", lambda: recorded(groups["leave"], outage.began_at))
    time.sleep(INTERVAL)
    say(f"after a whole window: {told(groups)}")
    return list(findings(groups, calm, before, during, outage))


# The processes


@contextmanager
def processes(state: Path) -> Iterator[Start]:
    """Starts processes whose output goes to a file each; all are ended with the block."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (state / f"{name}.log").open("wb") as log:
            command = [sys.executable, *arguments]
            started.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT))
        return started[-1]

    try:
        yield start
    except BaseException:
        for log in sorted(state.glob("*.log")):
            print(f"\n== {log.stem}\n{log.read_text(errors='replace')[-2000:]}")
        raise
    finally:
        for process in started:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """As the power goes: nobody says goodbye."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def simulation(state: Path, group: str, port: int) -> list[str]:
    """The devices of a group lead quiet lives: what happens to them is ours to do."""
    files = ["--keys", str(state / f"{group}.json"), "--state", str(state / f"{group}-known.json")]
    lives = ["--devices", "0", "--poll-interval", str(INTERVAL), "--speed", "0.0001"]
    return ["manage.py", "simulate", "--url", f"http://127.0.0.1:{port}", *files, *lives]


def until(what: str, condition: Callable[[], object]) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"In {PATIENCE:.0f} s it did not happen that {what}.")
        time.sleep(0.5)


# The database. Its models can be loaded once it is chosen, above.


def make_devices(state: Path, number: int) -> dict[str, list[int]]:
    """A fleet, its devices in three groups, and a file of keys for each."""
    from devices import keys  # noqa: PLC0415
    from devices.operations import lifecycle  # noqa: PLC0415
    from devices.simulator.keyfile import write_private  # noqa: PLC0415
    from fleets.models import Fleet, Organization  # noqa: PLC0415

    organization = Organization.objects.create(name="Drill", slug="drill")
    fleet = Fleet.objects.create(
        organization=organization, name="Drill", slug="drill", poll_interval=INTERVAL
    )
    service_key, groups = keys.new_service_key(organization, "drill"), {}
    for group in GROUPS:
        count = number // 5 if group != "stay" else number - 2 * (number // 5)
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


def statuses(groups: dict[str, list[int]]) -> dict[str, frozenset[str]]:
    """What the pages would say at this moment, by group."""
    from devices.models import Device  # noqa: PLC0415
    from devices.status.reading import with_status  # noqa: PLC0415

    by_id = dict(with_status(Device.objects.all()).values_list("pk", "status"))
    return {group: frozenset(by_id[pk] for pk in ids) for group, ids in groups.items()}


def told(groups: dict[str, list[int]]) -> str:
    now = statuses(groups)
    return ", ".join(f"{group}: {len(ids)} {'/'.join(sorted(now[group]))}" for group, ids in groups.items())


def recorded(devices: list[int], since: datetime | None = None) -> bool:
    """Whether the history has all of them offline, and by a change after `since`."""
    from devices.models import StatusChange  # noqa: PLC0415
    from devices.rules.vocabulary import Status  # noqa: PLC0415

    changes = StatusChange.objects.filter(device__in=devices, after=Status.OFFLINE)
    return changes.filter(**{"at__gt": since} if since else {}).count() == len(devices)


def outages() -> list[Any]:
    from devices.models import Outage  # noqa: PLC0415

    return list(Outage.objects.all())


# What must be so


def findings(
    groups: dict[str, list[int]],
    calm: datetime,
    before: dict[str, frozenset[str]],
    during: dict[str, frozenset[str]],
    outage: Any,
) -> Iterator[tuple[str, object, object]]:
    """What was looked at, what it must be, and what it is."""
    from devices.integrity import checks as integrity  # noqa: PLC0415
    from devices.models import ConnectivityRecord, StatusChange  # noqa: PLC0415
    from devices.rules.vocabulary import Status  # noqa: PLC0415

    def changes(model: Any, group: str) -> list[tuple[str, float]]:
        """What became of which device, by how many seconds after the end of the outage."""
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
    """The uptimes in all lanes of these devices, and the times that are hatched."""
    from devices import clock  # noqa: PLC0415
    from devices.history import device_history as happened  # noqa: PLC0415
    from devices.history.spans import spans_of  # noqa: PLC0415
    from devices.models import Device  # noqa: PLC0415
    from devices.status.reading import with_status  # noqa: PLC0415

    at, uptimes, hatched = clock.now(), set(), []
    for device in with_status(Device.objects.filter(pk__in=devices), at):
        history = spans_of(device, happened.read(device, start, at), start, at)
        uptimes |= {history.uptime(link, start, at) for link in ("status", "vpn", "heartbeat")}
        hatched = history.outages
    return uptimes, hatched


def judge(found: list[tuple[str, object, object]]) -> int:
    """Print the table."""
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


if __name__ == "__main__":
    sys.exit(main())
