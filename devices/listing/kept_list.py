"""A list of devices as selections and saved views store it: typed, and as versioned JSON.

It names fleets and organizations by their slugs, since they may be deleted meanwhile. Anything unknown in the
JSON is an error: without one of its filters a list would match other devices.
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
    """A stored list cannot be read by this version of the site; the text says why."""


class KeptFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters as stored: fleets by slug, and statuses before they are folded as the site shows them."""

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
    """A list: its organization, its filters, and how it is shown. None or empty: the default.

    Order, page size and columns are validated when the list is opened.
    """

    organization: str | None = None
    filters: KeptFilters = KeptFilters()
    sort: str | None = None
    size: int | None = None
    columns: tuple[str, ...] = ()


class FormerAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="v", tag=0):
    """The address of a list that was stored by an earlier version and could not be converted to a KeptList.

    Opening it shows what was unknown. A bulk action refuses it.
    """

    address: str


def stored(kept: KeptList) -> dict[str, Any]:
    """The list as JSON values."""
    builtins: dict[str, Any] = msgspec.to_builtins(kept)
    return builtins


def read(json: object) -> KeptList | FormerAddress:
    """The list of JSON values. Raises Unreadable for another version, or where anything in it is unknown."""
    try:
        return msgspec.convert(json, type=KeptList | FormerAddress)
    except msgspec.ValidationError as error:
        raise Unreadable(f"This version of the site cannot read it: {error}.") from error


def read_for_work(json: object) -> KeptList:
    """The list of JSON values, for an action on its devices. Raises Unreadable, also for a FormerAddress."""
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
    """The filters with their fleets looked up in these organizations; `fleet`: on the page of one fleet.

    An unknown fleet is left out, with a sentence added to `notices`.
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
