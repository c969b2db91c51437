"""Settings, Alert targets: what Administrators keep there, what a test answers, what was not delivered."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.pages.settings.target_forms import kinds
from devices.alerts import rules, secrets, targets, trying
from devices.alerts.target_values import Wanted
from devices.alerts.transports.envelope import Outcome, Result
from devices.models import AlertMessage, AlertTarget
from fleets.models import Organization, Role
from tests.factories import T0, make_member, make_organization
from tests.incidents import make_incident, tell
from tests.pages import text_of

pytestmark = pytest.mark.django_db

LIST_QUERIES = 6  # session, person, organizations, targets, clock, fleets at the side
PAGE_QUERIES = 8  # session, person, organizations, target, messages, their number, clock, fleets at the side
HOOK = "https://hooks.example/ops"


@pytest.fixture
def organization() -> Organization:
    organization = make_organization()
    rules.ship(organization)
    return organization


@pytest.fixture
def administrator(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    return client


@pytest.fixture
def address(organization: Organization) -> str:
    return f"/settings/{organization.slug}/alert-targets/"


def made(organization: Organization, kind: AlertTarget.Kind, **values: str) -> AlertTarget:
    wanted = Wanted(kind=kind, name="Ops", values=values)
    return targets.create(organization=organization, wanted=wanted, actor=None)[0]


def test_a_webhook_is_created_and_its_secret_is_shown_once(administrator: Client, address: str) -> None:
    assert "Webhook" in text_of(administrator.get(f"{address}new/"))
    page = administrator.post(f"{address}new/", {"kind": "webhook", "name": "Ops", "url": HOOK})
    target = AlertTarget.objects.get(kind="webhook")
    secret = secrets.read(target, T0)["secret"]
    assert secret in text_of(page)
    assert page["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    own = f"{address}{target.uuid}/"
    shown = administrator.get(own)
    assert secret not in shown.content.decode()
    assert f"Secret ends with {secret[-4:]}" in text_of(shown)
    rotated = administrator.post(f"{own}rotate/", {"seen": shown.context["seen"]})
    target.refresh_from_db()
    assert secrets.read(target, T0)["secret"] in text_of(rotated)
    again = administrator.post(f"{own}rotate/", {"seen": shown.context["seen"]}, follow=True)
    assert "the secret stays as it is" in text_of(again)


@pytest.mark.parametrize("kind", [kind for kind, _ in kinds()])
def test_the_form_of_each_kind_names_what_is_missing(administrator: Client, address: str, kind: str) -> None:
    page = administrator.post(f"{address}new/", {"kind": kind})
    assert "This field is required." in text_of(page)
    assert not AlertTarget.objects.exclude(kind="page").exists()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"kind": "webhook", "name": "Ops", "url": "http://hooks.example/"}, "https"),
        ({"kind": "webhook", "name": "Ops", "url": "nowhere"}, "https"),
        ({"kind": "email", "name": "Ops", "address": "ops"}, "This is no e-mail address."),
    ],
)
def test_what_is_refused_stays_in_the_form(
    administrator: Client, address: str, sent: dict[str, Any], said: str
) -> None:
    page = administrator.post(f"{address}new/", sent)
    assert said in " ".join(page.context["form"].errors.as_text().split())
    assert page.context["form"]["name"].value() == "Ops"


def test_a_secret_that_is_left_empty_stays_and_is_never_shown(
    administrator: Client, organization: Organization, address: str
) -> None:
    target = made(organization, AlertTarget.Kind.TELEGRAM, chat="7", token="tk_secret_1234")
    own = f"{address}{target.uuid}/"
    page = administrator.get(own)
    assert "tk_secret" not in page.content.decode()
    sent = {"name": "Night", "chat": "8", "token": "", "url": "", "seen": page.context["seen"]}
    assert "Night is saved." in text_of(administrator.post(own, sent, follow=True))
    target.refresh_from_db()
    assert secrets.read(target, T0) == {"token": "tk_secret_1234"}
    late = administrator.post(own, sent | {"chat": "9"})
    assert late.status_code == 409
    assert administrator.post(own, sent | {"chat": "9", "seen": late.context["seen"]}).status_code == 302
    target.refresh_from_db()
    assert target.configuration == {"chat": "9"}


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Result(Outcome.ACCEPTED, "It answered 200: ok"), "The test was accepted. It answered 200: ok"),
        (Result(Outcome.REFUSED, "It answered 403: no"), "The test was not accepted. It answered 403: no"),
    ],
)
def test_a_test_shows_the_exact_answer(
    administrator: Client,
    organization: Organization,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    result: Result,
    said: str,
) -> None:
    monkeypatch.setattr(trying.send_test, "__kwdefaults__", {"at": None, "send": lambda envelope: result})
    target = made(organization, AlertTarget.Kind.WEBHOOK, url=HOOK)
    assert said in text_of(administrator.post(f"{address}{target.uuid}/test/"))


def test_a_message_that_did_not_arrive_is_listed_and_sent_again(
    administrator: Client, organization: Organization, address: str
) -> None:
    target = made(organization, AlertTarget.Kind.WEBHOOK, url=HOOK)
    dead = {"outcome": AlertMessage.Outcome.DEAD, "accepted_at": None, "error": "It refused the connection."}
    message = tell(make_incident(organization, T0), target, T0, **dead)
    own = f"{address}{target.uuid}/"
    assert "Summary 1 Not delivered, created" in text_of(administrator.get(own))
    again = administrator.post(f"{own}messages/{message.uuid}/again/", follow=True)
    assert "The message is sent again." in text_of(again)
    assert "1 more message is about to be sent." in text_of(again)
    twice = administrator.post(f"{own}messages/{message.uuid}/again/", follow=True)
    assert "Only a message that was not delivered can be sent again." in text_of(twice)


def test_a_target_is_paused_resumed_and_deleted(
    administrator: Client, organization: Organization, address: str
) -> None:
    own = f"{address}{made(organization, AlertTarget.Kind.WEBHOOK, url=HOOK).uuid}/"
    assert "Paused by an Administrator" in text_of(administrator.post(f"{own}pause/", follow=True))
    assert "Ops is on again." in text_of(administrator.post(f"{own}resume/", follow=True))
    assert "Ops is deleted." in text_of(administrator.post(f"{own}delete/", follow=True))
    page = AlertTarget.objects.get()
    kept = administrator.post(f"{address}{page.uuid}/delete/", follow=True)
    assert "The page always tells." in text_of(kept)


def test_targets_of_others_and_of_persons_are_not_there(
    administrator: Client, organization: Organization, address: str
) -> None:
    theirs = made(make_organization(), AlertTarget.Kind.WEBHOOK, url=HOOK)
    assert administrator.get(f"{address}{theirs.uuid}/").status_code == 404
    own = made(organization, AlertTarget.Kind.WEBHOOK, url=HOOK)
    AlertTarget.objects.filter(pk=own.pk).update(person=make_member(organization))
    assert administrator.get(f"{address}{own.uuid}/").status_code == 404


def test_query_count(
    administrator: Client,
    organization: Organization,
    address: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    target = made(organization, AlertTarget.Kind.WEBHOOK, url=HOOK)
    for rows in (1, 29):
        for _ in range(rows):
            made(organization, AlertTarget.Kind.WEBHOOK, url=HOOK)
            tell(make_incident(organization, T0), target, T0, outcome=AlertMessage.Outcome.DEAD)
        with django_assert_num_queries(LIST_QUERIES):
            administrator.get(address)
        with django_assert_num_queries(PAGE_QUERIES):
            administrator.get(f"{address}{target.uuid}/")
