"""Views under a name: a list of them, and pages that save, change and delete one."""

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

from dashboard.pages import Scope, person, scope, signed_in
from devices import clock, saved_views
from devices.models import SavedView
from devices.views.acting import require
from devices.views.addresses import Choice
from devices.views.saved_query import kept_query
from fleets.models import Organization, Role
from fleets.views.interval_form import CONTROL, PLAIN

MOST_SHOWN: Final = 8  # of the views above a list
TAKEN: Final = "There is a view of this name already: choose another one."
GONE: Final = "It was deleted meanwhile, so nothing was saved."


@require_safe
@signed_in
def listed(request: HttpRequest) -> HttpResponse:
    """The person's own views, and those shared within the organizations of the page."""
    here = scope(request)
    views = SavedView.objects.visible_to(person(request), here.chosen).select_related("organization")
    return render(request, "devices/views.html", _context(here, views=with_rights(views, here)))


@dataclass(frozen=True)
class Strip:
    """The views above a list: which one the address is, if any, and where this one is saved."""

    choices: list[Choice]
    more: bool  # some are not among them
    new: str


def view_strip(request: HttpRequest, here: Scope) -> Strip:
    """All devices, and the person's views; in one query."""
    views = list(SavedView.objects.visible_to(person(request), here.chosen)[: MOST_SHOWN + 1])
    now, widest = (
        kept_query(request.GET),
        urlencode({"org": here.organization.slug} if here.organization else {}),
    )
    every = f"{reverse('devices:list')}?{widest}" if widest else reverse("devices:list")
    choices = [Choice("All devices", every, now == widest)]
    choices += [Choice(view.name, address_of(view), now == view.query) for view in views[:MOST_SHOWN]]
    return Strip(choices, len(views) > MOST_SHOWN, f"{reverse('devices:view-new')}?{now}")


def with_rights(views: Any, here: Scope) -> list[tuple[SavedView, bool]]:
    """Each view with whether the person may change it."""
    return [(view, not view.organization or here.may(view.organization_id).operator) for view in views]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Keep the query of this page's address under a name."""
    here = scope(request)
    shareable = [each for each in here.chosen if here.may(each.pk).operator]
    form = NewViewForm(shareable, request.POST if request.method == "POST" else None)
    asked = QueryDict(request.POST.get("query", "")) if request.method == "POST" else request.GET
    if form.is_valid():
        organization = form.cleaned_data["within"]
        query = kept_query(asked, organization)
        try:
            said = {"name": form.cleaned_data["name"], "query": query, "organization": organization}
            view = saved_views.save(actor=person(request), **said)
        except saved_views.NameTaken:
            form.add_error("name", TAKEN)
        except saved_views.TooMany:
            form.add_error(None, f"There are {saved_views.MOST} views already. Delete one first.")
        else:
            messages.success(request, f"{view} is saved.")
            return HttpResponseRedirect(address_of(view))
    context = _context(here, form=form, query=kept_query(asked), shareable=shareable)
    return render(request, "devices/view_new.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, view: UUID) -> HttpResponse:
    """Give a view another name, but not over what others saved meanwhile: then 409, with both names."""
    here, found = _mine(request, view)
    form = ViewForm(request.POST if request.method == "POST" else None, initial={"name": found.name})
    meanwhile = None
    if form.is_valid():
        said = {"name": form.cleaned_data["name"], "seen": request.POST.get("seen", "")}
        try:
            saved_views.change(view=found, actor=person(request), **said)
        except saved_views.NameTaken:
            form.add_error("name", TAKEN)
        except saved_views.ChangedMeanwhile as changed:
            found = meanwhile = changed.now
        except SavedView.DoesNotExist:
            messages.error(request, GONE)
            return redirect("devices:views")
        else:
            messages.success(request, f"{said['name']} is saved.")
            return redirect("devices:views")
    context = _context(here, view=found, form=form, seen=saved_views.version_of(found), meanwhile=meanwhile)
    return render(request, "devices/view.html", context, status=409 if meanwhile else 200)


@require_POST
@signed_in
def delete(request: HttpRequest, view: UUID) -> HttpResponse:
    """Forget a view; the devices are not touched."""
    _, found = _mine(request, view)
    try:
        saved_views.delete(view=found, actor=person(request))
    except SavedView.DoesNotExist:
        messages.info(request, f"{found} was deleted already.")
    else:
        messages.success(request, f"{found} is deleted.")
    return redirect("devices:views")


def address_of(view: SavedView) -> str:
    """The list that the view keeps."""
    return f"{reverse('devices:list')}{'?' if view.query else ''}{view.query}"


def _mine(request: HttpRequest, uuid: UUID) -> tuple[Scope, SavedView]:
    """A view that the person may change: Http404 to strangers, PermissionDenied to members below Operator."""
    here = scope(request)
    visible = SavedView.objects.visible_to(person(request), here.organizations)
    found = get_object_or_404(visible.select_related("organization"), uuid=uuid)
    if found.organization:
        require(here, found.organization, Role.OPERATOR)
    return here, found


def _context(here: Scope, **more: Any) -> dict[str, Any]:
    return {"nav": "devices", "scope": here, "at": clock.now()} | more


class ViewForm(forms.Form):
    name = forms.CharField(max_length=60, widget=forms.TextInput({**PLAIN, "autofocus": True}))


class NewViewForm(ViewForm):
    """`within` is one of the organizations that may be shared in; empty: for the person alone."""

    within = forms.ChoiceField(required=False, label="For whom", widget=forms.Select(CONTROL))

    def __init__(self, shareable: list[Organization], data: Any) -> None:
        super().__init__(data)
        self._shareable = {each.slug: each for each in shareable}
        shared = [(slug, f"Shared: everybody in {each}") for slug, each in self._shareable.items()]
        self.fields["within"].choices = [("", "Only me"), *shared]  # type: ignore[attr-defined]

    def clean_within(self) -> Organization | None:
        return self._shareable.get(self.cleaned_data["within"])
