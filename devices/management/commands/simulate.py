"""Run virtual devices and VPN servers against a site."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.simulator import progress
from devices.simulator.run import Options, run


def positive(text: str) -> float:
    """A number above 0; raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def whole(text: str) -> int:
    """A whole number, 0 or above; raises ArgumentTypeError."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


class Command(BaseCommand):
    help = "Runs virtual devices and VPN servers over HTTP against a site. Ctrl-C stops them."
    requires_system_checks = ()  # it speaks HTTP, the database is not its business

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", required=True, help="the site, e.g. http://127.0.0.1:8000")
        parser.add_argument(
            "--keys",
            type=Path,
            default=settings.STATE_DIRECTORY / "demo.json",
            help="key file (default %(default)s)",
        )
        parser.add_argument(
            "--state",
            type=Path,
            default=settings.STATE_DIRECTORY / "simulator.json",
            help="file with the devices' own keys for the next run (default %(default)s)",
        )
        parser.add_argument("--devices", type=whole, default=60, help="default %(default)s")
        parser.add_argument(
            "--fleets", nargs="+", default=[], metavar="SLUG", help="only these (default: all)"
        )
        parser.add_argument(
            "--poll-interval",
            type=positive,
            metavar="SECONDS",
            help="poll at this interval, whatever the site answers",
        )
        parser.add_argument(
            "--speed", type=positive, default=1.0, help="how much faster time passes (default 1)"
        )
        parser.add_argument(
            "--proxy",
            default="",
            metavar="ADDRESS",
            help="an address of this machine that the site has in TRUSTED_PROXIES: calls go out from it and "
            "say the public addresses of the key file",
        )
        parser.add_argument("--seed", default="1", help="the same seed gives the same events")
        parser.add_argument("--duration", type=positive, metavar="SECONDS", help="default: endless")

    def handle(self, *args: Any, **options: Any) -> None:
        names = Options.__dataclass_fields__
        chosen = {name: value for name, value in options.items() if name in names}
        chosen |= {"fleets": tuple(chosen["fleets"]), "brief": options["verbosity"] == 0}
        try:
            stats = run(Options(**chosen), progress.printer(sys.stdout))
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise CommandError(str(error)) from error
        if chosen["brief"]:
            return
        calls = ", ".join(f"{n} {name}" for name, n in stats.calls.most_common())
        self.stdout.write(f"\nStopped after {calls or 'no answered call'}.")
