"""A list of devices as jobs and saved views keep it: typed, and as versioned JSON.

Fleets and organizations are in it by their slugs, for they may be deleted meanwhile. What is unknown in the
JSON is refused, never passed over: without one of its filters a list would name other devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from django.conf import settings
from msgspec import Meta, Struct

from devices.listing.filters import HEARTBEAT, VPN, Filters, Tag
from devices.rules.vocabulary import Status, shown
from fleets.models import Fleet, Organization
from fleets.text import short


class Unreadable(ValueError):
    """What is kept cannot be read by this version of the site; it says why."""


class KeptFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters, before their fleets are looked up and their statuses folded as the site shows them."""

    fleets: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    vpn: tuple[str, ...] = ()  # keys of VPN
    heartbeat: tuple[str, ...] = ()  # keys of HEARTBEAT
    tags: tuple[Tag, ...] = ()
    types: tuple[str, ...] = ()
    os_versions: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    silent: Annotated[int, Meta(gt=0, multiple_of=60)] | None = None  # seconds without any contact
    text: str = ""

    def __post_init__(self) -> None:
        unknown = [*(set(self.vpn) - VPN.keys()), *(set(self.heartbeat) - HEARTBEAT.keys())]
        if unknown:
            raise ValueError(f"No link has the state {min(unknown)!r}")


class KeptList(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="v", tag=1):
    """A list: whose devices, which of them, and how they are shown. None and empty: as usual.

    What only shows them (order, page size, columns) is looked at when the list is opened.
    """

    organization: str | None = None
    filters: KeptFilters = KeptFilters()
    sort: str | None = None
    size: int | None = None
    columns: tuple[str, ...] = ()


class FormerAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="v", tag=0):
    """The address of a list, kept before lists were typed, in which something was unknown then.

    Opening it tells what that is. No job takes it.
    """

    address: str


def stored(kept: KeptList) -> dict[str, Any]:
    """As JSON has it."""
    builtins: dict[str, Any] = msgspec.to_builtins(kept)
    return builtins


def read(json: object) -> KeptList | FormerAddress:
    """The other way round. Raises Unreadable for another version, or where anything in it is unknown."""
    try:
        return msgspec.convert(json, type=KeptList | FormerAddress)
    except msgspec.ValidationError as error:
        raise Unreadable(f"This version of the site cannot read it: {error}.") from error


def read_for_work(json: object) -> KeptList:
    """The same for what is done to its devices. Raises Unreadable for a former address, too."""
    kept = read(json)
    if isinstance(kept, FormerAddress):
        raise Unreadable(f"Something in “{kept.address}” is no longer known.")
    return kept


def resolved(
    kept: KeptFilters,
    organizations: Sequence[Organization],
    notices: list[str],
    *,
    fleet: Fleet | None = None,
) -> Filters:
    """What they mean within these organizations or, on its own page, within one fleet.

    A fleet that is not there is left out and told in `notices`.
    """
    wanted = {shown(status) for status in kept.statuses}
    return Filters(
        fleets=(fleet,) if fleet else tuple(_fleets(kept.fleets, organizations, notices)),
        statuses=tuple(status for status in Status if status in wanted),
        vpn=kept.vpn,
        heartbeat=kept.heartbeat,
        tags=kept.tags,
        types=kept.types,
        os_versions=kept.os_versions,
        releases=kept.releases,
        silent=None if kept.silent is None else timedelta(seconds=kept.silent),
        text=kept.text,
    )


def _fleets(
    slugs: Sequence[str], organizations: Sequence[Organization], notices: list[str]
) -> Iterable[Fleet]:
    if not slugs:
        return
    found = Fleet.objects.filter(organization__in=organizations, slug__in=slugs)
    known = {fleet.slug: fleet for fleet in found}
    for slug in slugs:
        if slug in known:
            yield known[slug]
        else:
            word = settings.FLEET_WORD.lower()
            notices.append(f"There is no {word} “{short(slug)}” here. It was ignored.")
