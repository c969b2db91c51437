"""Targets: who may have which, what is kept of them and how, and what a test of one answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from pytest_django import Settings

from dashboard.models import User
from devices.alerts import confirming, secrets, targets, trying
from devices.alerts.refusals import Invalid, TooMany
from devices.alerts.target_values import Wanted
from devices.alerts.targets import version_of
from devices.models import AlertMessage, AlertTarget, Told
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import AuditEntry, Organization, Role
from tests.devices.alerts.receivers import Reply, WebReceiver
from tests.devices.alerts.sending import Receiver, T, make_incident, make_message, make_target, outcome
from tests.factories import make_member, make_organization

pytestmark = pytest.mark.django_db

Kind = AlertTarget.Kind
NTFY = {"url": "https://ntfy.example", "topic": "ops", "token": "tk_0123456789"}


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def admin(organization: Organization) -> User:
    return make_member(organization, Role.ADMINISTRATOR)


def create(organization: Organization, actor: User | None = None, **wanted: Any) -> AlertTarget:
    values = {"kind": Kind.NTFY, "name": "Ops", "values": NTFY} | wanted
    return targets.create(organization=organization, wanted=Wanted(**values), actor=actor, at=T)[0]


def change(target: AlertTarget, actor: User, **wanted: Any) -> AlertTarget:
    values = {"kind": Kind(target.kind), "name": target.name} | wanted
    return targets.change(target=target, wanted=Wanted(**values), seen=version_of(target), actor=actor, at=T)


def test_secrets_are_encrypted_and_audited_nowhere(organization: Organization, admin: User) -> None:
    target = create(organization, admin)
    assert target.configuration == {"url": "https://ntfy.example", "topic": "ops"}
    assert secrets.read(target, T) == {"token": "tk_0123456789"}
    assert (target.secret_end, "tk_0123" in target.secrets) == ("6789", False)
    entry = AuditEntry.objects.get()
    assert entry.action == "alert-target-created"
    assert "tk_0123" not in json.dumps([entry.before, entry.after])


def test_a_secret_that_is_left_empty_stays(organization: Organization, admin: User) -> None:
    target = create(organization)
    changed = change(target, admin, values={"topic": "night", "token": ""})
    assert changed.configuration == {"topic": "night"}
    assert secrets.read(changed, T) == {"token": "tk_0123456789"}
    assert secrets.read(change(changed, admin, values={"topic": "n", "token": "tk_new"}), T) == {
        "token": "tk_new"
    }


def test_a_rename_in_a_rotation_keeps_its_end(organization: Organization, admin: User) -> None:
    target = create(organization, kind=Kind.WEBHOOK, values={"url": "https://hook.example/"})
    targets.rotate_secret(target=target, actor=admin, at=T)
    target.refresh_from_db()
    renamed = change(target, admin, name="New", values={"url": "https://hook.example/"})
    assert "former" in secrets.read(renamed, T)
    assert "former" not in secrets.read(renamed, T + targets.ROTATION)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"kind": Kind.PAGE}, "kind"),
        ({"kind": Kind.ROLE, "values": {}}, "role"),
        ({"role": Role.OWNER}, "role"),
        ({"values": NTFY | {"topic": ""}}, "topic"),
        ({"values": NTFY | {"topic": "a\nb"}}, "topic"),
        ({"values": NTFY | {"url": "http://ntfy.example"}}, "url"),
        ({"kind": Kind.SLACK, "values": {"url": "https://user:word@hooks.example"}}, "url"),
        ({"kind": Kind.EMAIL, "values": {"address": "ops@"}}, "address"),
    ],
)
def test_what_cannot_be_is_named(organization: Organization, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        create(organization, **wanted)
    assert refused.value.field == field


def test_an_organization_has_at_most_fifty(organization: Organization) -> None:
    for _ in range(targets.MOST):
        make_target("ntfy", organization)
    with pytest.raises(TooMany):
        create(organization)


def test_only_administrators(organization: Organization) -> None:
    operator, target = make_member(organization, Role.OPERATOR), create(organization)
    message = make_message(target)
    for attempt in (
        lambda: create(organization, operator),
        lambda: change(target, operator, values=NTFY),
        lambda: targets.pause(target=target, actor=operator, at=T),
        lambda: targets.resume(target=target, actor=operator, at=T),
        lambda: targets.delete(target=target, actor=operator, at=T),
        lambda: targets.rotate_secret(target=target, actor=operator, at=T),
        lambda: trying.send_test(target=target, actor=operator, at=T),
        lambda: trying.send_again(message=message, actor=operator, at=T),
        lambda: confirming.send_link(target=target, actor=operator),
    ):
        with pytest.raises(PermissionDenied):
            attempt()


def test_of_two_changes_the_second_is_told(organization: Organization, admin: User) -> None:
    target, seen = create(organization), ""
    seen = version_of(target)
    change(target, admin, name="New", values=NTFY)
    wanted = Wanted(kind=Kind.NTFY, name="Other", values=NTFY)
    with pytest.raises(ChangedMeanwhile):
        targets.change(target=target, wanted=wanted, seen=seen, actor=admin, at=T)


def test_paused_and_resumed(organization: Organization, admin: User) -> None:
    """Whoever pauses or resumes one has the next round look again at what is open."""
    target, incident = create(organization), make_incident(organization)
    targets.pause(target=target, actor=admin, at=T)
    message, receiver = make_message(target, incident), Receiver()
    receiver.deliver(target)
    assert outcome(message) == ""
    incident.refresh_from_db()
    assert incident.look_at == T
    AlertTarget.objects.update(state="paused", refused_in_row=5)
    targets.resume(target=target, actor=admin, at=T)
    receiver.deliver(target)
    assert outcome(message) == "accepted"
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["alert-target-created", "alert-target-paused", "alert-target-resumed"]


def test_the_page_stays(organization: Organization, admin: User) -> None:
    page = make_target("page", organization)
    for attempt in (targets.pause, targets.delete):
        with pytest.raises(Invalid):
            attempt(target=page, actor=admin, at=T)


def test_one_that_is_deleted_takes_its_messages_along(organization: Organization, admin: User) -> None:
    target = create(organization)
    make_message(target)
    targets.delete(target=target, actor=admin, at=T)
    assert not AlertTarget.objects.filter(pk=target.pk).exists()
    assert not AlertMessage.objects.exists()


def test_a_test_is_sent_once_and_shows_the_answer(
    web: WebReceiver, organization: Organization, admin: User
) -> None:
    target = create(organization, values=NTFY | {"url": web.url})
    web.answer = lambda call: Reply(403, b'{"error":"forbidden"}')
    result = trying.send_test(target=target, actor=admin, at=T)
    assert (result.status, result.text) == (403, 'It answered 403: {"error":"forbidden"}')
    web.answer = lambda call: Reply()
    assert trying.send_test(target=target, actor=admin, at=T).status == 200
    assert [call.json["title"] for call in web.calls] == ["Test of Lookout"] * 2
    assert not Told.objects.exists()
    assert list(AlertMessage.objects.values_list("number", "outcome")) == [(0, "refused"), (0, "accepted")]
    target.refresh_from_db()
    assert target.state == "works"


def test_a_target_that_leads_inside_is_refused_and_named(organization: Organization, admin: User) -> None:
    target = create(organization, values=NTFY | {"url": "https://169.254.169.254/latest"})
    result = trying.send_test(target=target, actor=admin, at=T)
    assert "169.254.169.254, which is not a public address" in result.text


def test_a_message_that_was_given_up_is_sent_again(organization: Organization, admin: User) -> None:
    target = create(organization)
    message = make_message(target)
    AlertMessage.objects.update(outcome="dead", next_at=None)
    trying.send_again(message=message, actor=admin, at=T + 2 * targets.ROTATION)
    Receiver().deliver(target, T + 2 * targets.ROTATION)
    assert outcome(message) == "accepted"
    with pytest.raises(Invalid, match="not delivered"):
        trying.send_again(message=message, actor=admin, at=T)


def test_not_after_a_newer_one_has_arrived(organization: Organization, admin: User) -> None:
    target = create(organization)
    message = make_message(target)
    AlertMessage.objects.update(outcome="dead", next_at=None)
    make_message(target, message.incident, 2, "resolved")
    Receiver().deliver(target)
    with pytest.raises(Invalid, match="newer"):
        trying.send_again(message=message, actor=admin, at=T)


def token() -> str:
    """Of the link in the last mail."""
    link = next(line for line in mail.outbox[-1].body.splitlines() if line.startswith("https://"))
    return str(link).rstrip("/").rpartition("/")[2]


def test_an_address_is_confirmed_by_its_link(
    organization: Organization, admin: User, settings: Settings
) -> None:
    settings.EMAIL_HOST, settings.SITE_ADDRESS = "mail.example", "https://lookout.example"
    target = create(organization, kind=Kind.EMAIL, values={"address": "ops@halden.example"})
    confirming.send_link(target=target, actor=admin)
    assert mail.outbox[0].to == ["ops@halden.example"]
    assert confirming.confirm(token=token(), at=T) == target
    target.refresh_from_db()
    assert target.confirmed_at == T
    assert AuditEntry.objects.filter(action="alert-target-confirmed", subject_id=str(target.uuid)).exists()


def test_a_link_of_a_former_address_does_not_work(
    organization: Organization, admin: User, settings: Settings
) -> None:
    settings.EMAIL_HOST, settings.SITE_ADDRESS = "mail.example", "https://lookout.example"
    target = create(organization, kind=Kind.EMAIL, values={"address": "ops@halden.example"})
    confirming.send_link(target=target, actor=admin)
    confirming.confirm(token=token(), at=T)
    target.refresh_from_db()
    changed = change(target, admin, values={"address": "other@halden.example"})
    assert changed.confirmed_at is None
    assert confirming.confirm(token=token(), at=T) is None
    assert confirming.confirm(token="made-up", at=T) is None


def test_after_a_change_of_the_secret_key_secrets_must_be_entered_again(
    organization: Organization, admin: User, settings: Settings
) -> None:
    target = create(organization, admin)
    settings.SECRET_KEY = "another" * 10
    result = trying.send_test(target=target, actor=admin, at=T)
    assert result.text == "Its secrets cannot be read, since SECRET_KEY has changed. Enter them again."
    changed = change(target, admin, values={"topic": "ops", "token": "tk_new"})
    assert secrets.read(changed, T) == {"token": "tk_new"}
