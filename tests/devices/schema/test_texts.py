"""The files of SQL are what a database has, and say what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from django.db import connection

from devices.rules.status_code import QUIET
from devices.schema import texts, triggers

FILES: Final = sorted(texts.FOLDER.glob("*.sql"))


def _functions() -> dict[str, str]:
    """What each function of ours in the database does, by its name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND prosrc IS NOT NULL"
        )
        return dict(cursor.fetchall())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_begins_with_what_it_is_for(file: Path) -> None:
    comment, text = file.read_text().split("\n\n", maxsplit=1)
    assert all(line.startswith("-- ") for line in comment.splitlines())
    assert text.strip()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["history_ahead", "history_cut"])
def test_functions_are_those_of_the_database(name: str) -> None:
    assert texts.read(name).split("$$")[1] == _functions()[f"devices_{name}"]


@pytest.mark.django_db
def test_triggers_are_those_of_the_database() -> None:
    there = [text.strip() for text in _functions().values()]
    for trigger in [*triggers.DEVICE, triggers.signalled("status"), triggers.signalled("link")]:
        assert any(str(trigger.func).strip() in text for text in there), trigger.name


def test_devices_that_do_not_poll_are_named_alike() -> None:
    assert f"NOT IN ({', '.join(repr(str(state.value)) for state in QUIET)})" in texts.read("contacted")
