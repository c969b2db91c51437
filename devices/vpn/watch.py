"""What both watchers share: the options of the site, and the loop that retries after errors."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from devices.vpn import journal
from devices.vpn.site import NotHeard, Site

SIGN_EVERY = 10.0  # seconds between two life signs; a lease ends 60 s after the last
RETRY = 1.0  # seconds until a call is retried


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--site", required=True, help="for example https://lookout.example")
    parser.add_argument("--server", required=True, help="this VPN server's name, of your choice and unique")
    parser.add_argument("--key-file", type=Path, required=True, help="holds the service key; mode 0600")


def site(options: Namespace) -> Site:
    """The site of the options. Raises WrongSettings."""
    return Site(options.site, options.server, options.key_file)


def forever(look: Callable[[float], None], pause: float) -> None:
    """Call `look` with a monotonic clock every `pause` seconds, or after RETRY where it raises NotHeard."""
    while True:
        try:
            look(time.monotonic())
            journal.once("site", "The site answers")
            time.sleep(pause)
        except NotHeard as error:
            journal.once("site", f"The site does not accept it: {error}")
            time.sleep(RETRY)
