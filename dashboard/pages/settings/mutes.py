"""Mutes that last, those for all and the person's own; and the form that mutes a rule, a view or a device."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.mute_form import MuteForm
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from devices import clock
from devices.alerts import mutes
from devices.models import AlertRule, Device, Mute, SavedView
from fleets.text import isolated


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


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest, organization: str) -> HttpResponse:
    """Choose a rule or a saved view; then the form that mutes what the address names, or a device.

    Operators mute for everybody, but not by a view that only they see.
    """
    own, at = own_organization(request, organization), clock.now()
    what = _named(request, own)
    if what is None:
        found = {"rules": _rules(own), "views": _views(request, own)}
        return render(request, "settings/mute_new.html", own.context("mutes", **found))
    private = isinstance(what, SavedView) and what.organization_id is None
    form = MuteForm(request.POST or None, may_for_all=own.may.operator and not private)
    if form.save(request, what, own.organization, at):
        messages.success(request, f"{isolated(what)} is muted.")
        return redirect("fleets:mutes", organization)
    kind = KINDS[type(what)]
    return render(request, "settings/mute.html", own.context("mutes", what=what, kind=kind, form=form))


KINDS: Final[dict[type, str]] = {AlertRule: "Rule", SavedView: "Saved view", Device: "Device"}


def _named(request: HttpRequest, own: OwnOrganization) -> mutes.Muted | None:
    """What the address names; None: nothing. Http404: nothing that the person sees here."""
    devices = Device.objects.filter(organization=own.organization)
    some: tuple[tuple[str, QuerySet[Any]], ...]
    some = (("rule", _rules(own)), ("view", _views(request, own)), ("device", devices))
    for name, found in some:
        if sent := request.GET.get(name):
            try:
                uuid = UUID(sent)
            except ValueError as error:
                raise Http404("No such thing") from error
            return get_object_or_404(found, uuid=uuid.hex if name == "device" else uuid)  # type: ignore[return-value]
    return None


def _rules(own: OwnOrganization) -> QuerySet[AlertRule]:
    return AlertRule.objects.filter(organization=own.organization)


def _views(request: HttpRequest, own: OwnOrganization) -> QuerySet[SavedView]:
    return SavedView.objects.visible_to(person(request), [own.organization])


def _seen(request: HttpRequest, own: OwnOrganization) -> QuerySet[Mute]:
    return mutes.seen_by(person(request).pk).filter(organization=own.organization)
