"""Text search: beginnings of words, by PostgreSQL's own text search in its `simple` configuration.

Over text in which punctuation is a space: its parser would else take "central-07" for a negative number and
an address for one word. What is searched and what is asked for are folded by the same SQL, so that a text is
found by itself whatever its script, its Unicode form and the rules of the database for upper and lower case.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Final
from unicodedata import normalize

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import Expression, Func, TextField, Value

LONGEST: Final = 200  # characters of a search that are looked at
LOOKED_AT: Final = 100_000  # characters of a row: a vector has a limit, and notes have none
# Punctuation of ASCII, controls and every kind of space: as PostgreSQL reads it, and as Python does.
SPACE: Final = r"\u0001-/:-@\[-`{-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
SPACES: Final = f"[{SPACE}]+"
WORD: Final = re.compile(f"[^{SPACE}]+")


def folded(text: str) -> str:
    """SQL: this text in NFC and in lower case, whatever its language, so that beginnings are found too.

    Letters whose cases differ in number, by language or by place are one: the Turkish i with its dot (which
    others' lower case sets apart) and without, the Greek sigma within a word and at its end, ss.
    """
    one_i = rf"translate(normalize({text}, NFC), U&'\0130', 'I')"
    return rf"replace(translate(lower({one_i}), U&'\0131\03c2\0307', U&'i\03c3'), U&'\00df', 'ss')"


def words(text: str) -> str:
    """SQL: the words of this text, each a lexeme of its own."""
    return (
        "to_tsvector('simple'::regconfig, "
        f"regexp_replace({folded(f'left({text}, {LOOKED_AT})')}, '{SPACES}', ' ', 'g'))"
    )


def WordVector(text: Expression) -> Func:  # noqa: N802 - reads like the functions of the ORM
    """The words of a text. A function of Django's own: migrations hold its SQL, and import nothing."""
    return Func(text, template=words("%(expressions)s"), output_field=SearchVectorField())


class Folded(Func):
    """A text as it is searched."""

    template = folded("%(expressions)s")
    output_field = TextField()


def words_of(text: str) -> list[str]:
    """The words of a search; none where it has no letter and no digit.

    Of other numbers, such as ¼ and ², databases differ in whether they stand in a word.
    """
    return [word for word in normalize("NFC", text)[:LONGEST].split() if any(map(_in_words, word))]


def _in_words(char: str) -> bool:
    return char.isalpha() or char.isdecimal()


def beginnings(word: str, marker: str = "") -> SearchQuery:
    """Matches where the pieces of the word stand one after another, the last one as a beginning.

    Where `marker`, with which lexemes begin that are no words of the text, begins with the last piece, that
    piece is a whole word: as a beginning it would match every row, and PostgreSQL 15 would find no row by
    several pieces, as such a lexeme has no position.
    """
    fragments = WORD.findall(word)
    known = [fragment for fragment in fragments if any(map(_in_words, fragment))]
    # Signs that are no letters stand in the text's words in some databases, and are left out in others.
    phrases = " | ".join({_phrase(words, marker): None for words in (fragments, known)})
    return SearchQuery(Folded(Value(phrases)), config="simple", search_type="raw")


def _phrase(fragments: list[str], marker: str) -> str:
    # What stands before the last word characters may part words.
    last = "".join(takewhile(_in_words, reversed(fragments[-1])))[::-1]
    ending = "" if last and marker.startswith(last.lower()) else ":*"
    return "(" + " <-> ".join(f"'{fragment}'" for fragment in fragments) + ending + ")"
