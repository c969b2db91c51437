"""Targets of alerts: a list of them, and pages that create, change, test, pause and delete one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.settings.target_forms import TargetForm, kinds
from devices.alerts import confirming, targets, trying
from devices.alerts.refusals import Invalid
from devices.alerts.transports.envelope import Outcome
from devices.models import AlertMessage, AlertTarget
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.text import isolated

GONE: Final = "It was deleted meanwhile, so nothing was saved."
CHANGED: Final = "It was changed meanwhile, so the secret stays as it is."
FAILED: Final = (AlertMessage.Outcome.DEAD, AlertMessage.Outcome.REFUSED)
MOST_SHOWN: Final = 20  # of the messages that were not delivered


@require_safe
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The organization's targets, for Operators."""
    own = own_organization(request, organization, Role.OPERATOR)
    found = list(AlertTarget.objects.filter(organization=own.organization, person=None))
    return _rendered(request, own, "alert_targets", targets=found, most=targets.MOST)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest, organization: str) -> HttpResponse:
    """Choose a kind, then say what it needs. The secret of a webhook is shown once, in the answer."""
    own = own_organization(request, organization, Role.ADMINISTRATOR)
    kind = request.POST.get("kind") or request.GET.get("kind", "")
    if kind not in dict(kinds()):
        return _rendered(request, own, "alert_target_new", kinds=kinds())
    form, user = TargetForm(kind, None, request.POST or None), person(request)
    if form.is_valid():
        create = targets.create
        made = form.save(lambda wanted: create(organization=own.organization, wanted=wanted, actor=user))
        if made:
            target, secret = made
            messages.success(request, f"{isolated(target)} is created.")
            if target.kind == AlertTarget.Kind.EMAIL:
                _send_link(request, target)
            return _page(request, own, target, secret=secret) if secret else _to(organization, target)
    return _rendered(request, own, "alert_target", form=form, kind=form.kind)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, organization: str, target: UUID) -> HttpResponse:
    """A target; Administrators change it, but not over what others saved meanwhile: then 409, with theirs."""
    own, found = _mine(request, organization, target)
    form = TargetForm(found.kind, found, request.POST or None)
    if form.is_valid():
        seen, user = request.POST.get("seen", ""), person(request)
        try:
            saved = form.save(lambda to: targets.change(target=found, wanted=to, seen=seen, actor=user))
        except ChangedMeanwhile as refused:
            return _page(request, own, refused.now, form=form, theirs=refused.now, status=409)
        except AlertTarget.DoesNotExist:
            messages.error(request, GONE)
            return redirect("fleets:alert-targets", organization)
        if saved:
            messages.success(request, f"{isolated(saved)} is saved.")
            return redirect("fleets:alert-targets", organization)
    return _page(request, own, found, form=form)


@require_POST
@signed_in
def test(request: HttpRequest, organization: str, target: UUID) -> HttpResponse:
    """Send one test; the page that answers says exactly how that ended."""
    own, found = _mine(request, organization, target)
    try:
        result = trying.send_test(target=found, actor=person(request))
    except Invalid as refused:
        messages.error(request, str(refused))
        return _to(organization, found)
    found.refresh_from_db()
    accepted = result.outcome == Outcome.ACCEPTED
    return _page(request, own, found, tested=result, accepted=accepted)


@require_POST
@signed_in
def rotate(request: HttpRequest, organization: str, target: UUID) -> HttpResponse:
    """Give a webhook a new secret, which the page that answers shows once."""
    own, found = _mine(request, organization, target)
    if request.POST.get("seen") != targets.version_of(found):
        messages.error(request, CHANGED)
        return _to(organization, found)
    try:
        secret = targets.rotate_secret(target=found, actor=person(request))
    except Invalid as refused:
        messages.error(request, str(refused))
        return _to(organization, found)
    found.refresh_from_db()
    return _page(request, own, found, secret=secret)


