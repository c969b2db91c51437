"""Which fields a server has: it answers 500 without a word where it does not have one that is asked for.

Versions of openBalena and balenaCloud differ. The fields are asked for once, in halves, and remembered with
the source; a status of 500 after that is a failure of the server.
"""

from __future__ import annotations

from collections.abc import Sequence

from devices.sources import queries
from devices.sources.client import Api, Broken, Refused

Known = dict[str, list[str]]  # by resource, the parts that this server has


async def known_parts(api: Api) -> Known:
    """What this server has of each resource that is read; a resource that it does not have has no parts.

    Raises Failed: the server is out of order, or the token may not read the resource.
    """
    known = {resource: await _parts(api, resource) for resource in ("application", "device")}
    try:
        known["service_instance"] = await _parts(api, "service_instance")
    except Refused:  # balenaCloud shows its VPN servers to nobody
        known["service_instance"] = []
    return known


async def _parts(api: Api, resource: str) -> list[str]:
    needed = queries.NEEDED[resource]
    await api.get(queries.probe(resource, needed))
    found = await _which(api, resource, queries.WANTED[resource])
    if len(found) < len(queries.WANTED[resource]):
        await api.get(queries.probe(resource, needed))  # else the server failed meanwhile
    return [*needed, *found]


async def _which(api: Api, resource: str, parts: Sequence[str]) -> list[str]:
    """Those of `parts` that the server has."""
    if not parts:
        return []
    try:
        await api.get(queries.probe(resource, ["id", *parts]))
    except Broken as broken:
        if broken.status != 500:
            raise
    else:
        return list(parts)
    if len(parts) == 1:
        return []
    middle = len(parts) // 2
    return [
        *await _which(api, resource, parts[:middle]),
        *await _which(api, resource, parts[middle:]),
    ]


def usable(known: object) -> Known | None:
    """What was remembered, if it is of all resources; None: it must be asked for."""
    if not isinstance(known, dict) or set(known) != set(queries.NEEDED):
        return None
    return known
