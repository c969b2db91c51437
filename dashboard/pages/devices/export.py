"""The list of devices as a file, with the filters and the order of the address."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.http.file_response import File, csv_file, json_file, limited_downloads
from dashboard.http.scope import request_scope, signed_in
from dashboard.pages.devices.query import parse
from devices import clock
from devices.listing.cursor import order_named
from devices.listing.export_rows import COLUMNS, STRUCTURES, Batches
from devices.listing.reading import whole
from devices.status.annotated import DeviceWithStatus


@require_safe
@signed_in
@limited_downloads
def csv(request: HttpRequest) -> File:
    """The filtered list as CSV."""
    name, devices = _listed(request)
    return csv_file(name, COLUMNS, Batches(devices))


@require_safe
@signed_in
@limited_downloads
def json(request: HttpRequest) -> File:
    """The filtered list as JSON."""
    name, devices = _listed(request)
    return json_file(name, COLUMNS, Batches(devices), STRUCTURES)


def _listed(request: HttpRequest) -> tuple[str, QuerySet[DeviceWithStatus]]:
    """The name of the file without suffix, and the devices of the list, in its order."""
    at, scope = clock.moment(), request_scope(request)
    query = parse(request, scope.chosen)
    slugs = [fleet.slug for fleet in query.filters.fleets] or [
        organization.slug for organization in scope.chosen
    ]
    name = "-".join(["devices", *(slugs if len(slugs) == 1 else []), str(timezone.localdate(at.at))])
    return name, whole(scope.chosen, query.filters, order_named(query.sort), at)
