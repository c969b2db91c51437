"""The address of the Attention page, read: whose devices, in which order, put together by what."""

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

FILTERS: Final = ("fleet", "tag", "no-tag")  # as the Devices page reads them


@dataclass(frozen=True)
class Asked:
    """The page as its address asks for it; `by`: a tag whose values have a line each, else what was lost."""

    filters: Filters
    sort: str
    by: str
    notices: list[str] = field(default_factory=list, compare=False)


def parse(request: HttpRequest, scope: Scope) -> Asked:
    """Read the address; Http404 where it names a fleet that is none of mine."""
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
    """The address of the list of devices that needed attention at the minute that this one asks for.

    What was lost together then is not kept, so it is the list of these devices.
    """
    kept_of = ("org", *FILTERS, "at", "fold")
    query = [(name, value) for name in kept_of for value in request.GET.getlist(name) if value]
    query += [("status", item.value) for item in WORST if shown(item) == item]
    return f"{reverse('devices:list')}?{urlencode(query)}"
