"""What the filters of a list mean: the devices that an address names, for lists, counts, exports and actions.

A filter by status or by a link is about the present, so it is asked over what with_status annotates; every
other one is about columns that no clock changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from msgspec import Struct

from devices.clock import Moment
from devices.listing.search import query_of
from devices.models import Description, Device
from devices.rules import vpn_states
from devices.rules.tags import LONGEST_TAG
from devices.rules.vocabulary import HeartbeatState, Status, behind
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import filter_by_status, with_status
from fleets.models import Fleet, Organization
from fleets.postgres.text_search import words_of

# A tag's value that is a number or a truth in JSON, of numbers those that PostgreSQL can hold.
LITERAL: Final = re.compile(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")

# The states of the two links as their icons show them; every device has exactly one of each.
VPN = vpn_states.conditions("vpn")
HEARTBEAT = {
    "recent": Q(heartbeat=HeartbeatState.RECENT, overdue=False),
    "overdue": Q(overdue=True),
    "late": Q(heartbeat=HeartbeatState.LATE),
    "lost": Q(heartbeat=HeartbeatState.LOST),
    "unknown": Q(heartbeat=HeartbeatState.UNKNOWN),
}


class Tag(Struct, frozen=True, forbid_unknown_fields=True):
    """A tag that a device must have, or not have; `value` None: whatever its value."""

    key: str
    value: str | None = None
    has: bool = True

    @property
    def words(self) -> str:
        """As it is written in an address: "site" or "site=central"."""
        return self.key if self.value is None else f"{self.key}={self.value}"


@dataclass(frozen=True)
class Filters:
    """What a list is asked for, parsed: nothing in it is unknown, and nothing asked for is an empty tuple.

    Several values of one filter are alternatives, but tags add up; the filters narrow one another.
    """

    fleets: tuple[Fleet, ...] = ()
    statuses: tuple[Status, ...] = ()
    vpn: tuple[str, ...] = ()  # keys of VPN
    heartbeat: tuple[str, ...] = ()  # keys of HEARTBEAT
    tags: tuple[Tag, ...] = ()
    types: tuple[str, ...] = ()
    os_versions: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    silent: timedelta | None = None  # without any contact for longer than that
    text: str = ""

    @property
    def any(self) -> bool:
        return self != Filters()

    @property
    def wordless(self) -> bool:
        """Whether a text is asked for that has no word, which nothing matches."""
        return bool(self.text) and not words_of(self.text)

    @property
    def of_the_present(self) -> bool:
        """Whether they ask what the clock changes, besides the status."""
        return bool(self.vpn or self.heartbeat or self.silent is not None)

    def without_statuses(self) -> Filters:
        return replace(self, statuses=())


def in_organizations(organizations: Iterable[Organization]) -> QuerySet[Device]:
    """The devices of these organizations, which are the viewer's own (dashboard.http.scope.scope)."""
    return Device.objects.filter(organization__in=list(organizations))


def matching(
    organizations: Iterable[Organization], filters: Filters, at: Moment
) -> QuerySet[DeviceWithStatus]:
    """The devices of these organizations that the filters name at `at`, annotated as by with_status."""
    devices = unchanging(in_organizations(organizations), filters)
    meant = _meant(filters)
    found = filter_by_status(devices, meant, at) if meant else with_status(devices, at)
    return found.filter(present(filters, at))


def matching_of(devices: QuerySet[Device], filters: Filters, at: Moment) -> QuerySet[DeviceWithStatus]:
    """The same among a few given ones, each looked at."""
    found, meant = with_status(unchanging(devices, filters), at).filter(present(filters, at)), _meant(filters)
    return found.filter(status__in=meant) if meant else found


def _meant(filters: Filters) -> list[Status]:
    return [status for shown in filters.statuses for status in behind(shown)]


def still_matching(
    ids: Iterable[int], organizations: Iterable[Organization], filters: Filters, at: Moment
) -> QuerySet[DeviceWithStatus]:
    """Those of a few devices, by their ids, that `matching` would name: asked of each row by itself."""
    return matching_of(in_organizations(organizations).filter(pk__in=list(ids)), filters, at)


def unchanging(devices: QuerySet[Device], filters: Filters) -> QuerySet[Device]:
    """Those of `devices` that the filters name, but for what the clock changes."""
    if filters.fleets:
        devices = devices.filter(fleet__in=filters.fleets)
    if condition := described(filters):
        devices = devices.filter(pk__in=Description.objects.filter(condition).values("pk"))
    return devices


def described(filters: Filters) -> Q:
    """What the filters ask of a device's Description."""
    wanted = Q()
    for name, values in (
        ("recorded_type", filters.types),
        ("recorded_os_version", filters.os_versions),
        ("recorded_release", filters.releases),
    ):
        if values:
            wanted &= Q(**{f"{name}__in": values})
    for tag in filters.tags:
        wanted &= _tagged(tag)
    if query := query_of(filters.text):
        wanted &= Q(recorded_words=query)
    return wanted


def present(filters: Filters, at: Moment) -> Q:
    """What the filters ask of the links and of the last contact, over devices annotated by with_status."""
    wanted = _one_of(VPN, filters.vpn) & _one_of(HEARTBEAT, filters.heartbeat)
    if filters.silent is not None:
        wanted &= Q(last_contact__lt=at.heard - filters.silent) | Q(last_contact__isnull=True)
    return wanted


def _one_of(conditions: dict[str, Q], names: Sequence[str]) -> Q:
    wanted = Q()
    for name in names:
        wanted |= conditions[name]
    return wanted


def _tagged(tag: Tag) -> Q:
    if tag.value is None:
        found = Q(recorded_tags__has_key=tag.key)
    else:
        found = Q()
        for value in _values(tag.value):
            found |= Q(recorded_tags__contains={tag.key: value})
    return found if tag.has else ~found


def _values(text: str) -> list[Any]:
    """What a tag's value that reads like this is in JSON: the text, or the number or truth it spells."""
    if len(text) <= LONGEST_TAG and LITERAL.fullmatch(text):
        return [text, json.loads(text)]
    return [text]
