"""Watches WireGuard: a peer whose latest handshake is younger than 180 s is connected.

WireGuard has no sessions and no events, so its peers are read every few seconds.
"""

from __future__ import annotations

import subprocess
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from devices.vpn import journal, watch
from devices.vpn.site import Names, Site

PAUSE = 2.0  # seconds between two looks
ALIVE_FOR = 180  # seconds from a handshake: WireGuard makes a new one every 120 s while data flow
PEER_FIELDS = 9  # interface, public key, preshared key, endpoint, allowed IPs, handshake, rx, tx, keepalive


class WireGuard:
    """The watcher of the WireGuard interfaces of this host; `dump` gives what `wg show all dump` prints."""

    def __init__(self, site: Site, names: Names, dump: Callable[[], str]) -> None:
        self._site = site
        self._names = names
        self._dump = dump
        self._sent: dict[str, int] | None = None  # the handshakes last reported, by UUID
        self._sign_at = 0.0

    def look(self, now: float, clock: float | None = None) -> None:
        """Report to the site what changed and what is due. Raises NotHeard.

        `now` is in seconds of a monotonic clock, `clock` in seconds since 1970, as handshakes are (None:
        now).
        """
        try:
            dump = self._dump()
        except (OSError, subprocess.SubprocessError) as error:
            journal.once("VPN", f"WireGuard does not answer: {error}")
            return  # no sign without it: the lease of a dead server shall end
        shaken = handshakes(dump, time.time() if clock is None else clock)
        connected = {uuid: shaken[key] for key, uuid in self._names.uuids(shaken).items()}
        if self._sent is not None:
            self._site.disconnect(sorted(self._sent.keys() - connected))
            # Each handshake is sent as a connect: the device may have been at another server meanwhile.
            self._site.connect(sorted(dict(connected.items() - self._sent.items())))
        if self._sent is None or now >= self._sign_at:
            self._site.alive(connected)
            self._sign_at = now + watch.SIGN_EVERY
        self._sent = connected
        journal.once("VPN", "WireGuard answers")


def handshakes(dump: str, clock: float) -> dict[str, int]:
    """The latest handshakes of connected peers by public key, from what `wg show all dump` prints."""
    rows = (line.split("\t") for line in dump.splitlines())
    peers = sorted((int(row[5]), row[1]) for row in rows if len(row) == PEER_FIELDS)
    return {key: at for at, key in peers if clock - at < ALIVE_FOR}


def wg_dump() -> str:
    """What `wg show all dump` prints; never logged, since it holds private keys.

    Raises OSError, SubprocessError.
    """
    return subprocess.run(
        ["wg", "show", "all", "dump"], check=True, capture_output=True, text=True, timeout=10
    ).stdout


def add_arguments(parser: ArgumentParser) -> None:
    watch.add_arguments(parser)
    parser.add_argument("--names", type=Path, required=True, help="lines `PUBLIC-KEY UUID`")


def run(options: Namespace) -> None:
    """Watch until killed. Raises WrongSettings."""
    watcher = WireGuard(watch.site(options), Names(options.names), wg_dump)
    watch.forever(watcher.look, PAUSE)
