"""Of several processes one leads, and another once it ends or its connection does."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fleets.postgres.leader import Leader

LOCK = 4711
PATIENCE = 30.0  # seconds

pytestmark = pytest.mark.django_db


def until(comes: Callable[[], bool]) -> None:
    """The server notices the end of a connection in its own time."""
    began = time.monotonic()
    while not comes():
        assert time.monotonic() - began < PATIENCE


def test_of_several_one_leads_and_the_next_when_it_ends() -> None:
    first, second = Leader(LOCK), Leader(LOCK)
    assert (first.leads(), second.leads(), first.leads()) == (True, False, True)
    first.resign()
    assert (second.leads(), first.leads()) == (True, False)
    second.resign()


def test_who_lost_its_connection_leads_no_more() -> None:
    first, second = Leader(LOCK), Leader(LOCK)
    assert first.leads()
    assert first._connection
    first._connection.close()
    until(second.leads)
    assert not first.leads()
    second.resign()
