"""What of a list's address is kept under a name: filters, order and columns, but no place in the list."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict

from devices.listing.query_string import NAMES
from devices.operations.saved_views import LONGEST
from fleets.models import Organization

KEPT: Final = ("org", *NAMES, "sort", "per_page", "columns")


def kept_query(asked: QueryDict, organization: Organization | None = None) -> str:
    """The query that a view keeps, always in the same order; "" where there is none or too much.

    `organization` narrows it: who shares it may belong to others, too.
    """
    named = {name: sorted({value for value in asked.getlist(name) if value}) for name in KEPT}
    if organization:
        named["org"] = [organization.slug]
    query = urlencode({name: values for name, values in named.items() if values}, doseq=True)
    return query if len(query) <= LONGEST and "%00" not in query else ""