@require_POST
@signed_in
def pause(request: HttpRequest, organization: str, target: UUID) -> HttpResponse:
    """Send it nothing until it is resumed."""
    _, found = _mine(request, organization, target)
    return _done(request, organization, found, targets.pause, f"{isolated(found)} is paused.")


@require_POST
@signed_in
def resume(request: HttpRequest, organization: str, target: UUID) -> HttpResponse:
    """Send to it again."""
    _, found = _mine(request, organization, target)
    return _done(request, organization, found, targets.resume, f"{isolated(found)} is on again.")


@require_POST
@signed_in
def confirm(request: HttpRequest, organization: str, target: UUID) -> HttpResponse:
    """Send the link that confirms its e-mail address again."""
    _, found = _mine(request, organization, target)
    _send_link(request, found)
    return _to(organization, found)


@require_POST
@signed_in
def delete(request: HttpRequest, organization: str, target: UUID) -> HttpResponse:
    """Delete it with its messages."""
    _, found = _mine(request, organization, target)
    _done(request, organization, found, targets.delete, f"{isolated(found)} is deleted.")
    return redirect("fleets:alert-targets", organization)


@require_POST
@signed_in
def send_again(request: HttpRequest, organization: str, target: UUID, message: UUID) -> HttpResponse:
    """Try again to deliver a message that was given up or refused."""
    _, found = _mine(request, organization, target)
    one = get_object_or_404(
        AlertMessage.objects.select_related("target__organization"), target=found, uuid=message
    )
    try:
        trying.send_again(message=one, actor=person(request))
    except Invalid as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "The message is sent again.")
    return _to(organization, found)


def _done(
    request: HttpRequest, organization: str, target: AlertTarget, what: Callable[..., None], words: str
) -> HttpResponse:
    try:
        what(target=target, actor=person(request))
    except Invalid as refused:
        messages.error(request, str(refused))
    except AlertTarget.DoesNotExist:
        messages.info(request, f"{isolated(target)} was already deleted.")
    else:
        messages.success(request, words)
    return _to(organization, target)


def _send_link(request: HttpRequest, target: AlertTarget) -> None:
    try:
        result = confirming.send_link(target=target, actor=person(request))
    except Invalid as refused:
        messages.error(request, str(refused))
        return
    if result.outcome == Outcome.ACCEPTED:
        messages.success(request, "A link that confirms the address was sent to it.")
    else:
        messages.error(request, f"The link could not be sent. {result.text}")


def _to(organization: str, target: AlertTarget) -> HttpResponse:
    return redirect("fleets:alert-target", organization, target.uuid)


def _mine(request: HttpRequest, organization: str, uuid: UUID) -> tuple[OwnOrganization, AlertTarget]:
    least = Role.ADMINISTRATOR if request.method == "POST" else Role.OPERATOR
    own = own_organization(request, organization, least)
    found = AlertTarget.objects.select_related("organization")
    return own, get_object_or_404(found, organization=own.organization, person=None, uuid=uuid)


def _page(request: HttpRequest, own: OwnOrganization, target: AlertTarget, **more: Any) -> HttpResponse:
    """The page of a target, with the messages that it did not get."""
    form = more.pop("form", None) or TargetForm(target.kind, target)
    if not own.may.administrator or target.kind == AlertTarget.Kind.PAGE:
        form.freeze()
    own_messages = AlertMessage.objects.filter(target=target).exclude(kind=AlertMessage.Kind.TEST)
    failed = own_messages.filter(outcome__in=FAILED).select_related("incident").order_by("-created_at", "-pk")
    values: dict[str, Any] = {
        "target": target,
        "form": form,
        "kind": form.kind,
        "seen": targets.version_of(target),
        "failed": list(failed[:MOST_SHOWN]),
        "waiting": own_messages.filter(outcome="").count(),
    }
    response = _rendered(request, own, "alert_target", **values | more)
    add_never_cache_headers(response)
    return response


def _rendered(
    request: HttpRequest, own: OwnOrganization, name: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    return render(request, f"settings/{name}.html", own.context("alert-targets", **more), status=status)
