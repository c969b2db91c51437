"""The minute that `?at=` names: a page as it was then, in the history that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils import timezone

from dashboard.pages.parts.address import address
from dashboard.pages.parts.over_time import address_of
from devices import clock, words
from devices.clock import Moment
from devices.history import retention
from fleets.postgres import moments
from fleets.text import short

KEPT_OUT = ("at", "fold", "after", "before", "facets")  # what a form that asks for a minute does not pass on


@dataclass(frozen=True)
class Minute:
    """A minute, or the present; why not the minute; the address that every viewer reads alike."""

    at: Moment | None = None
    fault: str = ""
    canonical: str = ""


def read_minute(request: HttpRequest, now: datetime) -> Minute:
    """What `?at=` names. Without a zone it is the viewer's time, which is another time to other viewers."""
    text = request.GET.get("at", "").replace("\0", "").strip()
    if not text:
        return Minute()
    fold = 1 if request.GET.get("fold") == "1" else 0
    named = moments.read(text, timezone.get_current_timezone(), fold=fold)
    if named is None:
        like = f"{timezone.localtime(now):%Y-%m-%dT%H:%M}"
        return Minute(fault=f"The time “{short(text)}” is not valid. Write it as {like}.")
    minute = named.replace(second=0, microsecond=0)
    if minute > now:
        return Minute(fault=f"{words.full(minute)} is in the future.")
    if fault := _too_early(minute):
        return Minute(fault=fault)
    if text != address_of(minute):
        return Minute(canonical=_with(request, address_of(minute)))
    return Minute(at=clock.moment(minute))


def _too_early(minute: datetime) -> str:
    begins = retention.begins()
    if begins is None:
        return "There is no history yet."
    if minute < begins:
        return f"{words.full(minute)} is too early. The history starts at {words.full(begins)}."
    return ""


def fault_words(fault: str) -> list[str]:
    """The notice of a page that could not show the minute."""
    return [f"{fault} The page shows the present."] if fault else []


def _with(request: HttpRequest, at: str) -> str:
    query = {key: values for key, values in request.GET.lists() if key not in ("at", "fold")}
    return f"{request.path}?{urlencode([*_pairs(query), ('at', at)])}"


def _pairs(query: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(key, value) for key, values in query.items() for value in values]


@dataclass(frozen=True)
class MinuteForm:
    """The form that asks for a minute, in the viewer's time: what stands in it, its bound, what stays.

    `offsets` are the two choices where the viewer's clock shows that time twice: value, words, chosen.
    """

    value: str
    most: str
    address: str  # of the minute that is shown
    kept: list[tuple[str, str]]
    offsets: list[tuple[int, str, bool]]


def minute_form(request: HttpRequest, now: datetime, at: datetime | None = None) -> MinuteForm:
    """The form with the minute that is shown, else this one."""
    kept = {key: values for key, values in request.GET.lists() if key not in KEPT_OUT}
    shown, most = timezone.localtime(at or now), timezone.localtime(now)
    if most.fold:  # the minutes up to the end of this hour have been, an hour ago
        most = most.replace(minute=59)
    value, bound = (f"{item:%Y-%m-%dT%H:%M}" for item in (shown, most))
    return MinuteForm(value, bound, address_of(at) if at else "", _pairs(kept), _offsets(shown))


def as_of(request: HttpRequest, at: Moment, now: Moment) -> dict[str, object]:
    """What every page as of `at` says of it: the minute, whether we listened then, how to leave it."""
    return {
        "at": now.at,
        "then": at.at,
        "silence": at.outage if at.in_outage else None,
        "minute": minute_form(request, now.at, at.at),
        "back": address(request, at=None),
    }


def _offsets(local: datetime) -> list[tuple[int, str, bool]]:
    if not words.twice(local):
        return []
    both = [(0, "{offset}, before the clocks go back"), (1, "{offset}, after the clocks go back")]
    return [
        (fold, said.format(offset=words.offset(local.replace(fold=fold))), fold == local.fold)
        for fold, said in both
    ]
