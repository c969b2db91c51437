"""Start everything that a site on one machine needs: `python -m dashboard.serve [--demo]`.

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

if __name__ == "__main__":  # before imports that take time
    ending.heed()

from dashboard import listen
from dashboard.server.processes import Program, run_together, say

ROOT = Path(__file__).resolve().parent.parent
SITE = "dashboard.asgi:application"
# The address from which the demo's simulator calls, trusted as a proxy, so that each device can have the
# public address of its place. Not used on systems whose loopback interface has one address only.
DEMO_PROXY = "127.0.0.2"
START_TIMEOUT = 60.0  # seconds until the site must answer for the first time


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
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)  # noqa: S104
    address = f"http://[{near}]:{options.port}" if ":" in near else f"http://{near}:{options.port}"
    environment = {"SITE_ADDRESS": address} | local_environment()
    if options.demo and options.host in {"127.0.0.1", "0.0.0.0", "localhost"} and can_call_from(DEMO_PROXY):  # noqa: S104
        environment = {"TRUSTED_PROXIES": DEMO_PROXY} | environment
    prepare(environment, demo=options.demo)

    def started(program: Program) -> None:
        if program.name == "site":
            wait_until_healthy(program, address)
            program.ended_by = signal.SIGINT  # so that it does not wait for load balancers to notice
        if program is group[-1]:
            welcome(address, environment, demo=options.demo)

    site = listen.programs("site", SITE, options.host, options.port, options.processes, environment)
    group = [*site, *beside(address, environment, demo=options.demo)]
    run_together(group, started)


def can_call_from(address: str) -> bool:
    """Whether this is an address of this machine, from which connections can be made."""
    with socket.socket() as found:
        try:
            found.bind((address, 0))
        except OSError:
            return False
    return True


def local_environment() -> dict[str, str]:
    """The environment of all programs: this process's, as a trial (LOCAL=1) and with few logs by default."""
    return {"LOCAL": "1", "LOG_LEVEL": "WARNING", "PYTHONUNBUFFERED": "1"} | os.environ


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def prepare(environment: dict[str, str], *, demo: bool) -> None:
    """Migrate the database and collect static files; `demo` also creates the example organization.

    Raises SystemExit if a step fails.
    """
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
    """The programs that run beside the site at `address`."""
    quiet = ("--verbosity", "0")
    group = [Program("background", manage("run_background", *quiet), environment)]
    if demo:  # the simulator is not restarted, so that stopping it shows how statuses change
        proxy = ("--proxy", DEMO_PROXY) if environment.get("TRUSTED_PROXIES") == DEMO_PROXY else ()
        simulate = manage("simulate", "--url", address, *proxy, *quiet)
        group.append(Program("simulator", simulate, environment, restart=False))
    return group


def wait_until_healthy(program: Program, address: str) -> None:
    """Wait until the site answers; raises SystemExit if it ends before or takes longer than START_TIMEOUT."""
    until = time.monotonic() + START_TIMEOUT
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
    """The code for creating the first account (dashboard/account/first_run.py); "" if there is an account."""
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
    except ending.Stopped:  # a signal came before the programs ran
        say("Stopped.")
        sys.exit(128 + ending.asked())
