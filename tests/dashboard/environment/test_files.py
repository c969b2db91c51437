"""Secrets in files: what a variable that names one becomes, and what is said where it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.environment import files, required


def test_a_file_gives_the_setting_and_its_variable_is_gone(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("its content\n")
    environment = {"KEY_PEPPER_FILE": str(tmp_path / "pepper"), "LOG_LEVEL_FILE": "/nowhere"}
    assert files.take(environment) == {}
    assert environment == {"KEY_PEPPER": "its content", "LOG_LEVEL_FILE": "/nowhere"}
    assert files.take(environment) == {}  # nor for the processes that it starts


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\xff\xfe", "is not a text in UTF-8"),
    ],
)
def test_a_file_that_gives_nothing_is_named(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    assert files.take({"SECRET_KEY_FILE": str(path)}) == {"SECRET_KEY_FILE": f"names {path}, which {fault}"}


def test_a_setting_and_its_file_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("one")
    environment = {"SECRET_KEY_FILE": str(tmp_path / "secret"), "SECRET_KEY": "another"}
    assert files.take(environment) == {
        "SECRET_KEY_FILE": "is set beside the setting that it is for: keep one of them"
    }


def test_all_that_is_missing_and_every_file_that_cannot_be_read_are_named_at_once() -> None:
    unreadable = {
        "DATABASE_URL_FILE": "names /x, which is empty",
        "KEY_PEPPER_FILE": "names /y, which is empty",
    }
    with pytest.raises(SystemExit) as stopped:
        required.require({}, unreadable, local=False)
    said = str(stopped.value)
    for part in (
        "DATABASE_URL_FILE names /x",
        "KEY_PEPPER_FILE names /y",
        "SECRET_KEY is missing",
        "ALLOWED_HOSTS is",
    ):
        assert part in said
    assert "KEY_PEPPER is missing" not in said


def test_a_trial_needs_nothing_but_that_files_can_be_read() -> None:
    required.require({}, {}, local=True)
    with pytest.raises(SystemExit, match="DATABASE_URL_FILE names /x"):
        required.require({}, {"DATABASE_URL_FILE": "names /x, which is empty"}, local=True)
