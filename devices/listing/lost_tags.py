"""The tags of devices that need attention, and the keys that some of them share."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache


@lru_cache(16)
def tag_keys(written: tuple[str, ...], most: int) -> tuple[str, ...]:
    """The keys of tags that some devices share, at most `most`, the most frequent first.

    `written`: the tags of each device, as JSON objects. Cached, as most pages show the same devices again.
    """
    tags, keys = Counter[str](), Counter[str]()
    for text, number in Counter(written).items():
        for tag in tags_of(text):
            tags[tag] += number
    for tag, number in tags.items():
        if number > 1:
            keys[tag.partition("=")[0]] += number
    return tuple(key for key, _ in sorted(keys.items(), key=lambda item: (-item[1], item[0]))[:most])


@lru_cache(4096)
def tags_of(written: str) -> tuple[str, ...]:
    """The tags of a JSON object as addresses have them ("site=central").

    Cached, as many devices share tags.
    """
    held = json.loads(written, parse_int=str, parse_float=str)
    return tuple(f"{key}={_text(value)}" for key, value in held.items()) if isinstance(held, dict) else ()


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
