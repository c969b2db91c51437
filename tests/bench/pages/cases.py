"""What is measured: every filter that must be fast, and some that may take longer, in three orders."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SOON: Final = {  # of a list within its limit, by what the filter is
    "no filter": "",
    "fleet of a tenth": "fleet=fleet-0",
    "small fleet": "fleet=fleet-7",
    "status: many": "status=online",
    "status: some": "status=offline",
    "status: few": "status=configuring",
    "fleet and status": "fleet=fleet-0&status=offline",
    "VPN connected": "vpn=connected",
    "VPN lost": "vpn=disconnected",
    "VPN off": "vpn=off",
    "API on time": "heartbeat=recent",
    "API overdue": "heartbeat=overdue",
    "API lost": "heartbeat=lost",
    "API never": "heartbeat=unknown",
    "tag: half": "tag=camera",
    "tag: one in a hundred": "tag=batch%3D42",
    "tag: few": "tag=canary",
    "not a tag": "no-tag=camera",
    "silent for an hour": "silent=1h",
    "silent for 30 days": "silent=30d",
    "search: one in a hundred": "q=camera+55",
    "search: one device": "q=kiosk-12000",
}
LATER: Final = {
    "search: a fifth": "q=warden",
    "search: another fifth": "q=site-12",
    "type": "type=Intel+NUC",
    "release": "release=2.3.0",
    "fleet, tag, VPN, silent": "fleet=fleet-0&tag=camera&vpn=connected&silent=10m",
}
ORDERS: Final = ("attention", "name", "contact")
LIMITS: Final = {100_000: 50, 1_000_000: 80}  # milliseconds; of LATER 500
UNCHANGED: Final = 8


@dataclass(frozen=True)
class Case:
    """One address, and in how many milliseconds it is to be answered."""

    name: str
    path: str
    limit: float
    unchanged: bool = False  # a refresh of what has not changed
    anew: bool = False  # a device that needs attention is written before each time, and there is news


def cases(devices: int, at: datetime) -> Iterable[Case]:
    """All of them for that many devices; `at`: the clock of their last polls."""
    limit = next((each for most, each in LIMITS.items() if devices <= most), LIMITS[1_000_000])
    for filters, allowed in ((SOON, limit), (LATER, 500)):
        for name, query in filters.items():
            for order in ORDERS:
                path = f"/devices/?sort={order}&{query}"
                yield Case(f"{name}, {order}", path, allowed)
                yield Case(f"{name}, {order}, deep", f"{path}&after={place(order, at)}", allowed)


def others(devices: int, summary: str) -> Iterable[Case]:
    """The other pages, and refreshes that change nothing; `summary`: the address of a device."""
    few = devices <= min(LIMITS)
    pages = {"Device Summary": (summary, 30), "Fleets": ("/", 40 if few else 80)}
    pages |= {"Attention": ("/attention/", 50 if few else 80), "Devices": ("/devices/", 50 if few else 80)}
    for name, (path, limit) in pages.items():
        yield Case(name, path, limit)
        yield Case(f"{name}, after news", path, limit, anew=True)
        yield Case(f"{name}, unchanged refresh", path, UNCHANGED, unchanged=True)
        yield Case(f"{name}, unchanged, after news", path, limit, unchanged=True, anew=True)


def place(order: str, at: datetime) -> str:
    """The cursor of a row that is not there, somewhere in the middle of the list."""
    values: dict[str, list[object]] = {
        "attention": [7, (at - timedelta(days=10)).isoformat(), 1],  # among those that are online
        "name": ["site-5", 1],
        "contact": [(at - timedelta(minutes=7)).isoformat(), 1],
    }
    return urlsafe_b64encode(json.dumps(values[order]).encode()).decode().rstrip("=")
