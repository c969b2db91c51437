"""Starts everything a site on one machine needs: `python -m dashboard.serve [--demo]`.

The site itself, and one process for all that is done in the background; for the demo also a made organization
and the simulator. The database must be there: see dashboard.postgres.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from dashboard.environment import ending

if __name__ == "__main__":  # before what takes its time to import
    ending.heed()

from dashboard import listen
from dashboard.server.processes import Program, run_together, say

ROOT = Path(__file__).resolve().parent.parent
SITE = "dashboard.asgi:application"
# From where the demo's devices call, as if through a proxy: so that each has the public address of its place,
# while nothing that comes from elsewhere is believed. Systems whose loopback is one address do without.
DEMO_PROXY = "127.0.0.2"
START_PATIENCE = 60.0  # seconds the site has to answer for the first time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=listen.HOST)
    parser.add_argument("--port", type=int, default=listen.PORT)
    parser.add_argument("--processes", type=listen.count, default=1, help="of the site itself")
    parser.add_argument("--demo", action="store_true", help="with a made organization and devices")
    options = parser.parse_args()
    with listen.available(options.host, options.port, options.processes):
        run(options)


def run(options: argparse.Namespace) -> None:
    environment = local_environment()
    if options.demo and options.host in {"127.0.0.1", "0.0.0.0", "localhost"} and can_call_from(DEMO_PROXY):  # noqa: S104
        environment = {"TRUSTED_PROXIES": DEMO_PROXY} | environment
    prepare(environment, demo=options.demo)
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)  # noqa: S104
    address = f"http://[{near}]:{options.port}" if ":" in near else f"http://{near}:{options.port}"

    def started(program: Program) -> None:
        if program.name == "site":
            wait_until_healthy(program, address)
            program.ended_by = signal.SIGINT  # no load balancer has to notice first
        if program is group[-1]:
            welcome(address, environment, demo=options.demo)

    site = listen.programs("site", SITE, options.host, options.port, options.processes, environment)
    group = [*site, *beside(address, environment, demo=options.demo)]
    run_together(group, started)


def can_call_from(address: str) -> bool:
    """Whether it is an address of this machine."""
    with socket.socket() as found:
        try:
            found.bind((address, 0))
        except OSError:
            return False
    return True


def local_environment() -> dict[str, str]:
    """Ours, as a trial on this machine unless somebody says LOCAL=0; output comes at once, and is little."""
    return {"LOCAL": "1", "LOG_LEVEL": "WARNING", "PYTHONUNBUFFERED": "1"} | os.environ


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def prepare(environment: dict[str, str], *, demo: bool) -> None:
    """Brings database and static files up to date."""
    steps = [
        ("Updating the database", manage("migrate", "--verbosity", "0")),
        ("Collecting static files", manage("collectstatic", "--noinput", "--verbosity", "0")),
    ]
    if demo:
        steps.append(("Creating the demo organization", manage("demo_data")))
    for what, command in steps:
        say(f"{what} ...")
        if ending.run(command, environment).returncode:
            raise SystemExit(f"{what} failed.")


def beside(address: str, environment: dict[str, str], *, demo: bool) -> list[Program]:
    """What runs beside the site."""
    quiet = ("--verbosity", "0")
    group = [Program("background", manage("run_background", *quiet), environment)]
    if demo:  # not started again: its end shows how devices decay
        proxy = ("--proxy", DEMO_PROXY) if environment.get("TRUSTED_PROXIES") == DEMO_PROXY else ()
        simulate = manage("simulate", "--url", address, *proxy, *quiet)
        group.append(Program("simulator", simulate, environment, restart=False))
    return group


def wait_until_healthy(program: Program, address: str) -> None:
    """Returns when the site answers; ends everything when it ends first or takes too long."""
    until = time.monotonic() + START_PATIENCE
    while time.monotonic() < until:
        if program.process is None or program.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=1):  # noqa: S310 - http
                return
        except (urllib.error.URLError, OSError):
            ending.wait(0.2)
    raise SystemExit("The site did not start.")


def first_code(environment: dict[str, str]) -> str:
    """The code that makes the first account (dashboard/account/first_run.py); empty where there is one."""
    done = ending.run(manage("first_code"), environment, read=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def welcome(address: str, environment: dict[str, str], *, demo: bool) -> None:
    say(f"\n  Lookout is running:  {address}/")
    if demo:
        state = Path(environment.get("STATE_DIRECTORY") or ROOT / "var")
        account = json.loads((state / "demo.json").read_text())
        say(f"  Sign in as:          {account['user']}  with password  {account['password']}")
    elif code := first_code(environment):
        say(f"  First account:       open that page; it asks for the code  {code}")
    say("  Ctrl-C stops it.\n")


if __name__ == "__main__":
    try:
        main()
    except ending.Stopped:  # before the programs run
        say("Stopped.")
        sys.exit(128 + ending.asked())
