"""What a monitoring reads, /metrics and /readyz: for METRICS_NETWORKS only, others find nothing there.

Processes of the ingest answer by CALLS, processes of pages by dashboard/server/health.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from devices.ingest.client_address import Doubt, caller
from devices.ingest.http import Refused, Reply, header, json_reply, no_key
from devices.ingest.routes import Call
from devices.metrics import device_series, readiness
from devices.metrics.scrapes import Scrapes

if TYPE_CHECKING:
    from devices.ingest.app import Ingest
    from devices.ingest.http import Request

InAThread = Callable[[Callable[[], Any]], Awaitable[Any]]  # runs work that needs the database
METRICS: Final = "/metrics"
READY: Final = "/readyz"
PATHS: Final = (METRICS, READY)


def may_read(scope: Any) -> bool:
    """Whether the caller is in METRICS_NETWORKS, and there is no doubt that the address is its own.

    A proxy of the site that names nobody speaks for itself.
    """
    found = caller(scope)
    return found.doubt in {None, Doubt.SAYS_NOTHING} and _is_in_networks(found.address)


@lru_cache(maxsize=1024)
def _is_in_networks(address: str) -> bool:
    return bool(address) and any(ip_address(address) in network for network in settings.METRICS_NETWORKS)


async def reply(scope: Any, scrapes: Scrapes, in_a_thread: InAThread) -> Reply:
    """The reply to a caller who may read it. Raises Refused, and what `in_a_thread` raises."""
    if scope["path"] == READY:
        return await _ready(in_a_thread)
    accept = (header(scope, b"accept") or b"").decode("latin-1")
    try:
        text, content_type = await scrapes.answer(
            scope["query_string"].decode("latin-1"), accept, in_a_thread
        )
    except device_series.Refused as refusal:
        raise Refused(400, str(refusal), "query") from refusal
    return Reply(200, text, content_type=content_type.encode())


async def _ready(in_a_thread: InAThread) -> Reply:
    try:
        faults: dict[str, str] = await in_a_thread(readiness.faults)
    except Refused:
        faults = readiness.NO_DATABASE
    return json_reply(503 if faults else 200, {"ready": not faults, "faults": faults})


async def _read(request: Request, ingest: Ingest) -> Reply:
    if not may_read(request.scope):
        raise Refused(404, "This call does not exist.", "path")
    return await reply(request.scope, ingest.scrapes, ingest.in_a_thread)


CALLS: Final = tuple(Call("GET", path, _read, key=no_key) for path in PATHS)
