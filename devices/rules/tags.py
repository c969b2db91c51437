"""Parsing tags as people write them: `name = value`, or a name alone, whose value is empty."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError

from fleets.text import checked

LONGEST_TAG: Final = 100  # characters of a name, and of a value
MOST_TAGS: Final = 50


def tags_in(text: str) -> dict[str, str]:
    """The tags of a text with one tag per line, by name. Raises ValidationError."""
    return tags_of(text.splitlines())


def tags_of(lines: Iterable[str]) -> dict[str, str]:
    """The tags of these texts, one tag each, by name; blank texts count nothing. Raises ValidationError."""
    tags: dict[str, str] = {}
    for line in map(checked, filter(None, map(str.strip, lines))):
        name, value = (word.strip() for word in (*line.split("=", 1), "")[:2])
        if not name:
            raise ValidationError(f"“{line}” has no name before the =.")
        if max(len(name), len(value)) > LONGEST_TAG:
            raise ValidationError(
                f"“{name[:40]}” is too long. Names and values have up to {LONGEST_TAG} characters."
            )
        if name in tags:
            raise ValidationError(f"“{name}” occurs twice. A tag has one value.")
        tags[name] = value
    _bounded(tags)
    return tags


def tags_of_json(text: str) -> dict[str, str]:
    """The tags of a JSON object of strings, as exports write them. Raises ValidationError."""
    try:
        pairs: Any = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, list) or not all(_is_tag(*pair) for pair in pairs):
        raise ValidationError(f"“{text[:40]}” looks like JSON, but it is not an object of names and values.")
    return tags_of(f"{name}={value}" for name, value in pairs)


def _is_tag(name: str, value: object) -> bool:
    return isinstance(value, str) and "=" not in name


def _bounded(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise ValidationError(f"A device can have up to {MOST_TAGS} tags, not {len(tags)}.")
