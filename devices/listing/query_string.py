"""The filters in the address of a list, read: what is unknown is left out, with a notice that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.conf import settings
from django.http import QueryDict

from devices.listing.filters import HEARTBEAT, VPN, Filters, Tag
from devices.rules.vocabulary import Status, shown
from fleets.models import Fleet, Organization
from fleets.postgres.text_search import LONGEST
from fleets.text import kept

MOST = 50  # values of one filter
SILENT = re.compile(r"(\d{1,6})([mhd])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LONGEST_SILENCE = timedelta(days=3660)

# The names of all filters in an address; whoever clears or keeps the filters takes these.
NAMES = ("fleet", "status", "vpn", "heartbeat", "tag", "no-tag", "type", "os", "release", "silent", "q")


def filters_in(
    asked: QueryDict, organizations: Sequence[Organization], notices: list[str], *, fleet: Fleet | None = None
) -> Filters:
    """The filters of an address, about these organizations or, on its own page, about one fleet.

    What is unknown is left out and told in `notices`.
    """
    fleets = (fleet,) if fleet else tuple(_fleets(_values(asked, "fleet", notices), organizations, notices))
    return Filters(
        fleets=fleets,
        statuses=tuple(_statuses(_values(asked, "status", notices), notices)),
        vpn=_known(asked, "vpn", VPN, f"{settings.VPN_WORD} state", notices),
        heartbeat=_known(asked, "heartbeat", HEARTBEAT, "heartbeat state", notices),
        tags=(*_tags(asked, "tag", notices, has=True), *_tags(asked, "no-tag", notices, has=False)),
        types=_values(asked, "type", notices),
        os_versions=_values(asked, "os", notices),
        releases=_values(asked, "release", notices),
        silent=_silent(asked, notices),
        text=kept(asked.get("q", "")).strip()[:LONGEST],
    )


def short(value: str) -> str:
    """What somebody wrote into an address, cut for a notice."""
    return value if len(value) <= 40 else f"{value[:40]}…"


def _values(asked: QueryDict, name: str, notices: list[str]) -> tuple[str, ...]:
    """The values of one filter, each once; as many as a list can be asked for."""
    values = tuple(dict.fromkeys(filter(None, (kept(value).strip() for value in asked.getlist(name)))))
    if len(values) > MOST:
        notices.append(f"Of “{name}” the first {MOST} values count, the others were left out.")
    return values[:MOST]


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
            notices.append(
                f"There is no {settings.FLEET_WORD.lower()} “{short(slug)}” here: it was left out."
            )


def _statuses(slugs: Sequence[str], notices: list[str]) -> Iterable[Status]:
    found = set()
    for slug in slugs:
        if slug in Status.values:
            found.add(shown(slug))
        else:
            notices.append(f"There is no status “{short(slug)}”, so it was left out of the filter.")
    return [status for status in Status if status in found]


def _known(
    asked: QueryDict, name: str, known: Iterable[str], what: str, notices: list[str]
) -> tuple[str, ...]:
    """The values that are among `known`, in that order."""
    values = _values(asked, name, notices)
    notices += [
        f"There is no {what} “{short(value)}”, so it was left out of the filter."
        for value in values
        if value not in known
    ]
    return tuple(value for value in known if value in values)


def _tags(asked: QueryDict, name: str, notices: list[str], *, has: bool) -> Iterable[Tag]:
    for words in _values(asked, name, notices):
        key, equals, value = (part.strip() for part in words.partition("="))
        if key:
            yield Tag(key, value if equals else None, has)
        else:
            notices.append(f"“{short(words)}” names no tag, so it was left out of the filter.")


def _silent(asked: QueryDict, notices: list[str]) -> timedelta | None:
    value = asked.get("silent", "").strip()
    if not value:
        return None
    if read := SILENT.fullmatch(value):
        silent = int(read[1]) * UNITS[read[2]]
        if timedelta() < silent <= LONGEST_SILENCE:
            return silent
    notices.append(
        f"“{short(value)}” is no span of silence: write 30m, 6h or 7d, of ten years at most. It was left out."
    )
    return None
