"""Text search by beginnings of words, with PostgreSQL's text search in its `simple` configuration.

Punctuation is replaced by spaces before: the parser would take "central-07" for a negative number and an
address for one word. The text and the search are folded by the same SQL, so that a text finds itself
whatever its script, its Unicode form and the database's rules for upper and lower case.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Final
from unicodedata import normalize

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import Expression, Func, TextField, Value

LONGEST: Final = 200  # characters of a search that are used
INDEXED: Final = 100_000  # characters of a row that are indexed: a tsvector has a limit, and notes have none
# ASCII punctuation, controls and every kind of space, in a form that both PostgreSQL and Python read.
SPACE: Final = r"\u0001-/:-@\[-`{-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
SPACES: Final = f"[{SPACE}]+"
WORD: Final = re.compile(f"[^{SPACE}]+")


def folded(text: str) -> str:
    """SQL for this SQL text in NFC and folded to lower case, so that beginnings of words match too.

    Letters whose case depends on language or position are folded to one: the dotted and the dotless i of
    Turkish (whose lower case keeps the dot as a mark), the two small sigmas of Greek, and ß as ss.
    """
    one_i = rf"translate(normalize({text}, NFC), U&'\0130', 'I')"
    return rf"replace(translate(lower({one_i}), U&'\0131\03c2\0307', U&'i\03c3'), U&'\00df', 'ss')"


def words(text: str) -> str:
    """SQL for the tsvector of this SQL text: each word is a lexeme."""
    return (
        "to_tsvector('simple'::regconfig, "
        f"regexp_replace({folded(f'left({text}, {INDEXED})')}, '{SPACES}', ' ', 'g'))"
    )


def WordVector(text: Expression) -> Func:  # noqa: N802 - reads like the functions of the ORM
    """The tsvector of a text for the ORM.

    It is a plain Func of Django, so that migrations have its SQL and import nothing of this site.
    """
    return Func(text, template=words("%(expressions)s"), output_field=SearchVectorField())


class Folded(Func):
    """A text folded as it is for a search."""

    template = folded("%(expressions)s")
    output_field = TextField()


def words_of(text: str) -> list[str]:
    """The words of a search, at most LONGEST characters of it; those without a letter or digit are left out.

    Other numbers, such as ¼ and ², count as neither, as databases differ in whether they are part of a word.
    """
    return [word for word in normalize("NFC", text)[:LONGEST].split() if any(map(_in_words, word))]


def _in_words(char: str) -> bool:
    return char.isalpha() or char.isdecimal()


def beginnings(word: str, marker: str = "") -> SearchQuery:
    """A query that matches where the fragments of this word follow each other, the last one as a beginning.

    Punctuation separates fragments. `marker` is the beginning of lexemes that are no words of the text. If
    it begins with the last fragment, that fragment must be a whole word: as a beginning it would match every
    row, and PostgreSQL 15 would find no row by several fragments, as such a lexeme has no position.
    """
    fragments = WORD.findall(word)
    known = [fragment for fragment in fragments if any(map(_in_words, fragment))]
    # Signs that are no letters are part of words in some databases, and left out in others: both are
    # searched.
    phrases = " | ".join({_phrase(words, marker): None for words in (fragments, known)})
    return SearchQuery(Folded(Value(phrases)), config="simple", search_type="raw")


def _phrase(fragments: list[str], marker: str) -> str:
    # Only the last run of letters and digits counts, as other signs may separate words.
    last = "".join(takewhile(_in_words, reversed(fragments[-1])))[::-1]
    ending = "" if last and marker.startswith(last.lower()) else ":*"
    return "(" + " <-> ".join(f"'{fragment}'" for fragment in fragments) + ending + ")"
