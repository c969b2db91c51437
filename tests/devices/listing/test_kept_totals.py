"""That very many devices share a thing is known for a minute, by processes that hear the news."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.listing import kept_totals
from devices.listing.kept_totals import KNOWN_FOR, VeryMany
from tests.factories import T0


class Told:
    """News as a process hears them, or does not."""

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens


def test_what_was_counted_is_known_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=True))
    known = VeryMany()
    known.note("a tag", T0)
    moments = [T0, T0 + KNOWN_FOR - timedelta(seconds=1), T0 + KNOWN_FOR, T0 - KNOWN_FOR]
    assert [known.knows("a tag", at) for at in moments] == [True, True, False, False]
    assert not known.knows("another", T0)


def test_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=True))
    monkeypatch.setattr(kept_totals, "MOST", 2)
    known = VeryMany()
    for thing in ("first", "second", "third"):
        known.note(thing, T0)
    assert [known.knows(thing, T0) for thing in ("first", "second", "third")] == [False, True, True]


def test_who_hears_nothing_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=False))
    known = VeryMany()
    known.note("a tag", T0)
    assert not known.knows("a tag", T0)
