"""The sentence of a line of the Attention page: what happened to its devices, and their present states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import Final

from devices.listing.grouping import LINK_OF_VPN, SILENT, Line
from devices.words import of_site, thousands


def what_happened(line: Line, number: int) -> str:
    """What befell {devices}, so many, and how they are now, as a sentence."""
    return sentence(line.what, line.numbers, line.last - line.first, known=line.number == number)


def sentence(what: str, numbers: Sequence[int], span: timedelta, *, known: bool = True) -> str:
    """What befell {devices} within this span and how they are now, so many by rank of what needs attention.

    `known`: these are all of them; else nobody looked at how the others are.
    """
    offline, heartbeat_only, vpn_only, _ = numbers
    kept = heartbeat_only if what in (*LINK_OF_VPN, "") else 0
    now = {"offline": offline, "heartbeat": kept, "vpn": vpn_only}
    found = [state for state, n in now.items() if n]
    state, values = "", {"devices": "{devices}", "span": _within(span)}
    if len(found) == 1 and now[found[0]] == sum(numbers):
        state = found[0]
    elif known and found:
        state, values["counts"] = (
            "mixed",
            ", ".join(of_site(COUNTS[item], n=thousands(now[item])) for item in found),
        )
    return of_site(SENTENCES[what].get(state, SENTENCES[what][""]), **values)


COUNTS: Final = {
    "offline": "{n} are Offline",
    "heartbeat": "{n} kept the heartbeat",
    "vpn": "{n} kept the {vpn}",
}
SENTENCES: Final = {
    "vpn": {
        "": "{devices} lost the {vpn} within {span}",
        "offline": "{devices} lost the {vpn} within {span} and are Offline",
        "heartbeat": "{devices} lost the {vpn} within {span} and kept the heartbeat",
        "mixed": "{devices} lost the {vpn} within {span} ({counts})",
    },
    SILENT: {
        "": "{devices} lost the {vpn}, since the server stopped reporting",
        "offline": "{devices} lost the {vpn}, since the server stopped reporting, and are Offline",
        "heartbeat": "{devices} lost the {vpn}, since the server stopped reporting, and kept the heartbeat",
        "mixed": "{devices} lost the {vpn}, since the server stopped reporting ({counts})",
    },
    "heartbeat": {
        "": "{devices} lost the API heartbeat within {span}",
        "offline": "{devices} lost the API heartbeat within {span} and are Offline",
        "vpn": "{devices} lost the API heartbeat within {span} and kept the {vpn}",
        "mixed": "{devices} lost the API heartbeat within {span} ({counts})",
    },
    "never": {
        "": "{devices} connected without {vpn} within {span}",
        "offline": "{devices} connected without {vpn} within {span} and are Offline",
        "mixed": "{devices} connected without {vpn} within {span} ({counts})",
    },
    "progress": {
        "": "{devices} stopped making progress within {span}",
        "mixed": "{devices} stopped making progress within {span} ({counts})",
    },
    "": {  # grouped by a tag, so that they were lost at different times
        "": "{devices} need attention",
        "offline": "{devices} are Offline",
        "mixed": "{devices} need attention ({counts})",
    },
}
# The sentence of a single device, to follow its name.
ALONE: Final = {
    "vpn": "lost the {vpn}",
    SILENT: "lost the {vpn}, since its server stopped reporting",
    "heartbeat": "stopped reporting to the API",
    "never": "has not connected to the {vpn}",
    "progress": "makes no progress",
}


def what_happened_to_one(line: Line) -> str:
    """The sentence of a line with a single device, to follow its name."""
    return "is Offline" if not line.rank else of_site(ALONE[line.what])


def _within(span: timedelta) -> str:
    """A duration in words, rounded up: "90 s", "3 min"."""
    seconds = max(1, ceil(span.total_seconds()))
    return f"{seconds}\u00a0s" if seconds < 2 * 60 else f"{ceil(seconds / 60)}\u00a0min"
