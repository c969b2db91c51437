"""What makes two user names the same name: the canonical form that the database keeps unique."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import Any, Final
from unicodedata import normalize

from django.db import models

LONGEST: Final = 150  # characters of a user name
NUMBERED: Final = 140  # of a name that a number is put behind


def canonical(username: str) -> str:
    """NFKC, case folded: equal for names that differ in case, width or Unicode form only (UAX #31, R4)."""
    return normalize("NFKC", normalize("NFKC", username).casefold())


def numbered(username: str) -> Iterator[str]:
    """The name itself, then the name with 2, 3, ... behind it."""
    return chain([username], (f"{username[:NUMBERED]}-{number}" for number in count(2)))


# Generic for the type checker only.
class CanonicalName(models.TextField):  # type: ignore[type-arg]
    """The canonical form of `username`, written whenever the row is, however it is saved."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: FBT001 - Django's signature
        row: Any = model_instance
        form = canonical(row.username)
        setattr(model_instance, self.attname, form)
        return form

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """A plain text to migrations, which then need none of this."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
