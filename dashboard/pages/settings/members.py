"""The pages of an organization's members, which all members see and Owners change."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.settings import invitation_mail
from dashboard.pages.settings.member_forms import MEANING, InvitationForm, RoleForm
from devices.words import of_site
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Invitation, Membership, Role
from fleets.postgres.name_order import NameKey
from fleets.services import invitations, members

PER_PAGE = 50


def _meanings() -> list[tuple[str, str]]:
    """Each role with what it may do, in the site's words."""
    return [(role.value, of_site(words)) for role, words in MEANING.items()]


@require_safe
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The members with their roles; to Owners also their last sign-in and the unused invitations."""
    own = own_organization(request, organization)
    found = Membership.objects.filter(organization=own.organization).select_related("user")
    page = Paginator(found.order_by(NameKey("user__username")), PER_PAGE).get_page(request.GET.get("page"))
    invitations = _open_invitations(own) if own.may.owner else []
    context = own.context("members", page=page, invitations=invitations)
    return render(request, "settings/members.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def invite(request: HttpRequest, organization: str) -> HttpResponse:
    """Create an invitation, for Owners; only the response shows its link, which nobody stores.

    If it is for an e-mail address and the site sends mail, the link is also sent there. The form has the
    fingerprint of the newest invitation, so that a reload of the response creates no second one.
    """
    own, link, unsent = own_organization(request, organization, Role.OWNER), "", None
    form = InvitationForm(request.POST or None)
    if form.is_valid():
        values = form.cleaned_data | {"role": Role(form.cleaned_data["role"])}
        values["seen"] = request.POST.get("newest", "")
        try:
            invitation, secret = invitations.invite(
                organization=own.organization, actor=person(request), **values
            )
        except ChangedMeanwhile:
            messages.error(request, TWICE)
            return redirect("fleets:members", organization)
        except invitations.AlreadyMember as error:
            form.add_error("email", f"{error} Change their role on the members page instead.")
        else:
            link = request.build_absolute_uri(reverse("fleets:invitation", args=[secret]))
            unsent = invitation_mail.send(request, invitation, link)
    newest = invitations.newest(own.organization)
    values = {"form": form, "link": link, "unsent": unsent, "meanings": _meanings(), "newest": newest}
    return render(request, "settings/invite.html", own.context("members", **values))


TWICE = (
    "No link was created, because another one was created since this form was opened. A link is shown only"
    " when it is created. If you do not have it, revoke it and create a new one."
)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def member(request: HttpRequest, organization: str, member: int) -> HttpResponse:
    """Change the role of a member, for Owners."""
    own, membership = _member(request, organization, member)
    user = membership.user
    form = RoleForm(request.POST or None, initial={"role": membership.role})
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            members.change_role(organization=own.organization, user=user, role=role, actor=person(request))
        except (members.LastOwner, members.NotAMember) as error:
            form.add_error("role", f"{error} Nothing was changed.")
        else:
            messages.success(request, f"{user} is now {role.label}.")
            return redirect("fleets:members", organization)
    context = own.context("members", member=membership, form=form, meanings=_meanings())
    return render(request, "settings/member.html", context)


@require_POST
@signed_in
def remove(request: HttpRequest, organization: str, member: int) -> HttpResponse:
    """Remove a member, for Owners; an Owner may remove themselves."""
    own, membership = _member(request, organization, member)
    user = membership.user
    try:
        members.remove(organization=own.organization, user=user, actor=person(request))
    except (members.LastOwner, members.NotAMember) as error:
        messages.error(request, f"{error} Nobody was removed.")
    else:
        messages.success(request, f"{user} is no longer a member of {own.organization}.")
    if user == request.user:
        return redirect("fleets:organizations")
    return redirect("fleets:members", organization)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def leave(request: HttpRequest, organization: str) -> HttpResponse:
    """Leave the organization; the last Owner cannot."""
    own = own_organization(request, organization)
    fault = ""
    if request.method == "POST":
        try:
            members.remove(organization=own.organization, user=person(request), actor=person(request))
        except members.LastOwner as error:
            fault = f"{error} You are still a member."
        else:
            messages.success(request, f"You left {own.organization}.")
            return redirect("fleets:organizations")
    return render(request, "settings/leave.html", own.context("general", fault=fault))


def _member(request: HttpRequest, organization: str, number: int) -> tuple[OwnOrganization, Membership]:
    """A membership by primary key; raises Http404 for strangers, PermissionDenied below Owner."""
    own = own_organization(request, organization, Role.OWNER)
    memberships = Membership.objects.filter(organization=own.organization).select_related("user")
    return own, get_object_or_404(memberships, pk=number)


def _open_invitations(own: OwnOrganization) -> list[Invitation]:
    found = Invitation.objects.filter(organization=own.organization, used_at=None)
    return list(found.select_related("invited_by"))
