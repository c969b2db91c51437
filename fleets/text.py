"""Texts of people and devices, normalized for storage and search: in NFC, without invisible characters.

Unicode has several forms of the same text; NFC is the one that is stored and searched. Invisible characters,
above all the controls of writing direction, which reorder the text around them, are refused where a person
can correct them (a page, a file) and dropped where nobody can (a device's report). The two joiners, which
Persian, Indian scripts and composed emoji need, are kept after a character that they can join.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final
from unicodedata import bidirectional, category, name, normalize

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.db import models

JOINERS: Final = "\u200c\u200d"
BREAKS: Final = "\t\n\r"
# Controls, format characters, lone surrogates, separators of lines and of paragraphs (Unicode, chapter 4.5).
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Bidirectional classes of right-to-left letters and of controls of direction (Unicode, annex 9).
RIGHT_TO_LEFT: Final = frozenset(
    {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"}
)
JOINABLE: Final = (
    "LMS"  # categories of letters, marks and symbols, after which a joiner is kept, but for ASCII
)
# Letters, marks and symbols that are invisible by themselves, but allowed within words: Hangul fillers,
# variation selectors and the like (Unicode, Default_Ignorable_Code_Point), and the blank Braille pattern.
SELECTORS: Final = (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
INKLESS: Final = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *SELECTORS}


def kept(text: str, *, lines: bool = False) -> str:
    """The text in NFC without invisible characters; "" if no character of it is visible.

    `lines` keeps tabs and line breaks.
    """
    if text.isascii() and text.isprintable():
        return text
    text = normalize("NFC", text)
    hidden = set(_hidden(text, BREAKS if lines else ""))
    rest = normalize("NFC", "".join(char for at, char in enumerate(text) if at not in hidden))
    return "" if _inkless(rest) else rest


def checked(text: str, *, lines: bool = False) -> str:
    """The text in NFC; `lines` allows tabs and line breaks.

    Raises ValidationError that names the first invisible character, or if no character is visible.
    """
    text = normalize("NFC", text)
    at = next(_hidden(text, BREAKS if lines else ""), None)
    if at is not None:
        raise ValidationError(f"It has {_named(text[at])}. Remove it.")
    if _inkless(text):
        raise ValidationError("It has only characters that do not show. Write something that can be read.")
    return text


def short(value: str) -> str:
    """A value from an address, cut to 40 characters for a message."""
    return value if len(value) <= 40 else f"{value[:40]}…"


def isolated(name: object) -> str:
    """A name for use within a plain-text sentence, in directional isolates if it has right-to-left letters.

    In HTML <bdi> isolates a name (dashboard/templatetags/isolated.py).
    """
    text = str(name)
    return f"\u2068{text}\u2069" if any(bidirectional(char) in RIGHT_TO_LEFT for char in text) else text


def _hidden(text: str, allowed: str) -> Iterator[int]:
    """The indexes of invisible characters in the text, but for those in `allowed`."""
    if text.isascii() and text.isprintable():
        return
    before = ""
    for at, char in enumerate(text):
        if char in JOINERS:
            if before.isascii() or category(before)[0] not in JOINABLE:
                yield at
        elif category(char) in HIDDEN and char not in allowed:
            yield at
        before = char


def _inkless(text: str) -> bool:
    """Whether the text has no visible character; False if it has spaces alone, which fields strip."""
    return bool(text.strip()) and all(char.isspace() or ord(char) in INKLESS for char in text)


def _named(char: str) -> str:
    if char in "\r\n":
        return "a line break"
    return f"a character that does not show, U+{ord(char):04X} {name(char, '')}".strip()


class Words(forms.CharField):
    """A form field for text that is stored: in NFC; a text with an invisible character is an error."""

    def __init__(self, *, lines: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.lines = lines

    def to_python(self, value: Any) -> Any:
        return checked(super().to_python(value) or "", lines=self.lines)


# formfield_overrides for Django's admin, so that its forms check texts in the same way as the site's.
IN_ADMIN: Final[dict[type[models.Field[Any, Any]], dict[str, Any]]] = {
    models.CharField: {"form_class": Words},
    models.SlugField: {},
    models.TextField: {"form_class": partial(Words, lines=True), "widget": AdminTextareaWidget},
}
