"""Digests: once a day, at the hour of a person's clocks, what began, what is still open and what ended."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.db import transaction
from pytest_django import Settings

from dashboard.models import User
from devices.alerts import follows, mutes, transports, unsubscribing
from devices.alerts.digests import Daily
from devices.alerts.hearers import Hearers, hearers
from devices.alerts.hours import Hours
from devices.alerts.text import whole
from devices.alerts.transports.envelope import Envelope, Outcome
from devices.alerts.wishes import wishes_of
from devices.listing.kept_list import KeptList, stored
from devices.models import AlertMessage, AlertStep, AlertTarget, Held, Incident, SavedView, Told
from fleets.models import Role
from tests.devices.alerts.sending import ACCEPTED, BROKEN, Receiver
from tests.devices.alerts.telling_site import MINUTE, Site, T, make_site
from tests.factories import make_member

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = T  # 12:00 UTC, on a Monday
EVENING = T + 6 * HOUR  # when the digests of these tests are written


@pytest.fixture
def site() -> Site:
    """Its rule tells nobody by a step."""
    site = make_site()
    AlertStep.objects.all().delete()
    return site


@pytest.fixture
def ada(site: Site) -> User:
    """She follows the rule, and is told at 19:00 of her clocks, which are an hour ahead of UTC."""
    ada = make_person(site, "ada")
    follows.follow(
        actor=ada, organization=site.organization, rule=site.rule, email=True, daily_at=19, at=NOON
    )
    return ada


def make_person(site: Site, name: str, role: Role = Role.OBSERVER) -> User:
    address = f"{name}@halden.example"
    fields = {"email": address, "proven_email": address, "time_zone": "Europe/Oslo"}
    return make_member(site.organization, role, name, **fields)


def told(since: datetime = T) -> list[str]:
    """The kinds of the messages written since then, in order."""
    found = AlertMessage.objects.filter(created_at__gte=since).order_by("pk")
    return list(found.values_list("kind", flat=True))


def digest(at: datetime = EVENING) -> str:
    """What the digest that was written then says, as plain text."""
    messages = list(AlertMessage.objects.filter(digest=True, created_at=at).order_by("pk"))
    target = AlertTarget.objects.get(person__username="ada")
    return Envelope(target, messages, at).worded(ZoneInfo("Europe/Oslo")).plain


def test_what_happens_waits_for_the_hour_and_is_then_one_mail(site: Site, ada: User) -> None:
    lasts, over = site.open(NOON, 1), site.open(NOON + HOUR, 1, first=1)
    site.resolve(over, NOON + 2 * HOUR)
    site.tell(EVENING - MINUTE)
    assert told() == []
    assert set(Held.objects.values_list("reason", "until")) == {("digest", EVENING)}
    site.tell(EVENING)
    assert told() == ["first", "resolved"]
    first, second = (device.name for device in site.devices[:2])
    times = "It began at 14:00:00 and was over at 15:00:00"
    urls = [whole(f"/incidents/{one.uuid}/") for one in (lasts, over)]
    assert digest().split("\n\n")[:-1] == [
        "This was so at 19:00:00 CET.",
        f"Began\n- [warning] {first} is Offline. It began at 13:00:00: {urls[0]}",
        f"Ended\n- [warning] {second} was Offline. {times}: {urls[1]}",
    ]


def test_the_next_one_says_what_is_still_open_and_then_what_ended(site: Site, ada: User) -> None:
    incident = site.open(NOON, 1)
    for day in range(2):
        site.tell(EVENING + day * DAY)
    assert told() == ["first", "reminder"]
    assert "Still open\n- [warning] " in digest(EVENING + DAY)
    site.resolve(incident, EVENING + DAY + HOUR)
    site.tell(EVENING + 2 * DAY)
    assert told() == ["first", "reminder", "resolved"]
    assert "Ended\n- [warning] " in digest(EVENING + 2 * DAY)


def test_where_there_is_nothing_nothing_is_sent(site: Site, ada: User) -> None:
    site.resolve(site.open(NOON, 1), NOON + HOUR)
    for day in range(4):
        site.tell(EVENING + day * DAY)
    assert told() == ["resolved"]
    assert not Held.objects.exists()
    assert set(Incident.objects.values_list("look_at", flat=True)) == {None}  # so no round looks at it again


def test_a_round_that_comes_late_writes_it_once(site: Site, ada: User) -> None:
    site.open(NOON, 1)
    assert Incident.objects.get().look_at == EVENING
    for minutes in (90, 91, 95):
        site.tell(EVENING + minutes * MINUTE)
    assert told() == ["first"]
    assert Held.objects.get().until == EVENING + DAY


def test_a_round_that_broke_has_written_none_of_it(site: Site, ada: User) -> None:
    site.open(NOON, 1)
    with contextlib.suppress(InterruptedError), transaction.atomic():
        site.tell(EVENING)
        raise InterruptedError
    assert told() == []
    site.tell(EVENING + MINUTE)
    assert told() == ["first"]


def test_the_mail_has_a_link_by_which_its_rules_are_told_no_more(
    site: Site, ada: User, settings: Settings
) -> None:
    settings.EMAIL_HOST = "mail.example"
    for number in range(2):
        site.open(NOON, 1, first=number)
    site.tell(EVENING)
    messages = list(AlertMessage.objects.order_by("pk"))
    target = AlertTarget.objects.get(person=ada)
    assert transports.send(Envelope(target, messages, EVENING)).outcome == Outcome.ACCEPTED
    (sent,) = mail.outbox
    organization = site.organization
    assert sent.subject == f"2 incidents of {organization} since the last daily e-mail".replace(" ", " ")
    assert sent.extra_headers["Message-ID"].startswith(f"<{messages[-1].uuid}.")
    assert sent.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = sent.extra_headers["List-Unsubscribe"].strip("<>")
    unsubscribing.unsubscribe(token=link.split("/")[-2], at=EVENING)
    assert wishes_of(ada.pk, organization.pk).rules == {site.rule.pk: False}


def test_it_is_one_mail_that_is_tried_again_as_one(site: Site, ada: User) -> None:
    """As where the mail server is away, or a worker died before it wrote that it was accepted."""
    site.open(NOON, 1)
    site.open(NOON, 1, first=1)
    site.tell(EVENING)
    AlertMessage.objects.update(outcome="", accepted_at=None, next_at=EVENING)
    Told.objects.all().delete()
    target, receiver = AlertTarget.objects.get(person=ada), Receiver(answers=iter([BROKEN, ACCEPTED]))
    again_at = receiver.deliver(target, EVENING)
    assert again_at is not None
    receiver.deliver(target, again_at)
    assert [len(envelope.messages) for envelope in receiver.sent] == [2, 2]
    assert set(AlertMessage.objects.values_list("outcome", flat=True)) == {"accepted"}
    assert set(Told.objects.values_list("state", flat=True)) == {"firing"}
    receiver.deliver(target, EVENING + HOUR)
    assert len(receiver.sent) == 2


def test_what_is_told_as_it_happens_is_no_part_of_it(site: Site, ada: User) -> None:
    """So where a step names her role, too, unless what she chose is about the rule itself."""
    observers = AlertTarget.objects.create(
        organization=site.organization, kind="role", name="Observers", role=Role.OBSERVER
    )
    AlertStep.objects.create(rule=site.rule, target=observers)
    mia = make_person(site, "mia")
    follows.follow_severity(actor=mia, organization=site.organization, severity="info", daily_at=19, at=NOON)
    incident = site.open(NOON, 1)
    assert set(AlertMessage.objects.values_list("target__name", "digest")) == {
        ("Observers", False),
        ("mia", False),
    }
    steps = list(AlertStep.objects.select_related("target"))
    assert hearers([site.rule], steps)[site.rule.pk] == Hearers(always=("mia",), daily=("ada",))
    site.tell(EVENING)
    site.resolve(incident, EVENING + HOUR)
    site.tell(EVENING + DAY)
    assert (
        list(AlertMessage.objects.filter(digest=True).values_list("target__name", flat=True)) == ["ada"] * 2
    )


def test_a_saved_view_is_told_once_a_day(site: Site) -> None:
    ada = make_person(site, "ada")
    view = SavedView.objects.create(name="All", kept=stored(KeptList()), owner=ada)
    follows.follow_views(actor=ada, organization=site.organization, views=[view], daily_at=19, at=NOON)
    site.open(NOON, 1)
    assert told() == []
    site.tell(EVENING)
    assert told() == ["first"]


def test_what_is_muted_is_left_out(site: Site, ada: User) -> None:
    """What ends while it is muted is not told; what is open at the end is in the next one."""
    own = {"what": site.rule, "organization": site.organization, "until": EVENING + HOUR, "for_all": False}
    mutes.mute(actor=ada, at=T, **own)  # type: ignore[arg-type]
    over = site.open(NOON, 1)
    site.open(NOON, 1, first=1)
    site.resolve(over, NOON + HOUR)
    site.tell(EVENING)
    site.tell(EVENING + HOUR)
    assert told() == []
    site.tell(EVENING + DAY)
    assert told() == ["first"]


def test_in_quiet_hours_it_waits_for_their_end(site: Site, ada: User) -> None:
    quiet = Hours("Europe/Oslo", [(0, 18 * 60, 21 * 60)])
    follows.keep_quiet(actor=ada, quiet=quiet, critical_passes=True, at=T)
    site.open(NOON, 1)
    site.tell(EVENING)
    assert told() == []
    site.tell(EVENING + 2 * HOUR)
    assert told() == ["first"]


def test_in_an_outage_of_ours_it_waits_for_its_end(site: Site, ada: User) -> None:
    site.resolve(site.open(NOON, 1), NOON + HOUR)
    site.outage = (EVENING - MINUTE, EVENING + MINUTE)
    site.tell(EVENING)
    assert told() == []
    site.tell(EVENING + MINUTE)
    assert told() == ["resolved"]


def test_another_hour_or_as_it_happens_counts_from_the_next_round_on(site: Site, ada: User) -> None:
    rule = {"actor": ada, "organization": site.organization, "rule": site.rule}
    site.open(NOON, 1)
    follows.follow(**rule, email=True, daily_at=20, at=NOON + HOUR)  # type: ignore[arg-type]
    site.tell(NOON + HOUR)
    assert Held.objects.get().until == EVENING + HOUR
    follows.follow(**rule, email=True, at=NOON + 2 * HOUR)  # type: ignore[arg-type]
    assert Incident.objects.get().look_at == NOON + 2 * HOUR
    site.tell(NOON + 2 * HOUR)
    assert (told(), Held.objects.count()) == (["first"], 0)


def test_whoever_follows_no_longer_is_sent_none(site: Site, ada: User) -> None:
    site.open(NOON, 1)
    follows.follow(actor=ada, organization=site.organization, rule=site.rule, email=False, at=NOON + HOUR)
    site.tell(NOON + HOUR)
    site.tell(EVENING)
    assert (told(), Held.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("hour", "day", "moment"),
    [
        (8, "2026-03-28", "2026-03-28T07:00Z"),
        (8, "2026-03-29", "2026-03-29T06:00Z"),  # clocks were set forward at 2:00
        (2, "2026-03-29", "2026-03-29T01:00Z"),  # a time that is skipped: when it is
        (2, "2026-10-25", "2026-10-25T00:00Z"),  # an hour that comes twice: the first
        (8, "2026-10-25", "2026-10-25T07:00Z"),
    ],
)
def test_it_comes_once_on_each_day_of_the_clocks(hour: int, day: str, moment: str) -> None:
    zone, daily = ZoneInfo("Europe/Oslo"), Daily(hour, "Europe/Oslo")
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    following = daily.next(midnight - timedelta(seconds=1), None)
    assert following == datetime.fromisoformat(moment)
    after = daily.next(following, None)
    assert after is not None
    assert after.astimezone(zone).date() == midnight.date() + DAY


def test_hours_that_are_always_quiet_have_none() -> None:
    week = [(day, 0, 24 * 60) for day in range(7)]
    assert Daily(8, "UTC").next(T, Hours("UTC", week)) is None
