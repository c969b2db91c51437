"""A whole organization in one process, against a recording site."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from django.core.management import CommandError, call_command

from devices.simulator import progress
from devices.simulator.client import Site, Stats
from devices.simulator.device import Surroundings
from devices.simulator.keyfile import FleetKeys, KeyFile, KnownDevice, Ledger
from devices.simulator.run import Options, choose, share_out, simulate
from tests.devices.simulator.recorder import Recorder, recording_site
from tests.worker import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[3]
KEYS = KeyFile(
    organization="halden",
    service_key="svc",
    fleets=(
        FleetKeys(slug="kiosks", provisioning_key="pk", weight=3, names=("kiosk-{:02}",)),
        FleetKeys(slug="bench", provisioning_key="pb", weight=1, vpn=False),
        FleetKeys(slug="frozen", provisioning_key="pf", weight=0),
    ),
    devices=(KnownDevice(uuid="f" * 32, key="kf", fleet="frozen", name="vision-1"),),
)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    keys = tmp_path / "keys.json"
    keys.write_bytes(msgspec.json.encode(KEYS))
    return Options(url="", keys=keys, state=tmp_path / "state.json", devices=12)


def run(options: Options, site: Recorder, enough: Callable[[Recorder], bool]) -> Stats:
    """Simulate until the site has heard enough."""

    async def both() -> Stats:
        async with recording_site(site):
            stop = asyncio.Event()
            task = asyncio.create_task(simulate(replace(options, url=site.url), lambda line: None, stop))
            heard = asyncio.create_task(site.until(enough))
            await asyncio.wait({task, heard}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            assert heard.done()
            stop.set()
            return await asyncio.wait_for(task, PATIENCE)

    return asyncio.run(both())


def heard_all(site: Recorder) -> bool:
    return len({call.key for call in site.of("heartbeat")}) == 13 and bool(site.of("connect"))


def test_everybody_registers_polls_and_connects(options: Options) -> None:
    site = Recorder(poll_interval=0.3, frozen={"kf"})
    stats = run(options, site, heard_all)
    names = sorted(call.body["name"] for call in site.of("register") if call.body)
    assert names == [*(f"bench-{n:03}" for n in (1, 2, 3)), *(f"kiosk-{n:02}" for n in range(1, 10))]
    assert Counter(call.key for call in site.of("register")) == {"pk": 9, "pb": 3}
    assert site.of("heartbeat", "kf")
    connected = {each["uuid"] for call in site.of("connect") if call.body for each in call.body["devices"]}
    own = {call.body["name"]: call.body["uuid"] for call in site.of("register") if call.body}
    assert connected == {"f" * 32} | {own[name] for name in own if name.startswith("kiosk")}
    servers = {call.body["server"] for call in site.of("alive") if call.body}
    assert servers == {f"vpn-{number}.halden" for number in (1, 2, 3, 4)}
    assert {call.key for name in ("connect", "alive") for call in site.of(name)} == {"svc"}
    assert stats.calls["register"] == 12
    assert not stats.errors


@pytest.mark.thorough
def test_a_second_run_is_the_same_devices(options: Options) -> None:
    first, second = Recorder(poll_interval=0.3), Recorder(poll_interval=0.3)
    run(options, first, heard_all)
    run(options, second, heard_all)
    assert not second.of("register")
    assert {c.key for c in second.of("heartbeat")} == {c.key for c in first.of("heartbeat")}


def test_only_the_fleets_asked_for_take_part(options: Options) -> None:
    site = Recorder(poll_interval=0.3)
    run(
        replace(options, fleets=("bench",)),
        site,
        lambda site: len({call.key for call in site.of("heartbeat")}) == 12,
    )
    assert {call.key for call in site.of("register")} == {"pb"}
    assert not site.of("connect")


def test_a_site_that_is_away_is_waited_for(options: Options) -> None:
    site = Recorder(poll_interval=0.1, fail={"register": 503})

    def enough(site: Recorder) -> bool:
        if len(site.of("register")) >= 14:
            site.fail = {}
        return heard_all(site)

    stats = run(replace(options, poll_interval=0.2), site, enough)
    assert stats.errors.keys() == {"503"}
    assert stats.errors["503"] >= 12
    assert stats.calls["register"] == 12


def test_nobody_there_is_counted_and_the_duration_ends_it(options: Options) -> None:
    nowhere = replace(options, url="http://127.0.0.1:9", duration=0.5)
    stats = asyncio.run(simulate(nowhere, lambda line: None, asyncio.Event()))
    assert stats.errors.keys() == {"no connection"}
    assert stats.errors["no connection"] >= 12
    assert not stats.calls


def test_identities_are_kept_when_stopped_at_once(options: Options) -> None:
    run(options, Recorder(), lambda site: len(site.of("register")) == 12)
    ledger = Ledger(options.state)
    kept = [ledger.get(KEYS.fleets[0], number) for number in range(9)]
    assert len([each for each in kept if each]) >= 8  # the last answer may have been on its way


def test_an_unknown_fleet_is_named() -> None:
    assert choose(KEYS, ()) == list(KEYS.fleets)
    with pytest.raises(ValueError, match="no fleet trams"):
        choose(KEYS, ("kiosks", "trams"))


@pytest.mark.parametrize(("count", "parts"), [(0, [0, 0, 0]), (1, [1, 0, 0]), (4, [3, 1, 0]), (6, [5, 1, 0])])
def test_devices_are_shared_out_by_weight(count: int, parts: list[int]) -> None:
    assert share_out(count, list(KEYS.fleets)) == parts


def test_fleets_without_weight_take_nobody() -> None:
    assert share_out(5, list(KEYS.fleets[2:])) == [0]


def test_the_progress_line() -> None:
    async def line() -> str:
        around = Surroundings(Site("http://site.example"))
        around.doing.update({"off": 2, "healthy": 57, "updating": 0})
        stats = around.site.stats
        stats.calls.update({"poll": 130, "report": 14})
        stats.errors.update({"503": 3, "timeout": 4})
        stats.latencies.extend(number / 1000 for number in range(1, 101))
        return progress.line(around, Counter(poll=30, report=4), 10.0)

    assert asyncio.run(line()) == (
        "59 devices · 10.0 polls/s · 1.0 reports/s · errors: 4 timeout, 3 503"
        " · p50 51.0 ms, p99 100.0 ms · 57 healthy, 2 off"
    )


def test_the_brief_line_is_of_the_devices_alone() -> None:
    async def line() -> str:
        around = Surroundings(Site("http://site.example"))
        around.doing.update({"off": 2, "healthy": 57, "updating": 0})
        return progress.lives(around)

    assert asyncio.run(line()) == "  59 virtual devices: 57 healthy, 2 off"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_and_a_file_every_line() -> None:
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        show = progress.printer(out)
        show("one")
        show("two")
    assert terminal.getvalue() == "\rone\x1b[K\rtwo\x1b[K"
    assert file.getvalue() == "one\ntwo\n"


@pytest.fixture
def site_beside() -> Iterator[Recorder]:
    """A recording site that runs in a thread, for a simulator in a process of its own."""
    record = Recorder(poll_interval=0.5)
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with recording_site(record):
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(PATIENCE)
    yield record
    done.set()
    thread.join()


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_on_a_signal(
    options: Options, site_beside: Recorder, number: signal.Signals
) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "simulate", "--url", site_beside.url]
    command += ["--keys", str(options.keys), "--state", str(options.state), "--devices", "12"]
    with subprocess.Popen(
        command,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: heard_all(site_beside))
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Stopped after" in output
    assert "12 register" in output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--keys", "/nonexistent/keys.json"], "No such file"),
        (["--fleets", "trams"], "no fleet trams"),
        (["--speed", "0"], "not a number above 0"),
        (["--devices", "-3"], "not a whole number"),
    ],
)
def test_the_command_says_what_is_wrong(options: Options, arguments: list[str], complaint: str) -> None:
    asked = ["--url", "http://127.0.0.1:9", "--keys", str(options.keys), "--state", str(options.state)]
    with pytest.raises(CommandError, match=complaint):  # which shows no traceback
        call_command("simulate", *asked, *arguments)
