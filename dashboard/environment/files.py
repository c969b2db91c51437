"""Secrets in files: where SECRET_KEY_FILE names a file, SECRET_KEY is what it holds."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

SECRETS: Final = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_DIRECT_URL",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "KEY_PEPPER",
    "EMAIL_PASSWORD",
    "OIDC_CLIENT_SECRET",
)


def take(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Replace each variable that names a file by the one that the file is for.

    Returns what is wrong, by the name of the variable that names a file: the end of a sentence.
    """
    faults = {}
    for name in SECRETS:
        variable = f"{name}_FILE"
        if path := environment.pop(variable, ""):
            try:
                environment[name] = _content(Path(path), twice=bool(environment.get(name)))
            except ValueError as fault:
                faults[variable] = str(fault)
    return faults


def _content(path: Path, *, twice: bool) -> str:
    """The text of the file. Raises ValueError with what is wrong."""
    if twice:
        raise ValueError("is set beside the setting that it is for: keep one of them")
    try:
        text = path.read_text().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"names {path}, which is not a text in UTF-8") from error
    except OSError as error:
        raise ValueError(f"names {path}, which cannot be read: {error.strerror}") from error
    if not text:
        raise ValueError(f"names {path}, which is empty")
    return text
