"""The canonical form of user names, which the database keeps unique, so that no two look the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import Any, Final
from unicodedata import normalize

from django.db import models

LONGEST: Final = 150  # characters of a user name
NUMBERED: Final = 140  # characters of a name before a number is appended


def canonical(username: str) -> str:
    """The case-folded name in NFKC: equal for names that differ in case, width or form (UAX #31, R4)."""
    return normalize("NFKC", normalize("NFKC", username).casefold())


def numbered(username: str) -> Iterator[str]:
    """The name itself, then with -2, -3, ... appended, without end."""
    return chain([username], (f"{username[:NUMBERED]}-{number}" for number in count(2)))


# Generic for the type checker only.
class CanonicalName(models.TextField):  # type: ignore[type-arg]
    """A field with the canonical form of `username`, set whenever the row is saved."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: FBT001 - Django's signature
        row: Any = model_instance
        form = canonical(row.username)
        setattr(model_instance, self.attname, form)
        return form

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """To migrations it is a plain text field, so that they import nothing of this site."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
