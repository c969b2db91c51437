"""Parsing and writing the address of a list: what is unknown is left out, with a notice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from urllib.parse import urlencode

import msgspec
from django.conf import settings
from django.http import QueryDict

from devices.listing.filters import HEARTBEAT, VPN, Filters, Tag
from devices.listing.kept_list import FormerAddress, KeptFilters, KeptList, resolved
from devices.rules.vocabulary import Status
from fleets.models import Fleet, Organization
from fleets.postgres.text_search import LONGEST
from fleets.text import kept, short

MOST = 50  # values of one filter
SILENT = re.compile(r"(\d{1,6})([mhd])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LONGEST_SILENCE = timedelta(days=3660)
SIZE = re.compile(r"\d{1,4}", re.ASCII)

# The names of all filters in an address, for code that clears or keeps the filters.
NAMES = ("fleet", "status", "vpn", "heartbeat", "tag", "no-tag", "type", "os", "release", "silent", "q")


def filters_in(
    query: QueryDict, organizations: Sequence[Organization], notices: list[str], *, fleet: Fleet | None = None
) -> Filters:
    """The filters of an address, with fleets looked up in these organizations; `fleet`: on its own page.

    What is unknown is left out, with a sentence added to `notices`.
    """
    unknown: list[str] = []
    named = _filters_named(query, unknown)
    found = resolved(named, organizations, notices, fleet=fleet)
    notices += unknown
    return found


def list_in(query: QueryDict, notices: list[str]) -> KeptList:
    """The list of an address, to be stored: without its cursor, its values sorted, so that equal lists agree.

    What is unknown among the filters is left out, with a sentence added to `notices`.
    """
    filters = _filters_named(query, notices)
    ordered = {name: tuple(sorted(getattr(filters, name))) for name in ORDERED}
    tags = tuple(sorted(filters.tags, key=lambda tag: (not tag.has, tag.words)))
    size = query.get("per_page", "")
    return KeptList(
        organization=_single(query, "org"),
        filters=msgspec.structs.replace(filters, tags=tags, **ordered),
        sort=_single(query, "sort"),
        size=int(size) if SIZE.fullmatch(size) else None,
        columns=tuple(sorted({*filter(None, map(kept, query.getlist("columns")))})),
    )


ORDERED = ("fleets", "statuses", "vpn", "heartbeat", "types", "os_versions", "releases")


def address_of(source: KeptList | FormerAddress) -> str:
    """The query string of the address of a list, without the "?"."""
    if isinstance(source, FormerAddress):
        return source.address
    filters = source.filters
    named = {
        "org": _one(source.organization),
        "fleet": filters.fleets,
        "status": [str(status) for status in filters.statuses],
        "vpn": filters.vpn,
        "heartbeat": filters.heartbeat,
        "tag": [tag.words for tag in filters.tags if tag.has],
        "no-tag": [tag.words for tag in filters.tags if not tag.has],
        "type": filters.types,
        "os": filters.os_versions,
        "release": filters.releases,
        "silent": [] if filters.silent is None else [_span(filters.silent)],
        "q": _one(filters.text),
        "sort": _one(source.sort),
        "per_page": [] if source.size is None else [str(source.size)],
        "columns": source.columns,
    }
    return urlencode({name: values for name, values in named.items() if values}, doseq=True)


def _one(value: str | None) -> list[str]:
    return [value] if value else []


def _single(query: QueryDict, name: str) -> str | None:
    return kept(query.get(name, "")) or None


def _span(seconds: int) -> str:
    """A number of seconds as an address has it, in the largest unit that divides it: "7d"."""
    span = timedelta(seconds=seconds)
    unit = next(unit for unit in "dhm" if span % UNITS[unit] == timedelta())
    return f"{span // UNITS[unit]}{unit}"


def _filters_named(query: QueryDict, notices: list[str]) -> KeptFilters:
    return KeptFilters(
        fleets=_values(query, "fleet", notices),
        statuses=tuple(_statuses(_values(query, "status", notices), notices)),
        vpn=_known(query, "vpn", VPN, f"{settings.VPN_WORD} state", notices),
        heartbeat=_known(query, "heartbeat", HEARTBEAT, "heartbeat state", notices),
        tags=(*_tags(query, "tag", notices, has=True), *_tags(query, "no-tag", notices, has=False)),
        types=_values(query, "type", notices),
        os_versions=_values(query, "os", notices),
        releases=_values(query, "release", notices),
        silent=_silent(query, notices),
        text=kept(query.get("q", "")).strip()[:LONGEST],
    )


def _values(query: QueryDict, name: str, notices: list[str]) -> tuple[str, ...]:
    """The distinct values of one filter, MOST at most; a notice where there are more."""
    values = tuple(dict.fromkeys(filter(None, (kept(value).strip() for value in query.getlist(name)))))
    if len(values) > MOST:
        notices.append(f"Only the first {MOST} values of “{name}” are used. The others were ignored.")
    return values[:MOST]


def _statuses(slugs: Sequence[str], notices: list[str]) -> Iterable[Status]:
    for slug in slugs:
        if slug in Status.values:
            yield Status(slug)
        else:
            notices.append(f"There is no status “{short(slug)}”. It was ignored.")


def _known(
    query: QueryDict, name: str, known: Iterable[str], what: str, notices: list[str]
) -> tuple[str, ...]:
    """The values of a filter that are among `known`, in that order; a notice for each unknown one."""
    values = _values(query, name, notices)
    notices += [
        f"There is no {what} “{short(value)}”. It was ignored." for value in values if value not in known
    ]
    return tuple(value for value in known if value in values)


def _tags(query: QueryDict, name: str, notices: list[str], *, has: bool) -> Iterable[Tag]:
    for words in _values(query, name, notices):
        key, equals, value = (word.strip() for word in words.partition("="))
        if key:
            yield Tag(key, value if equals else None, has)
        else:
            notices.append(f"“{short(words)}” is not a tag. It was ignored.")


def _silent(query: QueryDict, notices: list[str]) -> int | None:
    """The filter by last contact, in seconds; None: there is none. A notice where it is unreadable."""
    value = query.get("silent", "").strip()
    if not value:
        return None
    if read := SILENT.fullmatch(value):
        silent = int(read[1]) * UNITS[read[2]]
        if timedelta() < silent <= LONGEST_SILENCE:
            return int(silent.total_seconds())
    notices.append(
        f"“{short(value)}” is no span of silence: write 30m, 6h or 7d, of ten years at most. It was left out."
    )
    return None
