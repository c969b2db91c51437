"""Maintenance windows of an organization: what lasts and comes, planned, changed, ended, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.parts.scope_form import fleet_names, readable, scope_words
from dashboard.pages.settings.window_forms import PlanForms
from devices import clock
from devices.alerts import windows
from devices.alerts.recurrence import Occurrence, occurrences
from devices.models import MaintenanceWindow
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.text import isolated

NEXT: Final = 5  # occurrences that are listed


@dataclass(frozen=True)
class Row:
    """An occurrence of a window, and which devices it is about; no words: all."""

    window: MaintenanceWindow
    occurrence: Occurrence
    scope: list[str]


@require_safe
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The windows that last and the next occurrences, for Operators."""
    own, at = own_organization(request, organization, Role.OPERATOR), clock.now()
    found = list(MaintenanceWindow.objects.filter(organization=own.organization, cancelled_at=None))
    names = fleet_names(own.organization, [readable(window.scope) for window in found])
    rows = [
        Row(window, occurrence, scope_words(readable(window.scope), names))
        for window, occurrence in _coming(found, at)
    ]
    running = [row for row in rows if row.occurrence.start <= at]
    coming = [row for row in rows if row.occurrence.start > at][:NEXT]
    return _rendered(request, own, "windows", running=running, coming=coming, at=at)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest, organization: str) -> HttpResponse:
    """Plan a window."""
    own, user = own_organization(request, organization, Role.OPERATOR), person(request)
    form = _form(request, own, None)
    if form.is_valid():
        plan = windows.plan
        if made := form.save(lambda wanted: plan(organization=own.organization, plan=wanted, actor=user)):
            messages.success(request, f"{isolated(made)} is planned.")
            return redirect("fleets:windows", organization)
    return _rendered(request, own, "window", form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, organization: str, window: UUID) -> HttpResponse:
    """Change a window, but not over what others saved meanwhile: then 409, with theirs."""
    own, found = _mine(request, organization, window)
    seen, theirs, user = windows.version_of(found), None, person(request)
    form = _form(request, own, found)
    if request.method == "POST":
        seen = request.POST.get("seen", "")
    if form.is_valid():
        sent = seen
        try:
            saved = form.save(lambda plan: windows.change(window=found, plan=plan, seen=sent, actor=user))
        except ChangedMeanwhile as refused:
            theirs, seen = refused.now, windows.version_of(refused.now)
        else:
            if saved:
                messages.success(request, f"{isolated(saved)} is saved.")
                return redirect("fleets:windows", organization)
    values = {"form": form, "window": found, "seen": seen, "theirs": theirs}
    return _rendered(request, own, "window", status=409 if theirs else 200, **values)


@require_POST
@signed_in
def end(request: HttpRequest, organization: str, window: UUID) -> HttpResponse:
    """End the occurrence that lasts now."""
    return _done(request, organization, window, windows.end, "{name} has ended.")


@require_POST
@signed_in
def cancel(request: HttpRequest, organization: str, window: UUID) -> HttpResponse:
    """Let it come no more."""
    return _done(request, organization, window, windows.cancel, "{name} is cancelled.")


def _done(
    request: HttpRequest, organization: str, uuid: UUID, what: Callable[..., None], words: str
) -> HttpResponse:
    _, found = _mine(request, organization, uuid)
    what(window=found, actor=person(request))
    messages.success(request, words.format(name=isolated(found)))
    return redirect("fleets:windows", organization)


def _coming(found: list[MaintenanceWindow], at: datetime) -> list[tuple[MaintenanceWindow, Occurrence]]:
    """The occurrences that last or come, the soonest first; of each window the next few."""
    every = [
        (window, occurrence) for window in found for occurrence in islice(occurrences(window, at), NEXT + 1)
    ]
    return sorted(every, key=lambda one: (one[1].start, one[0].pk))


def _mine(request: HttpRequest, organization: str, uuid: UUID) -> tuple[OwnOrganization, MaintenanceWindow]:
    own = own_organization(request, organization, Role.OPERATOR)
    found = MaintenanceWindow.objects.select_related("organization")
    return own, get_object_or_404(found, organization=own.organization, cancelled_at=None, uuid=uuid)


def _form(request: HttpRequest, own: OwnOrganization, window: MaintenanceWindow | None) -> PlanForms:
    zone = timezone.get_current_timezone_name()
    return PlanForms(own.organization, window, zone, request.POST or None)


def _rendered(
    request: HttpRequest, own: OwnOrganization, name: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    return render(request, f"settings/{name}.html", own.context("maintenance", **more), status=status)
