"""The past minute in `?at=`, as of which a page is shown, and the form that chooses it."""

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

KEPT_OUT = ("at", "fold", "after", "before", "facets")  # parameters that the form does not pass on


@dataclass(frozen=True)
class Minute:
    """A minute; all fields are empty for the present.

    `fault` is the sentence that tells why the minute cannot be shown. `canonical` is an address to redirect
    to, with the minute in UTC, so that it means the same to every viewer.
    """

    at: Moment | None = None
    fault: str = ""
    canonical: str = ""


def read_minute(request: HttpRequest, now: datetime) -> Minute:
    """The minute in the request's `?at=`; a time without a time zone is in the viewer's."""
    text = request.GET.get("at", "").replace("\0", "").strip()
    if not text:
        return Minute()
    fold = 1 if request.GET.get("fold") == "1" else 0
    moment = moments.read(text, timezone.get_current_timezone(), fold=fold)
    if moment is None:
        example = f"{timezone.localtime(now):%Y-%m-%dT%H:%M}"
        return Minute(fault=f"The time “{short(text)}” is not valid. Write it as {example}.")
    minute = moment.replace(second=0, microsecond=0)
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
    """The notices of a page that cannot show the minute for this reason; none if there is no fault."""
    return [f"{fault} The page shows the present."] if fault else []


def _with(request: HttpRequest, at: str) -> str:
    query = {key: values for key, values in request.GET.lists() if key not in ("at", "fold")}
    return f"{request.path}?{urlencode([*_pairs(query), ('at', at)])}"


def _pairs(query: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(key, value) for key, values in query.items() for value in values]


@dataclass(frozen=True)
class MinuteForm:
    """The form that chooses a minute, in the viewer's time zone: its value, latest value and hidden fields.

    `offsets` are two choices (value, words, chosen) if the viewer's clock shows the time twice, else none.
    """

    value: str
    most: str
    address: str  # of the minute that is shown
    kept: list[tuple[str, str]]
    offsets: list[tuple[int, str, bool]]


def minute_form(request: HttpRequest, now: datetime, at: datetime | None = None) -> MinuteForm:
    """The form with the minute `at` that is shown, or the present minute."""
    kept = {key: values for key, values in request.GET.lists() if key not in KEPT_OUT}
    shown, most = timezone.localtime(at or now), timezone.localtime(now)
    if most.fold:  # all minutes of this hour have been before: the clocks went back an hour
        most = most.replace(minute=59)
    value, bound = (f"{item:%Y-%m-%dT%H:%M}" for item in (shown, most))
    return MinuteForm(value, bound, address_of(at) if at else "", _pairs(kept), _offsets(shown))


def as_of(request: HttpRequest, at: Moment, now: Moment) -> dict[str, object]:
    """The context of every page as of `at`: the minute, an outage of ours, the address of the present."""
    return {
        "at": now.at,
        "as_of": at.at,
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
