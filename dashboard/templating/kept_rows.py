"""Rows of lists as they were rendered, so that a page made anew renders only those that read differently."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from django.utils.safestring import SafeString

from dashboard.templating.frame import frame
from dashboard.templating.render import rendered
from devices.words import duration

MOST: Final = 2_000  # rows; one has some 4 kB
SEPARATOR: Final = "\0"  # between two rows in what a template renders; no text of the database has it


class Row(Protocol):
    """A row that is hashed by all that it shows."""

    @property
    def moments(self) -> Iterable[datetime | None]:
        """All moments that it shows relative to the page's: how long ago, or for how long."""


class KeptRows:
    """The latest rows as rendered, at most MOST of them, by all that decides how they read."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, str | None] = {}
        self._lock = threading.Lock()

    def rendered(
        self, template: str, context: Mapping[str, Any], rows: Sequence[Row], *shown: Hashable
    ) -> SafeString:
        """These rows, no two of them equal, by a Jinja template, which renders `rows` with SEPARATOR between.

        `shown`: whatever else of the context the template uses, but for the moment `at` and the organization
        of `scope`.
        """
        at, scope = context["at"], context["scope"]
        around = (template, shown, scope.organization and scope.organization.slug, frame(at))
        wanted: dict[Hashable, Row] = {(around, row, _words(row, at)): row for row in rows}
        found = {key: self._kept.get(key) for key in wanted}
        missing = [key for key, text in found.items() if text is None]
        if missing:
            unread = {"rows": [wanted[key] for key in missing]}
            texts = rendered(template, {**context, **unread}).split(SEPARATOR)
            found |= zip(missing, texts, strict=True)
            self._keep({key: found[key] for key in missing})
        return SafeString("".join(text or "" for text in found.values()))

    def _keep(self, new: Mapping[Hashable, str | None]) -> None:
        with self._lock:
            self._kept |= new
            while len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]


def _words(row: Row, at: datetime) -> tuple[str, ...]:
    return tuple(duration(at - moment) for moment in row.moments if moment)


KEPT_ROWS: Final = KeptRows()
