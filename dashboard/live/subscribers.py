"""The people and organizations behind sessions, read for many sessions at once and without a request.

Django's middleware reads one session at a time and may renew it, of which an open stream could not tell its
browser.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils.crypto import constant_time_compare

from dashboard.models import User
from fleets.models import Membership


class Subscriber(NamedTuple):
    """The person of a session and the organizations whose events they may get, by primary key."""

    person: int
    organizations: frozenset[int]


Rights = dict[str, Subscriber]  # by session key


def rights_of(sessions: Collection[str], at: datetime) -> Rights:
    """The subscriber of each of these session keys; without sessions that are no longer signed in at `at`."""
    kept = Session.objects.filter(session_key__in=sessions, expire_date__gt=at)
    decoded = {session.session_key: session.get_decoded() for session in kept}
    owners = {key: int(data.get(SESSION_KEY, 0)) for key, data in decoded.items()}
    people = User.objects.filter(is_active=True).in_bulk(set(owners.values()))
    active = [key for key, pk in owners.items() if pk in people and _is_valid(decoded[key], people[pk])]
    organizations = defaultdict[int, set[int]](set)
    for user, organization in Membership.objects.filter(user__in=people).values_list("user", "organization"):
        organizations[user].add(organization)
    return {key: Subscriber(owners[key], frozenset(organizations[owners[key]])) for key in active}


def _is_valid(session: dict[str, Any], user: User) -> bool:
    """Whether the session still signs this person in: a new password ends earlier sessions."""
    auth_hash = session.get(HASH_SESSION_KEY, "")
    accepted = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS and any(
        constant_time_compare(auth_hash, expected) for expected in accepted
    )
