"""The open sessions of a person, and ending them; allauth stores the list, Django the sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef

if TYPE_CHECKING:
    from datetime import datetime

    from dashboard.models import User


NEW: Final = timedelta(hours=1)  # for so long a listed session may not be stored yet


@dataclass(frozen=True)
class Open:
    """An open session as the page of sessions shows it."""

    pk: int
    since: datetime
    address: str
    browser: str
    is_current: bool


def open_ones(user: User, current: str | None, at: datetime) -> list[Open]:
    """The sessions that are open at `at`: the one with the key `current` first, then the newest."""
    alive = Session.objects.filter(expire_date__gt=at).values("session_key")
    kept = UserSession.objects.filter(user=user, session_key__in=alive).order_by("-created_at", "-pk")
    sessions = [
        Open(
            session.pk,
            session.created_at,
            session.ip,
            browser_of(session.user_agent),
            session.session_key == current,
        )
        for session in kept
    ]
    return sorted(sessions, key=lambda session: not session.is_current)


@transaction.atomic
def end(user: User, pk: int, *, but: str | None) -> int:
    """End the listed session `pk` of this person, unless its key is `but`; returns 1, or 0 if none ended."""
    return _end(user, but, pk=pk)


@transaction.atomic
def end_all(user: User, *, but: str | None) -> int:
    """End every session of this person, except the one with the key `but`; returns their number."""
    return _end(user, but)


def clear(at: datetime) -> int:
    """Delete sessions that have expired, and listed ones that are gone; returns the number expired."""
    expired, _ = Session.objects.filter(expire_date__lte=at).delete()
    listed = UserSession.objects.filter(created_at__lte=at - NEW)
    listed.filter(~Exists(Session.objects.filter(session_key=OuterRef("session_key")))).delete()
    return expired


def forget(key: str | None) -> None:
    """Take the session with this key from the list, as it has been ended."""
    UserSession.objects.filter(session_key=key).delete()


def _end(user: User, but: str | None, **lookups: int) -> int:
    ending = UserSession.objects.filter(user=user, **lookups).exclude(session_key=but)
    keys = list(ending.values_list("session_key", flat=True))
    ended, _ = Session.objects.filter(session_key__in=keys).delete()
    ending.filter(session_key__in=keys).delete()
    return ended


# Marks in User-Agent headers. The first that matches counts, as browsers name others for compatibility.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_of(description: str) -> str:
    """Browser and system of a User-Agent header, as "Firefox on Linux"; the header's beginning if unknown."""
    browser = next((name for mark, name in BROWSERS if mark in description), "")
    system = next((name for mark, name in SYSTEMS if mark in description), "")
    if browser and system:
        return f"{browser} on {system}"
    return description[:60] or "An unknown browser"
