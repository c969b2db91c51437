"""Reading queries of the list of devices."""

from __future__ import annotations

from django.http import QueryDict

from devices.listing.kept_list import KeptList
from devices.listing.query_string import list_in


def listed(query: str) -> KeptList:
    """The list with this query string, all of which must be understood."""
    unknown: list[str] = []
    found = list_in(QueryDict(query), unknown)
    assert unknown == []
    return found
