"""The pages of saved views: their list, and those that save, change and delete one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.scope import Scope, person, request_scope, signed_in
from dashboard.pages.devices.saved_query import list_of, list_to_keep, query_of
from dashboard.pages.parts.access import require
from dashboard.pages.parts.interval_form import CONTROL, PLAIN
from dashboard.pages.parts.scope_form import unchanging
from dashboard.pages.parts.sort_links import Choice
from devices import clock
from devices.listing.kept_list import KeptFilters, KeptList
from devices.listing.query_string import address_of
from devices.models import SavedView
from devices.operations import saved_views
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Organization, Role
from fleets.text import Words, isolated

MOST_SHOWN: Final = 8  # most views above a list
TAKEN: Final = "A view with this name already exists. Choose another name."
GONE: Final = "It was deleted meanwhile, so nothing was saved."


@require_safe
@signed_in
def listed(request: HttpRequest) -> HttpResponse:
    """The list of the person's own views and of those shared in the organizations of the page."""
    scope = request_scope(request)
    views = SavedView.objects.visible_to(person(request), scope.chosen).select_related("organization")
    return render(request, "devices/views.html", _context(scope, views=with_rights(views, scope)))


@dataclass(frozen=True)
class Update:
    """The view that a list was opened from, if the list has been changed and may be saved into it.

    `seen` is the version of the view, `query` the present list's.
    """

    view: SavedView
    seen: str
    query: str


@dataclass(frozen=True)
class Strip:
    """The views above a list: their menu, the address that saves the list, and the update it allows."""

    choices: list[Choice]
    more: bool  # whether there are more views than the menu has
    new: str
    update: Update | None
    rule: str  # where an alert rule about these devices is created; "": nowhere


def view_strip(request: HttpRequest, scope: Scope) -> Strip:
    """The strip for the list of the request, with the view that it was opened from; takes one query."""
    now, origin = list_to_keep(request.GET), _origin(request)
    visible = SavedView.objects.visible_to(person(request), scope.chosen)
    views = list(visible.first_ones(MOST_SHOWN + 1, also=origin))
    listed = [view for place, view in enumerate(views) if place < MOST_SHOWN or view.uuid == origin]
    lists = {view: found for view in listed if (found := list_of(view))}
    widest = KeptList(organization=scope.organization.slug if scope.organization else None)
    choices = [Choice("All devices", _opened(address_of(widest)), now == widest)]
    choices += [Choice(view.name, opening(view), now == found) for view, found in lists.items()]
    # A list of all devices needs no view.
    opened = [] if now in (KeptList(), widest) else [view for view in listed if view.uuid == origin]
    changed = [view for view in opened if lists.get(view) != now and _may_change(view, scope)]
    updates = [Update(view, saved_views.version_of(view), address_of(now)) for view in changed]
    new = f"{reverse('devices:view-new')}?{address_of(now)}"
    more, rule = len(views) > len(listed), _rule_address(scope, now)
    return Strip(choices, more, new, next(iter(updates), None), rule)


def _rule_address(scope: Scope, now: KeptList) -> str:
    """For Administrators of one organization, where the filters name devices and not only their status."""
    own = [organization for organization in scope.chosen if scope.may(organization.pk).administrator]
    if len(own) != 1 or unchanging(now.filters) == KeptFilters():
        return ""
    return f"{reverse('fleets:alert-rule-new', args=[own[0].slug])}?{address_of(now)}"


def _origin(request: HttpRequest) -> UUID | None:
    """The UUID of the view that the list was opened from, in the address; None if it has none."""
    try:
        return UUID(request.GET.get("view", ""))
    except ValueError:
        return None


def with_rights(views: Any, scope: Scope) -> list[tuple[SavedView, str | None, bool]]:
    """Each view, the address of its list (None if it cannot be read), and if the person may change it."""
    return [(view, opening(view) if list_of(view) else None, _may_change(view, scope)) for view in views]


