"""Whose sessions these are, and what they may hear of; for many at once, and without a request.

Django's own way reads one session at a time, and may renew it, of which a browser that listens never learns.
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
    """Whose session it is, and of which organizations they may hear, by primary key."""

    person: int
    organizations: frozenset[int]


Rights = dict[str, Subscriber]  # by session


def rights_of(sessions: Collection[str], at: datetime) -> Rights:
    """Whose sessions these are, and of what they may hear; without those that are nobody's by now."""
    kept = Session.objects.filter(session_key__in=sessions, expire_date__gt=at)
    decoded = {session.session_key: session.get_decoded() for session in kept}
    whose = {key: int(pair.get(SESSION_KEY, 0)) for key, pair in decoded.items()}
    people = User.objects.filter(is_active=True).in_bulk(set(whose.values()))
    active = [key for key, pk in whose.items() if pk in people and _holds(decoded[key], people[pk])]
    organizations = defaultdict[int, set[int]](set)
    for user, organization in Membership.objects.filter(user__in=people).values_list("user", "organization"):
        organizations[user].add(organization)
    return {key: Subscriber(whose[key], frozenset(organizations[whose[key]])) for key in active}


def _holds(session: dict[str, Any], user: User) -> bool:
    """Whether a session still signs this person in: a new password ends those of before."""
    proof = session.get(HASH_SESSION_KEY, "")
    proofs = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS and any(
        constant_time_compare(proof, expected) for expected in proofs
    )
