"""Actions on many devices: a selection is stored, the action previewed and confirmed, and a job does it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.http.scope import Scope, person, request_scope, signed_in
from dashboard.pages.devices.bulk_forms import FORMS, ConfirmForm
from dashboard.pages.devices.bulk_preview import preview, title
from dashboard.pages.parts.access import require
from devices import clock
from devices.listing.filters import in_organizations, matching
from devices.listing.kept_list import KeptList, Unreadable, read, resolved
from devices.listing.query_string import address_of, list_in
from devices.models import Device, Selection
from devices.operations import bulk_actions, ceilings
from devices.words import counted
from fleets.models import Organization

NOTHING = "No device is selected, so there is nothing to do."
SEVERAL = "These devices belong to several organizations. Choose one organization first."


@require_POST
@signed_in
def select(request: HttpRequest) -> HttpResponse:
    """Store the selected devices, ticked ones or `all` of the list with this `query`, and lead to the action.

    Raises Http404 for an unknown action, PermissionDenied for roles below the action's.
    """
    scope, action = request_scope(request), request.POST.get("action", "")
    if action not in bulk_actions.ACTIONS:
        raise Http404("No such action")
    query = request.POST.get("query", "").removeprefix("?")
    whole = bool(request.POST.get("all"))
    unclear: list[str] = []
    listed = list_in(QueryDict(query), unclear) if whole else None
    devices = _matching(scope, listed, unclear) if listed else _ticked(request, scope)
    owners = list(Organization.objects.filter(pk__in=devices.order_by().values("organization"))[:2])
    if unclear or len(owners) != 1:
        messages.info(request, " ".join(unclear) or (SEVERAL if owners else NOTHING))
        return HttpResponseRedirect(f"{reverse('devices:list')}?{query}")
    require(scope, owners[0], bulk_actions.ACTIONS[action].least)
    try:
        selection = bulk_actions.select(organization=owners[0], devices=devices, listed=listed)
    except ceilings.Reached as reached:
        messages.error(request, str(reached))
        return HttpResponseRedirect(f"{reverse('devices:list')}?{query}")
    return redirect("devices:bulk", selection.uuid, action)


def _ticked(request: HttpRequest, scope: Scope) -> QuerySet[Device]:
    """The devices of the ticked rows; a row may have several UUIDs, separated by commas."""
    uuids = {uuid for row in request.POST.getlist("sel") for uuid in row.split(",")}
    return in_organizations(scope.organizations).filter(uuid__in=uuids)


def _matching(scope: Scope, listed: KeptList, unclear: list[str]) -> QuerySet[Device]:
    """All devices of a list.

    Sentences about unknown filters are appended to `unclear`, since without these filters more devices match.
    """
    chosen = [
        organization
        for organization in scope.organizations
        if listed.organization in {None, organization.slug}
    ]
    return matching(chosen, resolved(listed.filters, chosen, unclear), clock.moment())


def _back(chosen: Selection) -> str:
    """The address of the list that the devices were selected from, or of all devices if it is not known."""
    try:
        query = address_of(read(chosen.kept)) if chosen.kept else ""
    except Unreadable:
        query = ""
    return f"{reverse('devices:list')}?{query}"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def act(request: HttpRequest, selection: UUID, action: str) -> HttpResponse:
    """Ask for the action's parameters, preview which devices it would change or skip, and start its job.

    Raises Http404 for strangers, PermissionDenied for roles below the action's.
    """
    scope, chosen = _mine(request, selection, action)
    if chosen.job:
        return redirect("devices:job", chosen.job.uuid)
    query = request.POST if request.method == "POST" else request.GET
    form = FORMS[action](chosen, query if query.get("preview") else None)
    at, back = clock.moment(), _back(chosen)
    context = {"nav": "devices", "scope": scope, "at": at.at, "back": back}
    context |= {"selection": chosen, "action": action, "form": form}
    if not form.is_valid():
        return render(request, "devices/bulk_ask.html", context | {"heading": title_of(action, chosen)})
    heading = title(action, chosen.total, form.payload)
    confirm = ConfirmForm(chosen.total, request.POST or None)
    if request.method == "POST" and (action != "delete" or confirm.is_valid()):
        values = {"selection": chosen, "action": action, "payload": form.payload, "title": heading}
        return redirect("devices:job", bulk_actions.start(actor=person(request), **values).uuid)
    found = preview(chosen, action, form.payload, at)
    button = title(action, found.affected.number, form.payload)
    context |= {"heading": heading, "found": found, "button": button, "confirm": confirm}
    return render(request, "devices/bulk.html", context)


def title_of(action: str, chosen: Selection) -> str:
    """The heading of the form that asks for the action's parameters."""
    return counted(chosen.total, *TITLES[action])


TITLES: Final = {
    "move": ("Move 1 device", "Move {n} devices"),
    "tag": ("Tag 1 device", "Tag {n} devices"),
    "poll-interval": ("Set the poll interval of 1 device", "Set the poll interval of {n} devices"),
}


def _mine(request: HttpRequest, uuid: UUID, action: str) -> tuple[Scope, Selection]:
    scope = request_scope(request)
    if action not in bulk_actions.ACTIONS:
        raise Http404("No such action")
    visible = Selection.objects.visible_to(person(request)).select_related("organization", "job")
    found = get_object_or_404(visible, uuid=uuid)
    require(scope, found.organization, bulk_actions.ACTIONS[action].least)
    return scope, found
