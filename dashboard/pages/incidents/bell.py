"""The bell in the top bar: how many messages one has not read, the newest of them, and reading them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from dashboard.http.scope import person, request_scope, signed_in
from devices import clock
from devices.alerts import reading, rendering
from devices.words import counted


@dataclass(frozen=True)
class Line:
    """A message in one line, with the address that it leads to."""

    words: str
    url: str
    at: datetime
    unread: bool


@require_safe
@signed_in
def bell(request: HttpRequest) -> HttpResponse:
    """What stands in the place of the link of the top bar, for htmx."""
    found = reading.unread(person(request).pk, _organizations(request))
    zone = timezone.get_current_timezone()
    lines = [
        Line(
            rendering.subject(message, zone=zone),
            message.snapshot["url"],
            message.created_at,
            message.pk in found.unread,
        )
        for message in found.newest
    ]
    said = counted(found.number, "1 unread message", "{n} unread messages")
    context = {"lines": lines, "number": found.number, "said": said, "at": clock.now()}
    upto = found.newest[0].uuid if found.newest else None
    return render(request, "incidents/bell.html", context | {"upto": upto})


@require_POST
@signed_in
def read(request: HttpRequest) -> HttpResponse:
    """Mark as read what the bell showed: everything up to the newest message that it listed."""
    form = ReadForm(request.POST)
    if form.is_valid():
        upto: UUID = form.cleaned_data["message"]
        reading.read(person=person(request).pk, organizations=_organizations(request), message=upto)
    return HttpResponse(status=204)


class ReadForm(forms.Form):
    """The newest message that was shown."""

    message = forms.UUIDField()


def _organizations(request: HttpRequest) -> list[int]:
    """All of the person's, whichever the page is narrowed to."""
    return [organization.pk for organization in request_scope(request).organizations]
