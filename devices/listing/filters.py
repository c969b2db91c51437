"""The filters of a list, and the devices that match them, for lists, counts, exports and bulk actions.

Filters by status, link and last contact depend on the clock, so they are conditions on what with_status
annotates. All others are conditions on columns that the clock does not change.
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
from devices.listing.search import search_query
from devices.models import Description, Device
from devices.rules import vpn_states
from devices.rules.tags import LONGEST_TAG
from devices.rules.vocabulary import HeartbeatState, Status, behind
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import filter_by_status, with_status
from fleets.models import Fleet, Organization
from fleets.postgres.text_search import words_of

# A value of a tag that is a number or a boolean in JSON; of numbers those that PostgreSQL can store.
LITERAL: Final = re.compile(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")

# The states of the two links as icons show them, each with its condition; a device has exactly one of each.
VPN = vpn_states.conditions("vpn")
HEARTBEAT = {
    "recent": Q(heartbeat=HeartbeatState.RECENT, overdue=False),
    "overdue": Q(overdue=True),
    "late": Q(heartbeat=HeartbeatState.LATE),
    "lost": Q(heartbeat=HeartbeatState.LOST),
    "unknown": Q(heartbeat=HeartbeatState.UNKNOWN),
}


class Tag(Struct, frozen=True, forbid_unknown_fields=True):
    """A tag that a device must have (or with `has` False must not have); `value` None: with any value."""

    key: str
    value: str | None = None
    has: bool = True

    @property
    def words(self) -> str:
        """The tag as an address has it: "site" or "site=central"."""
        return self.key if self.value is None else f"{self.key}={self.value}"


@dataclass(frozen=True)
class Filters:
    """The filters of a list, parsed; an empty tuple, None or an empty text is no filter.

    A device must match every filter. Several values of one filter are alternatives, but all tags must match.
    """

    fleets: tuple[Fleet, ...] = ()
    statuses: tuple[Status, ...] = ()
    vpn: tuple[str, ...] = ()  # keys of VPN
    heartbeat: tuple[str, ...] = ()  # keys of HEARTBEAT
    tags: tuple[Tag, ...] = ()
    types: tuple[str, ...] = ()
    os_versions: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    silent: timedelta | None = None  # without any contact for longer than this
    text: str = ""  # words to search for

    @property
    def any(self) -> bool:
        """Whether there is any filter."""
        return self != Filters()

    @property
    def wordless(self) -> bool:
        """Whether the text to search for has no word, so that nothing matches."""
        return bool(self.text) and not words_of(self.text)

    @property
    def of_the_present(self) -> bool:
        """Whether there is a filter that depends on the clock, besides that for the status."""
        return bool(self.vpn or self.heartbeat or self.silent is not None)

    def without_statuses(self) -> Filters:
        """All filters but that for the status."""
        return replace(self, statuses=())


def in_organizations(organizations: Iterable[Organization]) -> QuerySet[Device]:
    """The devices of these organizations; of those of a viewer by dashboard.http.scope.scope."""
    return Device.objects.filter(organization__in=list(organizations))


def matching(
    organizations: Iterable[Organization], filters: Filters, at: Moment
) -> QuerySet[DeviceWithStatus]:
    """The devices of these organizations that match the filters at `at`, annotated as by with_status."""
    devices = unchanging(in_organizations(organizations), filters)
    statuses = _statuses(filters)
    found = filter_by_status(devices, statuses, at) if statuses else with_status(devices, at)
    return found.filter(present(filters, at))


def matching_among(devices: QuerySet[Device], filters: Filters, at: Moment) -> QuerySet[DeviceWithStatus]:
    """Those of `devices`, which are few, that match the filters at `at`, annotated as by with_status."""
    found, statuses = with_status(unchanging(devices, filters), at), _statuses(filters)
    found = found.filter(present(filters, at))
    return found.filter(status__in=statuses) if statuses else found


def _statuses(filters: Filters) -> list[Status]:
    """The statuses that the shown ones of the filter stand for."""
    return [status for shown in filters.statuses for status in behind(shown)]


def still_matching(
    ids: Iterable[int], organizations: Iterable[Organization], filters: Filters, at: Moment
) -> QuerySet[DeviceWithStatus]:
    """Those of a few devices, by id, that match the filters at `at`, annotated as by with_status."""
    return matching_among(in_organizations(organizations).filter(pk__in=list(ids)), filters, at)


def unchanging(devices: QuerySet[Device], filters: Filters) -> QuerySet[Device]:
    """Those of `devices` that match the filters which do not depend on the clock."""
    if filters.fleets:
        devices = devices.filter(fleet__in=filters.fleets)
    if condition := described(filters):
        devices = devices.filter(pk__in=Description.objects.filter(condition).values("pk"))
    return devices


def described(filters: Filters) -> Q:
    """The condition of the filters on a device's Description, its search document; may be empty."""
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
    if query := search_query(filters.text):
        wanted &= Q(recorded_words=query)
    return wanted


def present(filters: Filters, at: Moment) -> Q:
    """The condition of the filters on links and last contact at `at`, over annotated devices."""
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
    """The JSON values that a tag's value may have which reads like `text`: the text, a number, a boolean."""
    if len(text) <= LONGEST_TAG and LITERAL.fullmatch(text):
        return [text, json.loads(text)]
    return [text]
