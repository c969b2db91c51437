"""The query of an audit log; unknown parts of it are ignored, with a notice for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TypeVar
from uuid import UUID

from django.db.models import TextChoices
from django.http import HttpRequest
from django.utils import timezone

from dashboard.pages.parts.address import address
from dashboard.pages.settings.audit_lines import kind_words
from fleets.audit.actions import Action, Kind
from fleets.audit.search import Filters
from fleets.postgres import moments
from fleets.postgres.text_search import LONGEST
from fleets.text import kept, short

Choice = TypeVar("Choice", bound=TextChoices)


@dataclass
class AuditQuery:
    """A parsed query of an audit log; `first` and `last` are days in the viewer's time zone."""

    filters: Filters
    first: date | None
    last: date | None
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Token:
    """A filter that no field of the form shows: its words, and the address without it."""

    words: str
    without: str


def parse(request: HttpRequest) -> AuditQuery:
    """Parse the query of a request."""
    notices: list[str] = []
    first, last = _day(request, "from", notices), _day(request, "to", notices)
    filters = Filters(
        who=_text(request, "who"),
        action=_one_of(Action, request, "action", notices),
        kind=_one_of(Kind, request, "kind", notices),
        subject=_text(request, "id"),
        since=_midnight(first) if first else None,
        until=_midnight(last + timedelta(days=1)) if last else None,
        text=_text(request, "q"),
        job=_job(request, notices),
    )
    return AuditQuery(filters, first, last, notices)


def shown_filters(request: HttpRequest, audit_query: AuditQuery) -> list[Token]:
    """The filters by subject and by job that are in force, as tokens."""
    subject, found = audit_query.filters.subject, []
    if subject:
        kind = kind_words(audit_query.filters.kind or "")
        found.append(Token(f"{kind} {short(subject)}".strip(), address(request, id=None, kind=None)))
    if audit_query.filters.job:
        found.append(Token("Devices of one job", address(request, job=None)))
    return found


def _job(request: HttpRequest, notices: list[str]) -> UUID | None:
    text = request.GET.get("job", "")
    try:
        return UUID(text) if text else None
    except ValueError:
        notices.append(f"There is no job “{short(text)}”. It was ignored.")
        return None


def _text(request: HttpRequest, name: str) -> str:
    return kept(request.GET.get(name, "")).strip()[:LONGEST]


def _one_of(choices: type[Choice], request: HttpRequest, name: str, notices: list[str]) -> Choice | None:
    slug = request.GET.get(name, "")
    if slug and slug not in choices.values:
        notices.append(f"There is no {name} “{short(slug)}”. It was ignored.")
        return None
    return choices(slug) if slug else None


def _day(request: HttpRequest, name: str, notices: list[str]) -> date | None:
    text = request.GET.get(name, "")
    day = moments.day(text)
    if text and day is None:
        notices.append(f"“{short(text)}” is not a date such as 2026-11-24. It was ignored.")
    return day


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
