"""Text search: beginnings of words, by PostgreSQL's own text search in its `simple` configuration.

Over text in which punctuation is a space: its parser would else take "central-07" for a negative number and
an address for one word.
"""

from __future__ import annotations

import re

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import Func

LONGEST = 200  # characters of a search that are looked at
WORD = re.compile(r"[^!-/:-@\[-`{-~\s]+")  # between what WordVector makes a space
SPACES = r"[!-/:-@\[-`{-~[:space:]]+"  # what WordVector makes a space, as PostgreSQL reads it
LOOKED_AT = 100_000  # characters of a row: a vector has a limit, and notes have none


class WordVector(Func):
    """The words of a text, each a lexeme of its own."""

    function = "to_tsvector"
    template = (
        "%(function)s('simple'::regconfig, regexp_replace("
        f"left(%(expressions)s, {LOOKED_AT}), '{SPACES}', ' ', 'g'))"
    )
    output_field = SearchVectorField()


def words_of(text: str) -> list[str]:
    """The words of a search, in lower case; none where nothing is asked for."""
    return [word for word in text.lower()[:LONGEST].split() if WORD.search(word)]


def beginnings(word: str) -> SearchQuery:
    """Matches where the pieces of the word stand one after another, the last one as a beginning."""
    pieces = [f"'{piece}'" for piece in WORD.findall(word)]
    return SearchQuery(" <-> ".join(pieces) + ":*", config="simple", search_type="raw")
