"""Sources of an organization: a list, and pages that add, change, check and remove one."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.settings.source_forms import SourceForm
from devices import clock
from devices.models import Source
from devices.sources import check as checking
from devices.sources import secrets, settings
from devices.sources.client import Failed
from devices.words import thousands
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.text import isolated

GONE: Final = "It was removed meanwhile, so nothing was saved."


@sensitive_post_parameters("token")
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The organization's sources, and a form that adds one."""
    own = own_organization(request, organization, Role.ADMINISTRATOR)
    form, user = SourceForm(None, request.POST or None), person(request)
    if form.is_valid():
        added = form.save(
            lambda wanted, seen: settings.add(
                organization=own.organization, wanted=wanted, known=seen.known, actor=user
            )
        )
        if added:
            messages.success(request, f"{isolated(added[0])} is added. {added[1].words}")
            return redirect("fleets:sources", organization)
    found = Source.objects.filter(organization=own.organization).annotate(number=Count("devices"))
    at = clock.now()
    rows = [(source, source.is_silent(at)) for source in found]
    return _rendered(request, own, "sources", sources=rows, form=form, most=settings.MOST, at=at)


@sensitive_post_parameters("token")
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, organization: str, source: UUID) -> HttpResponse:
    """Change a source, but not over what others saved meanwhile: then 409, with a notice."""
    own, found = _mine(request, organization, source)
    form, user = SourceForm(found, request.POST or None), person(request)
    seen_version, changed_meanwhile = request.POST.get("seen", ""), False
    if form.is_valid():
        try:
            changed = form.save(
                lambda wanted, seen: settings.change(
                    source=found, wanted=wanted, seen=seen_version, known=seen.known, actor=user
                )
            )
        except ChangedMeanwhile as refused:
            found, changed_meanwhile = refused.now, True
        except Source.DoesNotExist:
            messages.error(request, GONE)
            return redirect("fleets:sources", organization)
        else:
            if changed:
                messages.success(request, f"{isolated(changed[0])} is saved. {changed[1].words}")
                return redirect("fleets:sources", organization)
    at = clock.now()
    values = {
        "source": found,
        "silent": found.is_silent(at),
        "seen": settings.version_of(found),
        "form": form,
    }
    status = 409 if changed_meanwhile else 200
    return _rendered(request, own, "source", status=status, meanwhile=changed_meanwhile, at=at, **values)


@require_POST
@signed_in
def check(request: HttpRequest, organization: str, source: UUID) -> HttpResponse:
    """Say what the token of a source sees now; nothing is changed."""
    _, found = _mine(request, organization, source)
    try:
        seen = checking.check(found.address, secrets.read(found), found.only_fleets)
    except (Failed, secrets.Unreadable) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, seen.words)
    return redirect("fleets:source", organization, source)


@require_POST
@signed_in
def remove(request: HttpRequest, organization: str, source: UUID) -> HttpResponse:
    """Read a source no longer, and delete its fleets and devices here."""
    _, found = _mine(request, organization, source)
    try:
        number = settings.remove(source=found, actor=person(request))
    except Source.DoesNotExist:
        messages.info(request, f"{isolated(found)} was already removed.")
    else:
        words = f"{isolated(found)} is removed. Devices deleted here: {thousands(number)}."
        messages.success(request, words)
    return redirect("fleets:sources", organization)


def _mine(request: HttpRequest, organization: str, uuid: UUID) -> tuple[OwnOrganization, Source]:
    own = own_organization(request, organization, Role.ADMINISTRATOR)
    sources = Source.objects.select_related("organization").filter(organization=own.organization)
    return own, get_object_or_404(sources, uuid=uuid)


def _rendered(
    request: HttpRequest, own: OwnOrganization, name: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    return render(request, f"settings/{name}.html", own.context("sources", **more), status=status)