def _may_change(view: SavedView, scope: Scope) -> bool:
    return view.organization_id is None or scope.may(view.organization_id).operator


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Save the list of this page's query as a view."""
    scope = request_scope(request)
    shareable = [organization for organization in scope.chosen if scope.may(organization.pk).operator]
    form = NewViewForm(shareable, request.POST if request.method == "POST" else None)
    submitted = QueryDict(request.POST.get("query", "")) if request.method == "POST" else request.GET
    if form.is_valid():
        organization = form.cleaned_data["within"]
        values = {"name": form.cleaned_data["name"], "kept": list_to_keep(submitted, organization)}
        try:
            view = saved_views.save(actor=person(request), organization=organization, **values)
        except saved_views.NameTaken:
            form.add_error("name", TAKEN)
        except saved_views.TooMany:
            form.add_error(None, f"There are already {saved_views.MOST} views. Delete one first.")
        else:
            messages.success(request, f"{isolated(view)} is saved.")
            return HttpResponseRedirect(opening(view))
    query = address_of(list_to_keep(submitted))
    context = _context(scope, form=form, query=query, shareable=shareable)
    return render(request, "devices/view_new.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, view: UUID) -> HttpResponse:
    """Rename a view; answered 409, with both names, if others renamed it meanwhile."""
    scope, found = _mine(request, view)
    form = ViewForm(request.POST if request.method == "POST" else None, initial={"name": found.name})
    meanwhile = None
    if form.is_valid():
        values = {"name": form.cleaned_data["name"], "seen": request.POST.get("seen", "")}
        try:
            saved_views.change(view=found, actor=person(request), **values)
        except saved_views.NameTaken:
            form.add_error("name", TAKEN)
        except ChangedMeanwhile as changed:
            found = meanwhile = changed.now
        except SavedView.DoesNotExist:
            messages.error(request, GONE)
            return redirect("devices:views")
        else:
            messages.success(request, f"{isolated(values['name'])} is saved.")
            return redirect("devices:views")
    context = _context(scope, view=found, query=query_of(found), form=form, meanwhile=meanwhile)
    context["seen"] = saved_views.version_of(found)
    context["mutable"] = [found.organization] if found.organization else scope.chosen
    return render(request, "devices/view.html", context, status=409 if meanwhile else 200)


@require_POST
@signed_in
def update(request: HttpRequest, view: UUID) -> HttpResponse:
    """Save a list into a view; answered 409, with both lists, if others changed it meanwhile."""
    scope, found = _mine(request, view)
    listed = list_to_keep(QueryDict(request.POST.get("query", "")), found.organization)
    query, seen = address_of(listed), request.POST.get("seen", "")
    try:
        now = saved_views.change(view=found, actor=person(request), seen=seen, kept=listed)
    except ChangedMeanwhile as changed:
        context = {"view": changed.now, "seen": saved_views.version_of(changed.now), "query": query}
        context |= {"theirs": query_of(changed.now), "address": opening(changed.now)}
        context |= {"back": _opened(query, changed.now)}
        return render(request, "devices/view_update.html", _context(scope, **context), status=409)
    except SavedView.DoesNotExist:
        messages.error(request, GONE)
        return HttpResponseRedirect(_opened(query))
    messages.success(request, f"{now} is updated.")
    return HttpResponseRedirect(opening(now))


@require_POST
@signed_in
def delete(request: HttpRequest, view: UUID) -> HttpResponse:
    """Delete a view; no device is changed."""
    _, found = _mine(request, view)
    try:
        saved_views.delete(view=found, actor=person(request))
    except SavedView.DoesNotExist:
        messages.info(request, f"{isolated(found)} was already deleted.")
    else:
        messages.success(request, f"{isolated(found)} is deleted.")
    return redirect("devices:views")


def opening(view: SavedView) -> str:
    """The address of the view's list, with the view as a parameter."""
    return _opened(query_of(view) or "", view)


def _opened(query: str, view: SavedView | None = None) -> str:
    whole = "&".join(filter(None, [query, urlencode({"view": view.uuid}) if view else ""]))
    return f"{reverse('devices:list')}{'?' if whole else ''}{whole}"


def _mine(request: HttpRequest, uuid: UUID) -> tuple[Scope, SavedView]:
    """A view that the person may change; raises Http404 for strangers, PermissionDenied below Operator."""
    scope = request_scope(request)
    visible = SavedView.objects.visible_to(person(request), scope.organizations)
    found = get_object_or_404(visible.select_related("organization"), uuid=uuid)
    if found.organization:
        require(scope, found.organization, Role.OPERATOR)
    return scope, found


def _context(scope: Scope, **more: Any) -> dict[str, Any]:
    return {"nav": "devices", "scope": scope, "at": clock.now()} | more


class ViewForm(forms.Form):
    name = Words(max_length=60, widget=forms.TextInput({**PLAIN, "autofocus": True}))


class NewViewForm(ViewForm):
    """The form of a new view; `within` is the organization that shares it, or empty if it is private."""

    within = forms.ChoiceField(required=False, label="For whom", widget=forms.Select(CONTROL))

    def __init__(self, shareable: list[Organization], data: Any) -> None:
        super().__init__(data)
        self._shareable = {organization.slug: organization for organization in shareable}
        shared = [(slug, f"Everyone in {organization}") for slug, organization in self._shareable.items()]
        self.fields["within"].choices = [("", "Only me"), *shared]  # type: ignore[attr-defined]

    def clean_within(self) -> Organization | None:
        return self._shareable.get(self.cleaned_data["within"])
