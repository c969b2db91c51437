"""Text search over devices: beginnings of words in name, addresses, tags and notes, and of the UUID."""

from __future__ import annotations

import re

from django.contrib.postgres.search import SearchQueryCombinable, SearchQueryField
from django.db.models import Func, QuerySet, Value

from devices.describe import UUID
from devices.models import Description, Device
from fleets.text_search import beginnings, words_of

UUID_BEGINNING = re.compile(r"[0-9a-f]{3,62}")


class UuidBeginning(SearchQueryCombinable, Func):  # type: ignore[misc]  # as django's own SearchQuery
    """Matches the devices whose UUID begins so."""

    template = "%(expressions)s::tsquery"
    output_field = SearchQueryField()

    def __init__(self, beginning: str) -> None:
        super().__init__(Value(f"'{UUID}{beginning}':*"))


def query_of(text: str) -> SearchQueryCombinable | None:
    """Matches what has every word of `text` as the beginning of a word, or of its UUID; None: no word."""
    query: SearchQueryCombinable | None = None
    for word in words_of(text):
        found: SearchQueryCombinable = beginnings(word)
        if UUID_BEGINNING.fullmatch(word):
            found = found | UuidBeginning(word)
        query = found if query is None else query & found
    return query


def search(devices: QuerySet[Device], text: str) -> QuerySet[Device]:
    """Those of `devices` that are found by this text: all where it has no word."""
    query = query_of(text)
    if query is None:
        return devices
    return devices.filter(pk__in=Description.objects.filter(recorded_words=query).values("pk"))
