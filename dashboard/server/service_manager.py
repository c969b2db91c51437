"""Telling systemd how a service is, by sd_notify(3); without systemd nobody is told."""

import os
import socket
from contextlib import suppress
from typing import Final

READY: Final = "READY=1"  # of a unit of Type=notify: it has started
ALIVE: Final = "WATCHDOG=1"  # of a unit with WatchdogSec: it does not hang


def notify(state: str) -> None:
    """Tell systemd, if it started this process and wants to know."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a name without a file
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(state.encode(), address)
