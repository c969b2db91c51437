"""Tags as people write them: `name = value`, or a name alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from django.core.exceptions import ValidationError

LONGEST_TAG: Final = 100  # characters of a name, and of a value
MOST_TAGS: Final = 50


def tags_in(text: str) -> dict[str, str]:
    """The tags that a text names, a line each; ValidationError where it does not."""
    return tags_of(text.splitlines())


def tags_of(lines: Iterable[str]) -> dict[str, str]:
    """The tags that these texts name, one each; ValidationError where one does not."""
    tags: dict[str, str] = {}
    for line in filter(None, map(str.strip, lines)):
        name, value = (part.strip() for part in (*line.split("=", 1), "")[:2])
        if not name:
            raise ValidationError(f"“{line}” has no name before the =.")
        if max(len(name), len(value)) > LONGEST_TAG:
            raise ValidationError(
                f"“{name[:40]}” is too long: names and values have up to {LONGEST_TAG} characters."
            )
        if name in tags:
            raise ValidationError(f"“{name}” is there twice, and a tag has one value.")
        tags[name] = value
    _bounded(tags)
    return tags


def _bounded(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise ValidationError(f"A device has up to {MOST_TAGS} tags, not {len(tags)}.")
