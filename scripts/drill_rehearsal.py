"""The processes of the drill (drill.py), and the outage that is rehearsed with them."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drill_alerts import Alerts
from drill_database import (
    GROUPS,
    INTERVAL,
    WINDOW,
    Finding,
    Groups,
    described,
    findings,
    outages,
    recorded,
    statuses,
)

from devices import clock
from devices.rules.vocabulary import Status

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0  # seconds for each condition that is waited for
Start = Callable[..., subprocess.Popen[bytes]]  # takes the name of the log and the arguments of Python


def rehearse(groups: Groups, state: Path, seconds: int, alerts: Alerts) -> list[Finding]:
    """Run the site and the devices of these groups, and kill the site for so many seconds.

    Returns the findings, which judge() prints. `state`: the directory with the key file of each group, where
    logs are written. `alerts`: what receives messages meanwhile.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with processes(state) as start:
        return _outage(groups, state, start, port, seconds, alerts)


def _outage(
    groups: Groups, state: Path, start: Start, port: int, seconds: int, alerts: Alerts
) -> list[Finding]:
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {words}", flush=True)

    start_site = ["-m", "dashboard.listen", "dashboard.asgi:application", "--port", str(port)]
    site = start("site", *start_site)
    start("settle", "manage.py", "settle", "--watch")
    start("tell", "manage.py", "tell", "--watch")
    start("work", "manage.py", "work")
    running = {name: start(name, *simulation(state, name, port)) for name in GROUPS}
    polling = frozenset({Status.HEARTBEAT_ONLY})
    usual = {"stay": frozenset({Status.ONLINE}), "lost": polling, "leave": polling}
    until("all devices are heard", lambda: statuses(groups) == usual)
    alerts.begin()
    say(f"they poll every {INTERVAL} s: {described(groups)}")
    kill(running["lost"])
    until("some are lost", lambda: statuses(groups)["lost"] == {Status.OFFLINE} and recorded(groups["lost"]))
    until("they are told of", lambda: len(alerts.told()) == len(groups["lost"]))
    calm = clock.now()
    time.sleep(INTERVAL)  # the others' ordinary life
    before = statuses(groups)
    say(f"some were switched off and are lost: {described(groups)}; the site is killed")
    kill(site)
    time.sleep(seconds / 2)
    kill(running["leave"])
    say("others are switched off while nobody listens")
    time.sleep(seconds / 2)
    during = statuses(groups)
    say(f"{seconds} s without the site, every window is over: {described(groups)}; the site is started")
    start("site again", *start_site)
    until("the outage is over", outages)
    (outage,) = outages()
    say(f"the outage is in the ledger: {outage.began_at:%H:%M:%S} to {outage.ended_at:%H:%M:%S}")
    until("those that left are lost", lambda: recorded(groups["leave"], outage.began_at))
    until("they are told of", lambda: len(alerts.told(outage.ended_at)) == len(groups["leave"]))
    time.sleep(INTERVAL)
    say(f"after a whole window: {described(groups)}")
    return [
        *findings(groups, calm, before, during, outage),
        *alerts.findings({group: len(ids) for group, ids in groups.items()}, outage, WINDOW),
    ]


@contextmanager
def processes(state: Path) -> Iterator[Start]:
    """A function that starts processes, each with a log in `state`; all are killed at the end of the block.

    If the block fails, the ends of the logs are printed.
    """
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
    """Kill a process without a chance to end in order, as a power cut does."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def simulation(state: Path, group: str, port: int) -> list[str]:
    """The arguments of Python for the simulator of a group, too slow for a device to fail by itself."""
    files = ["--keys", str(state / f"{group}.json"), "--state", str(state / f"{group}-known.json")]
    lives = ["--devices", "0", "--poll-interval", str(INTERVAL), "--speed", "0.0001"]
    return ["manage.py", "simulate", "--url", f"http://127.0.0.1:{port}", *files, *lives]


def until(what: str, condition: Callable[[], object]) -> None:
    """Wait until the condition holds; raises SystemExit, which tells `what` failed, after PATIENCE."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"In {PATIENCE:.0f} s it did not happen that {what}.")
        time.sleep(0.5)
