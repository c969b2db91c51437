"""The whole stored history of one device as a CSV file."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.http.file_response import File, csv_file, limited_downloads
from dashboard.http.scope import request_scope, signed_in
from dashboard.pages.device.events import COLUMNS, batches
from devices import clock
from devices.listing.filters import in_organizations
from devices.status.reading import with_status


@require_safe
@signed_in
@limited_downloads
def csv(request: HttpRequest, uuid: str) -> File:
    """Every change of its status and of its links, newest first; 404 to strangers."""
    at = clock.moment()
    device = get_object_or_404(with_status(in_organizations(request_scope(request).chosen), at), uuid=uuid)
    return csv_file(f"changes-{device.short_uuid}-{timezone.localdate(at.at)}", COLUMNS, batches(device, at))
