"""The pages of an invitation: opening its link, accepting and revoking it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.account import people
from dashboard.account.address_views import send_link
from dashboard.http.scope import person, signed_in
from dashboard.models import User
from dashboard.pages.parts.own_organization import own_organization
from devices import clock
from fleets.access.roles import role_in
from fleets.models import Invitation, Role
from fleets.services import invitations, members
from fleets.text import isolated


@require_safe
def opened(request: HttpRequest, secret: str) -> HttpResponse:
    """Store the invitation in the session, so that its secret leaves the address bar."""
    request.session.pop(invitations.SESSION_KEY, None)
    if invitation := invitations.by_secret(secret):
        request.session[invitations.SESSION_KEY] = bytes(invitation.digest).hex()
    response = redirect("fleets:invitation-accept")
    add_never_cache_headers(response)
    return response


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest) -> HttpResponse:
    """Accept the invitation of the session; people who are not signed in can create an account as well."""
    invitation = invitations.of_session(request.session)
    reason = (
        invitations.why_invalid(invitation, clock.now()) if invitation else "This invitation is not valid."
    )
    if invitation is None or reason:
        response = _invalid(request, reason, 410 if invitation else 404)
    elif request.user.is_authenticated:
        response = _join(request, invitation)
    else:
        response = _register(request, invitation)
    add_never_cache_headers(response)
    return response


@require_POST
@signed_in
def revoke(request: HttpRequest, organization: str, invitation: str) -> HttpResponse:
    """Revoke an invitation by its fingerprint; for Owners."""
    own = own_organization(request, organization, Role.OWNER)
    if invitations.revoke(organization=own.organization, fingerprint=invitation, actor=person(request)):
        messages.success(request, "The invitation was revoked. Its link no longer works.")
    else:
        messages.error(request, "Nothing was revoked. The invitation was already used or revoked.")
    return redirect("fleets:members", organization)


def _join(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    user = person(request)
    if request.method == "POST":
        try:
            return _joined(request, members.accept(invitation=invitation, user=user))
        except members.UnprovenAddress:
            return _prove_first(request, user)
        except (invitations.InvalidInvitation, members.OtherAddress) as error:
            return _invalid(request, str(error), 410)
    role, own = Role(invitation.role), role_in(user, invitation.organization)
    context = {
        "invitation": invitation,
        "role": role,
        "own": own,
        "gains": own is None or not own.includes(role),
        "suits": invitations.is_for(invitation, user.email),
        "unproven": invitations.requires_proof(invitation, user),
    }
    return render(request, "invitations/join.html", context)


def _register(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = AccountForm(invitation, request.POST or None)
    if form.is_valid():
        try:
            user, joined = _new_member(form, invitation)
        except people.Taken as error:
            form.add_taken(error)
        except invitations.InvalidInvitation as error:
            return _invalid(request, str(error), 410)
        else:
            perform_login(request, user)
            return _joined(request, joined) if joined else _prove_first(request, user)
    context = {"invitation": invitation, "role": Role(invitation.role), "form": form}
    return render(request, "invitations/register.html", context)


def _invalid(request: HttpRequest, reason: str, status: int) -> HttpResponse:
    return render(request, "invitations/invalid.html", {"reason": reason}, status=status)


def _new_member(form: people.AccountForm, invitation: Invitation) -> tuple[User, members.Joined | None]:
    """Create the account and its membership together; None as membership if the address must be confirmed."""
    values = form.cleaned_data
    password_hash = make_password(values["password"])  # before the transaction: it takes long
    with transaction.atomic():
        user = people.create(username=values["username"], email=values["email"], password_hash=password_hash)
        if invitations.requires_proof(invitations.hold(invitation, clock.now()), user):
            return user, None
        return user, members.accept(invitation=invitation, user=user)


def _prove_first(request: HttpRequest, user: User) -> HttpResponse:
    """Send the link that confirms the account's address; the session keeps the invitation."""
    return send_link(request, user, user.email) or redirect("fleets:invitation-accept")


class AccountForm(people.AccountForm):
    """The form of a new account; its e-mail address is the invitation's, if that has one."""

    def __init__(self, invitation: Invitation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if invitation.email:
            email = self.fields["email"]
            email.initial, email.disabled = invitation.email, True
            email.help_text = "The invitation is for this address."


def _joined(request: HttpRequest, joined: members.Joined) -> HttpResponse:
    request.session.pop(invitations.SESSION_KEY, None)
    organization, role = joined.organization, joined.role
    if joined.before == role:
        messages.info(
            request,
            f"You are already {role.label} of {isolated(organization)}, so the invitation was not used.",
        )
    elif joined.before:
        messages.success(request, f"Your role in {isolated(organization)} is now {role.label}.")
    else:
        messages.success(
            request, f"You are now a member of {isolated(organization)} with the role {role.label}."
        )
    return redirect(f"{reverse('fleets:list')}?{urlencode({'org': organization.slug})}")
