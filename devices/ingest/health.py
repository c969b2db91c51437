"""What load balancers ask: whether this process does its work (/healthz), and whether it runs (/livez).

Answered for any Host and without the database, so that nothing which waits for it delays an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from devices.ingest.http import TEXT, Reply, no_key
from devices.ingest.routes import Call

if TYPE_CHECKING:
    from devices.ingest.app import Ingest
    from devices.ingest.http import Request

YOUNG: Final = 10.0  # seconds that the last pulse, and the oldest poll that waits, are old at most
PATHS: Final = ("/healthz", "/livez")


async def healthz(request: Request, ingest: Ingest) -> Reply:
    """200 while this process hears devices, else 503; says nothing more to strangers."""
    if ingest.liveness.age() >= YOUNG:
        return say(503, "No pulse has reached the database recently.\n")
    if ingest.waiting.longest() >= YOUNG:
        return say(503, "Devices wait too long for an answer.\n")
    return say(200, "OK\n")


async def livez(request: Request, ingest: Ingest) -> Reply:
    """200: it runs. A process that does not say so is to be started again, whatever the database does."""
    return say(200, "OK\n")


def say(status: int, words: str) -> Reply:
    """In plain text, which no cache keeps."""
    return Reply(status, words.encode(), content_type=TEXT)


CALLS: Final = tuple(
    Call("GET", path, handle, key=no_key) for path, handle in zip(PATHS, (healthz, livez), strict=True)
)
