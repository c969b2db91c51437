"""Site administrators are told of each outage of ours of more than a minute, once; nobody else is."""

from __future__ import annotations

import pytest
from django.core import mail
from pytest_django import Settings

from dashboard.account import people
from dashboard.models import User
from devices.alerts import outages
from devices.alerts.rounds import run_round
from devices.connectivity.outages import record_liveness
from devices.models import AlertMessage, Outage
from tests.devices.alerts.sending import tasks
from tests.factories import T0, seconds

pytestmark = pytest.mark.django_db


def listen(*ats: float) -> None:
    """Signs of the ingest at these seconds, with a round one second after each."""
    for at in ats:
        record_liveness(T0 + seconds(at))
        run_round(T0 + seconds(at + 1))


def told() -> list[int]:
    """The seconds that the outages lasted of which somebody is to be told."""
    lasted = {one.pk: one.ended_at - one.began_at for one in Outage.objects.all()}
    return [int(lasted[task["outage"]].total_seconds()) for task in tasks(outages.TASK)]


def test_a_long_outage_is_told_once() -> None:
    listen(0, 2, 4, 65, 67, 140, 142, 144)
    assert told() == [61, 73]
    assert not AlertMessage.objects.exists()


def test_an_outage_of_a_minute_is_not_told() -> None:
    listen(0, 60, 62)
    assert Outage.objects.count() == 1
    assert told() == []


def test_an_open_outage_is_told_when_it_is_over() -> None:
    listen(0)
    for at in range(20, 200, 20):
        run_round(T0 + seconds(at))
    assert told() == []
    listen(200)
    assert told() == [200]


def test_two_outages_between_two_rounds_are_both_told() -> None:
    listen(0)
    for at in (100, 102, 203, 204):
        record_liveness(T0 + seconds(at))
    run_round(T0 + seconds(205))
    assert told() == [100, 101]


def test_a_teller_that_never_was_tells_nothing_of_the_past() -> None:
    for at in (0, 100):
        record_liveness(T0 + seconds(at))
    listen(102, 300)
    assert told() == [198]


def make_person(name: str, *, superuser: bool = True, confirmed: bool = True) -> User:
    person = people.create(
        username=name, email=f"{name}@halden.example", password_hash="", superuser=superuser
    )
    if confirmed:
        User.objects.filter(pk=person.pk).update(proven_email=person.email)
    return person


def test_each_administrator_of_the_site_with_a_confirmed_address_gets_a_mail(settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example"
    settings.SITE_ADDRESS = "https://lookout.example"
    make_person("mia")
    make_person("olaf", confirmed=False)
    make_person("ulla", superuser=False)
    User.objects.filter(pk=make_person("gone").pk).update(is_active=False)
    outage = Outage.objects.create(began_at=T0, ended_at=T0 + seconds(4200))
    outages.tell(outage.pk)
    (sent,) = mail.outbox
    assert sent.to == ["mia@halden.example"]
    assert sent.subject == "Lookout was down for 1\u00a0h\u00a010\u00a0min"
    assert "received no reports of devices from 2 Mar 2026 12:00:00" in str(sent.body)


def test_a_site_without_mail_tells_nobody() -> None:
    make_person("mia")
    outages.tell(Outage.objects.create(began_at=T0, ended_at=T0 + seconds(4200)).pk)
    assert not mail.outbox
