"""Sessions are those that Django keeps, and are over when it says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session

from dashboard.http.session_store import SessionStore
from devices import clock

pytestmark = pytest.mark.django_db


def kept() -> str:
    """The key of a session that Django's own store keeps."""
    store = db.SessionStore()
    store["theme"] = "dark"
    store.save()
    return str(store.session_key)


def test_a_session_of_django_is_read() -> None:
    store = SessionStore(kept())
    assert store["theme"] == "dark"


@pytest.mark.parametrize("left", [timedelta(seconds=-1), None], ids=["over", "deleted"])
def test_one_that_is_over_has_nothing_and_no_key(left: timedelta | None) -> None:
    key = kept()
    Session.objects.all().delete() if left is None else Session.objects.update(expire_date=clock.now() + left)
    store = SessionStore(key)
    assert "theme" not in store
    assert store.session_key is None
