"""The whole kept history of one device, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.export import csv_lines
from dashboard.pages import scope, signed_in
from devices import clock
from devices.pages.filters import in_organizations
from devices.pages.history import COLUMNS, lines
from devices.status import with_status


@require_safe
@signed_in
def csv(request: HttpRequest, uuid: str) -> HttpResponse:
    """Every change of its status and of its links, newest first; 404 to strangers."""
    at = clock.now()
    device = get_object_or_404(with_status(in_organizations(scope(request).chosen), at), uuid=uuid)
    text = csv_lines([COLUMNS, *lines(device, at)])
    name = f"changes-{device.short_uuid}-{timezone.localdate(at)}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)
