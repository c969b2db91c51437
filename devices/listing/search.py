"""Text search for devices, by beginnings of words in name, addresses, tags and notes, or of the UUID."""

from __future__ import annotations

import re

from django.contrib.postgres.search import SearchQuery, SearchQueryCombinable, SearchQueryField
from django.db.models import Func, Value

from devices.schema.search_document import UUID
from fleets.postgres.text_search import beginnings, words_of

UUID_BEGINNING = re.compile(r"[0-9a-f]{3,62}")


class UuidBeginning(SearchQueryCombinable, Func):  # type: ignore[misc]  # as django's own SearchQuery
    """A search query that matches the devices whose UUID begins with `beginning`."""

    template = "%(expressions)s::tsquery"
    output_field = SearchQueryField()

    def __init__(self, beginning: str) -> None:
        super().__init__(Value(f"'{UUID}{beginning}':*"))


def search_query(text: str) -> SearchQueryCombinable | None:
    """A query for devices in which each word of `text` begins a word, or the UUID.

    None: the text is empty. The query of a text without any word (`%`) matches nothing.
    """
    query: SearchQueryCombinable | None = None
    for word in words_of(text):
        found: SearchQueryCombinable = beginnings(word, UUID)
        if UUID_BEGINNING.fullmatch(word.lower()):
            found = found | UuidBeginning(word.lower())
        query = found if query is None else query & found
    return SearchQuery("", config="simple", search_type="raw") if text and query is None else query
