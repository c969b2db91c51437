"""What each process counts: calls, batches, refusals, pages and event streams.

Labels have values from fixed vocabularies only, so that no caller can create a series.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()
NONE: Final = "none"  # the call or the page that a request leads to, if it leads to none

CALLS: Final = Counter(
    "lookout_calls",
    "Calls of devices and VPN servers that were answered.",
    ["dialect", "call", "code"],
    registry=REGISTRY,
)
REFUSED: Final = Counter(
    "lookout_refused", "Calls and requests of pages that were refused.", ["reason"], registry=REGISTRY
)
BATCH_SECONDS: Final = Histogram(
    "lookout_batch_seconds",
    "Seconds that the transaction of a batch of contacts took.",
    registry=REGISTRY,
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_SIZE: Final = Histogram(
    "lookout_batch_size",
    "Contacts in a batch, which are committed together.",
    registry=REGISTRY,
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)
PAGE_SECONDS: Final = Histogram(
    "lookout_page_seconds",
    "Seconds from a request to its whole response, by page.",
    ["page"],
    registry=REGISTRY,
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
STREAMS: Final = Gauge(
    "lookout_streams", "Event streams that are open.", registry=REGISTRY, multiprocess_mode="livesum"
)

DIALECTS: Final = ("native", "supervisor", "site", NONE)
NATIVE: Final = "/api/v1/"
SITE: Final = ("/healthz", "/livez", "/metrics", "/readyz")
# By the status of the refusal.
REASONS: Final = {
    400: "malformed",
    401: "key",
    403: "forbidden",
    404: "unknown",
    405: "method",
    408: "slow",
    409: "conflict",
    413: "large",
    429: "too-many",
    503: "busy",
}
OTHER: Final = "other"
# A group of a path: of a value that it names, of one that it does not name, and of alternatives.
GROUP: Final = re.compile(r"\(\?P<(\w+)>(?:\[[^]]*\]|[^()])*\)|\(\[[^]]*\]\+?\)")
PLAIN: Final = re.compile(r"\(\?:([^)]*)\)|\\(.)")


def call_answered(path: str, status: int, number: int = 1) -> None:
    """Count calls that were answered with this HTTP status; `path` of their Call, "" if there is none."""
    _answered(path, status).inc(number)


def refused(status: int) -> None:
    """Count a call or a request of a page that was refused with this HTTP status."""
    REFUSED.labels(REASONS.get(status, OTHER)).inc()


@cache  # as many as there are calls and statuses
def _answered(path: str, status: int) -> Counter:
    return CALLS.labels(dialect(path), template(path), str(status))


def dialect(path: str) -> str:
    """The dialect of the call with this path, one of DIALECTS."""
    if not path:
        return NONE
    if path.startswith(NATIVE):
        return "native"
    return "site" if path in SITE else "supervisor"


def template(path: str) -> str:
    """The path of a call as a label has it, such as "/device/v3/{uuid}/state" for a regular expression."""
    named = GROUP.sub(lambda group: f"{{{group[1] or 'name'}}}", path)
    return PLAIN.sub(lambda part: part[1] or part[2], named) or NONE
