"""Apprise: many services by one address each (https://appriseit.com). An extra, off unless it is installed.

It makes its own calls, which are held to no addresses; so it is offered only where TARGETS_PRIVATE lets the
site call inside at all. Each message is sent by a process of its own, without the environment of the site and
with an end: the library loads all its services, and some read files or wait as their address says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from django.conf import settings

from devices.alerts.outbound import NotAllowed
from devices.alerts.transports.envelope import Envelope, Field, Outcome, Result
from devices.models import Severity
from fleets.postgres import availability

# What shows or does something on the machine of the site itself.
LOCAL: Final = ("blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows")


def check(url: str) -> None:
    """Raise NotAllowed for an address of this machine, or with parameters: some of these read its files."""
    scheme, mark, _ = url.partition("://")
    if not mark or not scheme.isalnum():
        raise NotAllowed("An address for Apprise begins with the name of a service and ://.")
    if scheme.lower() in LOCAL:
        raise NotAllowed(f"{scheme}:// is this server itself.")
    if "?" in url:
        raise NotAllowed("The address must not contain a question mark.")


FIELDS: Final = (
    Field(
        "url",
        "Address for Apprise",
        "As its documentation says, such as mmosts://host/token, without the part from a question mark on.",
        secret=True,
        check=check,
    ),
)
PROGRAM: Final = Path(__file__).parents[1] / "apprise_process.py"
WHOLE: Final = 30.0  # seconds of an attempt
UNKNOWN: Final = 2  # how the program ends if Apprise does not know such an address
TYPES: Final = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}
NOT_HERE: Final = "This site does not send by Apprise: it is not installed, or TARGETS_PRIVATE is empty."


def is_offered() -> bool:
    """Whether this site sends by Apprise."""
    return bool(settings.TARGETS_PRIVATE) and find_spec("apprise") is not None


def send(envelope: Envelope) -> Result:
    """Send it once. No connection to the database waits for the receiver."""
    if not is_offered():
        return Result(Outcome.FAILED, NOT_HERE, away=True)
    text = envelope.text
    wanted = {
        "url": envelope.value("url"),
        "title": text.subject,
        "body": f"{text.brief}\n{text.url}",
        "type": "success" if text.over else TYPES[Severity(text.severity)],
    }
    availability.let_go()
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-W", "ignore", PROGRAM],
            input=json.dumps(wanted).encode(),
            capture_output=True,
            env={},
            cwd="/",
            timeout=WHOLE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result(Outcome.FAILED, "It did not answer in time.", away=True)
    return _judged(ended)


def _judged(ended: subprocess.CompletedProcess[bytes]) -> Result:
    if ended.returncode == 0:
        return Result(Outcome.ACCEPTED, "Apprise sent it.")
    if ended.returncode == UNKNOWN:
        return Result(Outcome.REFUSED, "Apprise does not know such an address.")
    said = ended.stderr.decode(errors="replace").strip()
    return Result(Outcome.FAILED, f"Apprise could not send it: {said}".rstrip(": "))
