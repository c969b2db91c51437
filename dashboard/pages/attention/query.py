"""Reading the address of the Attention page: its filters, sort order and grouping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, QueryDict
from django.urls import reverse

from dashboard.http.scope import Scope
from devices.listing.filters import Filters
from devices.listing.incidents import ORDERS
from devices.listing.query_string import filters_in
from devices.rules.tags import LONGEST_TAG
from devices.rules.vocabulary import WORST, shown
from fleets.text import kept, short

FILTERS: Final = ("fleet", "tag", "no-tag")  # parameters that are read as by the Devices page


@dataclass(frozen=True)
class Asked:
    """The parsed address.

    `by`: the key of a tag whose values have a line each; "" groups by what was lost together. `notices`:
    sentences about what in the address was not understood.
    """

    filters: Filters
    sort: str
    by: str
    notices: list[str] = field(default_factory=list, compare=False)


def parse(request: HttpRequest, scope: Scope) -> Asked:
    """Parse the address; raises Http404 if it names fleets, but none that the person may see."""
    notices: list[str] = []
    asked = QueryDict(mutable=True)
    for name in FILTERS:
        asked.setlist(name, request.GET.getlist(name))
    filters = filters_in(asked, scope.chosen, notices)
    if any(asked.getlist("fleet")) and not filters.fleets:
        raise Http404("No such fleet")
    by = kept(request.GET.get("by", "")).strip()[:LONGEST_TAG]
    return Asked(filters, _sort(request, notices), by, notices)


def _sort(request: HttpRequest, notices: list[str]) -> str:
    sort = request.GET.get("sort") or "attention"
    if sort.removeprefix("-") in ORDERS:
        return sort
    notices.append(f"There is no sort order “{short(sort)}”. The worst come first.")
    return "attention"


def list_then(request: HttpRequest) -> str:
    """The address of the list of devices that needed attention at the past minute of this address.

    The groups of the past are not stored, so the list is without them.
    """
    passed_on = ("org", *FILTERS, "at", "fold")
    query = [(name, value) for name in passed_on for value in request.GET.getlist(name) if value]
    query += [("status", item.value) for item in WORST if shown(item) == item]
    return f"{reverse('devices:list')}?{urlencode(query)}"
