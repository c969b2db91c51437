"""Health checks for load balancers: whether this process does its work (/healthz), and runs (/livez).

Answered for any Host and without the database, so that nothing which waits for the database delays them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from devices.ingest.http import TEXT, Reply, no_key
from devices.ingest.routes import HEALTH, Call

if TYPE_CHECKING:
    from devices.ingest.app import Ingest
    from devices.ingest.http import Request

YOUNG: Final = 10.0  # seconds: the greatest age of the last liveness sign, and of the oldest poll that waits
PATHS: Final = HEALTH


async def healthz(request: Request, ingest: Ingest) -> Reply:
    """200 while this process receives contacts of devices, else 503 with a reason that tells no secret."""
    if ingest.liveness.age() >= YOUNG:
        return say(503, "No liveness sign has reached the database recently.\n")
    if ingest.longest_wait() >= YOUNG:
        return say(503, "Devices wait too long for an answer.\n")
    return say(200, "OK\n")


async def livez(request: Request, ingest: Ingest) -> Reply:
    """200 as long as the process runs.

    One that does not answer should be restarted, whatever the database does.
    """
    return say(200, "OK\n")


def say(status: int, words: str) -> Reply:
    """A reply with this status in plain text, which no cache keeps."""
    return Reply(status, words.encode(), content_type=TEXT)


CALLS: Final = tuple(
    Call("GET", path, handle, key=no_key) for path, handle in zip(PATHS, (healthz, livez), strict=True)
)
