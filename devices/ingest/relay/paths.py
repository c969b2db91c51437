"""Which calls to an openBalena API tell of links, by method and path (docs/balena.md, the relay)."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from devices.models import UUID_PATTERN


class Kind(enum.Enum):
    """What a relayed call tells, if the API's answer proves it."""

    POLL = enum.auto()  # a device reads its state
    REPORT3 = enum.auto()  # a device reports, the UUID being in the body
    REPORT2 = enum.auto()  # a device reports, the UUID being in the path
    MODEL = enum.auto()  # a device, or a script of its OS, changes its own fields
    REGISTRATION = enum.auto()
    SERVER_START = enum.auto()
    SERVER_SIGN = enum.auto()
    CONNECT = enum.auto()
    DISCONNECT = enum.auto()
    NOTHING = enum.auto()  # passed on with the others of its path, and proves nothing


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is relayed; `uuid` or `number` (an id of the API) is what its path names, if it does."""

    kind: Kind
    uuid: str = ""
    number: int = 0


UUID: Final = f"(?P<uuid>{UUID_PATTERN.strip('^$')})"
ID: Final = "(?P<number>[0-9]{1,18})"
RESOURCE: Final = "/v[0-9]+"  # by the version of the supervisor
ANY: Final = ""
# Method, path and kind; ANY method but those above it of the same path. The first that matches counts.
TABLE: Final = tuple(
    (method, re.compile(path), kind)
    for method, path, kind in (
        ("GET", f"/device/v[23]/{UUID}/state", Kind.POLL),
        ("HEAD", f"/device/v[23]/{UUID}/state", Kind.POLL),
        ("PATCH", "/device/v3/state", Kind.REPORT3),
        ("PATCH", f"/device/v2/{UUID}/state", Kind.REPORT2),
        ("POST", "/device/register", Kind.REGISTRATION),
        ("PATCH", rf"{RESOURCE}/device\(uuid='{UUID}'\)", Kind.MODEL),
        ("PATCH", rf"{RESOURCE}/device\({ID}\)", Kind.MODEL),
        ("PATCH", f"{RESOURCE}/device", Kind.MODEL),
        ("PATCH", rf"{RESOURCE}/device\(.*", Kind.NOTHING),
        ("POST", f"{RESOURCE}/service_instance", Kind.SERVER_START),
        ("PATCH", rf"{RESOURCE}/service_instance\({ID}\)", Kind.SERVER_SIGN),
        ("POST", "/services/vpn/client-connect", Kind.CONNECT),
        ("POST", "/services/vpn/client-disconnect", Kind.DISCONNECT),
        (ANY, f"{RESOURCE}/service_instance.*", Kind.NOTHING),
        (ANY, "/device/v[23]/[^/]+/state|/device/v3/state|/device/register", Kind.NOTHING),
        (ANY, "/services/vpn/client-(?:dis)?connect", Kind.NOTHING),
    )
)


def call_of(method: str, path: str) -> Call | None:
    """The call of this method and decoded path; None: it is not relayed, since it tells of no link.

    CONNECT asks for a tunnel, which no API gives.
    """
    if method == "CONNECT":
        return None
    for known, pattern, kind in TABLE:
        if known in {ANY, method} and (match := pattern.fullmatch(path)):
            named = match.groupdict()
            return Call(kind, named.get("uuid") or "", int(named.get("number") or 0))
    return None
