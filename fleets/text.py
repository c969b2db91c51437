"""What people and devices write, as it is kept and asked for: one form of each text, no hidden characters.

Unicode has several forms of the same text; NFC is the one that is stored, and asked for. Characters that do
not show are refused where a person can correct them (a page, a file), and dropped where nobody can (what a
device reports): most of all the controls of writing direction, which turn the text around them. Two of them
are letters' own: the joiners of Persian, of the scripts of India and of composed emoji are kept, where they
follow what they can join.
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
# What writes from right to left, or turns the direction (Unicode, annex 9).
TURNING: Final = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"})
JOINED: Final = "LMS"  # letters, marks, symbols; of ASCII none is ever joined
# Letters, marks and symbols that leave no ink by themselves: fillers of Hangul, selectors of variants and the
# like (Unicode, Default_Ignorable_Code_Point), and the pattern of no dots in Braille. Within words they have
# their place.
SELECTORS: Final = (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
INKLESS: Final = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *SELECTORS}


def kept(text: str, *, lines: bool = False) -> str:
    """The text in NFC, without what does not show; `lines`: tabs and line breaks stay.

    Nothing is left of a text that shows nothing at all.
    """
    if text.isascii() and text.isprintable():
        return text
    text = normalize("NFC", text)
    found = set(_hidden(text, BREAKS if lines else ""))
    left = normalize("NFC", "".join(char for at, char in enumerate(text) if at not in found))
    return "" if _inkless(left) else left


def checked(text: str, *, lines: bool = False) -> str:
    """The text in NFC. Raises ValidationError where a character does not show, naming it, or none does."""
    text = normalize("NFC", text)
    at = next(_hidden(text, BREAKS if lines else ""), None)
    if at is not None:
        raise ValidationError(f"It has {_named(text[at])}. Remove it.")
    if _inkless(text):
        raise ValidationError("It has only characters that do not show. Write something that can be read.")
    return text


def short(value: str) -> str:
    """What somebody wrote into an address, cut for a notice."""
    return value if len(value) <= 40 else f"{value[:40]}…"


def apart(named: object) -> str:
    """A name within a sentence of ours: isolated where it is written from right to left, else as it is.

    In HTML a whole text is set apart by <bdi> (dashboard/templatetags/isolated.py).
    """
    text = str(named)
    return f"\u2068{text}\u2069" if any(bidirectional(char) in TURNING for char in text) else text


def _hidden(text: str, allowed: str) -> Iterator[int]:
    """Where in the text a character does not show."""
    if text.isascii() and text.isprintable():
        return
    before = ""
    for at, char in enumerate(text):
        if char in JOINERS:
            if before.isascii() or category(before)[0] not in JOINED:
                yield at
        elif category(char) in HIDDEN and char not in allowed:
            yield at
        before = char


def _inkless(text: str) -> bool:
    """Whether something is there, and nothing of it shows; spaces alone are for who strips them."""
    return bool(text.strip()) and all(char.isspace() or ord(char) in INKLESS for char in text)


def _named(char: str) -> str:
    if char in "\r\n":
        return "a line break"
    return f"a character that does not show, U+{ord(char):04X} {name(char, '')}".strip()


class Words(forms.CharField):
    """A text that is kept: in NFC, refused where a character in it does not show."""

    def __init__(self, *, lines: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.lines = lines

    def to_python(self, value: Any) -> Any:
        return checked(super().to_python(value) or "", lines=self.lines)


# For the forms of the admin, whose fields follow from the models.
IN_ADMIN: Final[dict[type[models.Field[Any, Any]], dict[str, Any]]] = {
    models.CharField: {"form_class": Words},
    models.SlugField: {},
    models.TextField: {"form_class": partial(Words, lines=True), "widget": AdminTextareaWidget},
}
