"""Text search over devices: beginnings of words in name, addresses, tags and notes, and of the UUID.

PostgreSQL's own text search in its `simple` configuration, over text in which punctuation is a space: its
parser would else take "central-07" for a negative number and an address for one word.
"""

from __future__ import annotations

import re

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast

from devices.models import Device

LONGEST = 200  # characters of a search that are looked at
WORD = re.compile(r"[^!-/:-@\[-`{-~\s]+")  # between what WordVector makes a space
LOOKED_AT = 100_000  # characters of a device: a vector has a limit, and notes have none
UUID_BEGINNING = re.compile(r"[0-9a-f]{3,62}")


class WordVector(Func):
    """The words of a text, each a lexeme of its own."""

    function = "to_tsvector"
    template = (
        "%(function)s('simple', regexp_replace("
        f"left(%(expressions)s, {LOOKED_AT}), '[!-/:-@\\[-`{{-~[:space:]]+', ' ', 'g'))"
    )
    output_field = SearchVectorField()


def _text() -> Func:
    """All that is searched, in one text; what is null is left out."""
    return Func(
        Value(" "),
        "name",
        "notes",
        Cast("tags", TextField()),
        Func("ip_addresses", Value(" "), function="array_to_string", output_field=TextField()),
        Func("public_address", function="host", output_field=TextField()),
        function="concat_ws",
        output_field=TextField(),
    )


def _beginnings(word: str) -> SearchQuery:
    """Matches where the pieces of the word stand one after another, the last one as a beginning."""
    pieces = [f"'{piece}'" for piece in WORD.findall(word)]
    return SearchQuery(" <-> ".join(pieces) + ":*", config="simple", search_type="raw")


def search(devices: QuerySet[Device], text: str) -> QuerySet[Device]:
    """Those of `devices` in which every word of `text` begins a word, or the UUID."""
    words = [word for word in text.lower()[:LONGEST].split() if WORD.search(word)]
    if not words:
        return devices
    devices = devices.alias(words=WordVector(_text()))
    for word in words:
        found = Q(words=_beginnings(word))
        if UUID_BEGINNING.fullmatch(word):
            found |= Q(uuid__startswith=word)
        devices = devices.filter(found)
    return devices
