"""What both watchers share: where to tell what, and going on whatever happens."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from devices.vpn import journal
from devices.vpn.site import NotHeard, Site

SIGN_EVERY = 10.0  # seconds: the site takes a server for silent 60 s after its last sign
RETRY = 1.0  # seconds until the site is told again


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--site", required=True, help="for example https://lookout.example")
    parser.add_argument("--server", required=True, help="this VPN server's name, of your choice and unique")
    parser.add_argument("--key-file", type=Path, required=True, help="holds the service key; mode 0600")


def site(options: Namespace) -> Site:
    """Raises WrongSettings."""
    return Site(options.site, options.server, options.key_file)


def forever(look: Callable[[float], None], pause: float) -> None:
    """Call `look` with a clock that never jumps; what the site did not hear is said again."""
    while True:
        try:
            look(time.monotonic())
            journal.once("site", "The site answers")
            time.sleep(pause)
        except NotHeard as error:
            journal.once("site", f"The site does not accept it: {error}")
            time.sleep(RETRY)
