"""The lists of saved views: the filters, order and columns of an address, without its cursor."""

from __future__ import annotations

from django.http import QueryDict
from msgspec.structs import replace

from devices.listing.kept_list import FormerAddress, KeptList, Unreadable, read
from devices.listing.query_string import address_of, list_in
from devices.models import SavedView
from devices.operations.saved_views import LONGEST
from fleets.models import Organization


def list_to_keep(query: QueryDict, organization: Organization | None = None) -> KeptList:
    """The list to save from a query; all devices if it has no filters, or is longer than LONGEST.

    `organization` narrows a shared view to it, as the person who shares it may be a member of others.
    """
    found = list_in(query, [])
    if organization:
        found = replace(found, organization=organization.slug)
    return found if len(address_of(found)) <= LONGEST else KeptList()


def list_of(view: SavedView) -> KeptList | None:
    """The list that opening the view shows; None if this version of the site cannot read it."""
    kept = _read(view)
    return list_in(QueryDict(kept.address), []) if isinstance(kept, FormerAddress) else kept


def query_of(view: SavedView) -> str | None:
    """The query of the address of the view's list; None if this version of the site cannot read it."""
    kept = _read(view)
    return None if kept is None else address_of(kept)


def _read(view: SavedView) -> KeptList | FormerAddress | None:
    try:
        return read(view.kept)
    except Unreadable:
        return None
