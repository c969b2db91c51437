"""Links in mails about alerts: opening one changes nothing, its button does."""

from __future__ import annotations

import pytest
from django.core import mail, signing
from django.test import Client
from pytest_django import Settings

from dashboard.models import User
from devices.alerts import confirming, rules, unsubscribing
from devices.alerts.wishes import wishes_of
from devices.models import AlertRule, AlertStep, AlertTarget
from fleets.models import Role
from tests.devices.alerts.sending import make_target
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def target() -> AlertTarget:
    return make_target("email", configuration={"address": "ops@halden.example"})


@pytest.fixture
def person(target: AlertTarget) -> User:
    return make_member(target.organization, Role.OBSERVER)


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def test_an_address_is_confirmed(client: Client, target: AlertTarget, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example"
    admin = make_member(target.organization, Role.ADMINISTRATOR)
    confirming.send_link(target=target, actor=admin)
    path = path_of(next(line for line in mail.outbox[0].body.splitlines() if line.startswith("http")))
    assert "will be sent to" in text_of(client.get(path))
    target.refresh_from_db()
    assert target.confirmed_at is None
    assert "from now on" in text_of(client.post(path))
    target.refresh_from_db()
    assert target.confirmed_at


def test_a_person_receives_no_more(target: AlertTarget, person: User) -> None:
    """Also as mail programs post it: with no cookie and no token of a form."""
    client = Client(enforce_csrf_checks=True)
    path = path_of(unsubscribing.link(person.pk, target.organization_id))
    assert "are sent to you by e-mail" in text_of(client.get(path))
    assert not wishes_of(person.pk, target.organization_id).nothing
    assert "You receive no more" in text_of(client.post(path, {"List-Unsubscribe": "One-Click"}))
    assert wishes_of(person.pk, target.organization_id).nothing
    assert not wishes_of(person.pk, make_organization().pk).nothing


def test_a_mail_about_a_rule_ends_what_is_about_that_rule(
    client: Client, target: AlertTarget, person: User
) -> None:
    rules.ship(target.organization)
    rule = AlertRule.objects.get(shipped="offline")
    path = path_of(unsubscribing.link(person.pk, target.organization_id, [rule]))
    assert "Offline" in text_of(client.get(path))
    assert "that these rules tell" in text_of(client.post(path))
    wishes = wishes_of(person.pk, target.organization_id)
    assert (wishes.nothing, wishes.rules) == (False, {rule.pk: False})
    rule.delete()
    assert client.get(path).status_code == 404  # and never all alerts


def test_the_next_pages_of_the_person_say_so_until_they_look(target: AlertTarget, person: User) -> None:
    """A mail program has used the link, so the person may not know."""
    rules.ship(target.organization)
    rule = AlertRule.objects.get(shipped="offline")
    path = path_of(unsubscribing.link(person.pk, target.organization_id, [rule]))
    client, said = Client(), f"You receive no more e-mail about the rule Offline of {target.organization}."
    client.force_login(person)
    client.get(path)
    assert said not in text_of(client.get("/"))
    for _ in range(2):
        Client().post(path, {"List-Unsubscribe": "One-Click"})
    for _ in range(2):
        assert text_of(client.get("/")).count(said) == 1
    other = Client()
    other.force_login(make_member(target.organization))
    assert said not in text_of(other.get("/"))
    assert client.get("/account/unsubscribed/").status_code == 405
    page = client.post("/account/unsubscribed/", follow=True)
    assert page.redirect_chain == [("/account/notifications/", 302)]
    assert said not in text_of(page)


def test_whoever_presses_the_button_signed_in_is_told_there_alone(
    client: Client, target: AlertTarget, person: User
) -> None:
    client.force_login(person)
    assert "You receive no more" in text_of(
        client.post(path_of(unsubscribing.link(person.pk, target.organization_id)))
    )
    assert "You receive no more" not in text_of(client.get("/"))


def test_whom_a_critical_rule_names_is_told_that_it_mails_them_nothing_now(
    client: Client, target: AlertTarget, person: User
) -> None:
    """Not whoever else has the link, unless the mail was about that rule."""
    rules.ship(target.organization)
    rule, other = (AlertRule.objects.get(shipped=name) for name in ("together", "offline"))
    observers = make_target("role", target.organization, role=Role.OBSERVER)
    for each in (rule, other):
        AlertStep.objects.create(rule=each, target=observers)
    said = f"The critical rule {rule.name} of {target.organization} names your role"
    everything, of_rule, of_other = (
        path_of(unsubscribing.link(person.pk, target.organization_id, about))
        for about in ([], [rule], [other])
    )
    client.force_login(person)
    assert said not in text_of(client.post(of_other))
    assert said not in text_of(Client().post(everything))
    assert said in text_of(client.get("/"))
    assert said in text_of(client.post(everything))
    assert said in text_of(Client().post(of_rule))
    client.post("/account/unsubscribed/")
    assert said in text_of(client.post("/account/notifications/", {"hours-zone": "UTC"}, follow=True))


@pytest.mark.parametrize("path", ["/confirm-target/", "/unsubscribe/"])
def test_a_link_that_this_site_did_not_sign(client: Client, path: str, target: AlertTarget) -> None:
    other = signing.dumps([str(target.uuid), "ops@halden.example"], salt="another")
    for token in ("made-up", other):
        assert client.get(f"{path}{token}/").status_code == 404
        assert client.post(f"{path}{token}/").status_code == 404
