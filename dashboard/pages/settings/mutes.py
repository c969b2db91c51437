"""Mutes that last: those for all, and the person's own."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from devices import clock
from devices.alerts import mutes
from devices.models import Mute


@require_safe
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The mutes that last, the one that ends first at the top."""
    own, at = own_organization(request, organization), clock.now()
    found = _seen(request, own).filter(until__gt=at).select_related("device", "view", "rule", "incident")
    return render(request, "settings/mutes.html", own.context("mutes", mutes=list(found), at=at))


@require_POST
@signed_in
def end(request: HttpRequest, organization: str, mute: UUID) -> HttpResponse:
    """End a mute: Operators those for all, anyone their own."""
    own = own_organization(request, organization)
    seen = _seen(request, own).select_related("organization", "device", "view", "rule", "incident")
    mutes.end(mute=get_object_or_404(seen, uuid=mute), actor=person(request))
    messages.success(request, "The mute has ended.")
    return redirect("fleets:mutes", organization)


def _seen(request: HttpRequest, own: OwnOrganization) -> QuerySet[Mute]:
    own_or_all = Q(person=None) | Q(person=person(request))
    return Mute.objects.filter(own_or_all, organization=own.organization)
