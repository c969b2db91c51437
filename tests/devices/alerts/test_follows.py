"""People who are told alone: by what they follow, in their quiet hours, by their own mutes."""

from __future__ import annotations

import pytest

from dashboard.models import User
from devices.alerts import follows, mutes, transports
from devices.alerts.hearers import Hearers, hearers
from devices.alerts.hours import Hours
from devices.alerts.transports import role
from devices.alerts.transports.envelope import Envelope, Outcome
from devices.models import AlertMessage, AlertStep, AlertTarget, Held
from fleets.models import Membership, Organization, Role
from tests.devices.alerts.telling_site import HELD_FROM, HELD_UNTIL, MINUTE, Site, T, make_site
from tests.factories import make_member as make_unproven

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    """Its rule tells all Operators by e-mail, and nobody else."""
    site = make_site()
    AlertStep.objects.all().delete()
    operators = AlertTarget.objects.create(
        organization=site.organization, kind="role", name="Operators", role=Role.OPERATOR
    )
    AlertStep.objects.create(rule=site.rule, target=operators)
    return site


def make_member(organization: Organization, role: Role) -> User:
    """A member with a confirmed address."""
    name = f"person-{Membership.objects.count()}"
    address = f"{name}@halden.example"
    return make_unproven(organization, role, name, email=address, proven_email=address)


def told(site: Site) -> list[tuple[str, str]]:
    """The name of the target of each message, and its kind."""
    messages = AlertMessage.objects.order_by("pk").values_list("target__name", "kind")
    return [(name, kind) for name, kind in messages]


def listed(site: Site) -> Hearers:
    """Whom the page of the rule names."""
    return hearers([site.rule], list(AlertStep.objects.select_related("target")))[site.rule.pk]


def recipients(message: AlertMessage) -> set[str]:
    """Whom the mail of a role is for."""
    return {person.get_username() for person in role.recipients(Envelope(message.target, [message], T))}


def test_whoever_says_nothing_is_told_by_their_role(site: Site) -> None:
    mia = make_member(site.organization, Role.OPERATOR)
    site.open(T)
    assert told(site) == [("Operators", "first")]
    assert mia.get_username() in recipients(AlertMessage.objects.get())


@pytest.mark.parametrize(("severity", "hears"), [("critical", False), ("warning", True), ("info", True)])
def test_an_observer_follows_a_severity_or_worse(site: Site, severity: str, hears: bool) -> None:  # noqa: FBT001
    ada = make_member(site.organization, Role.OBSERVER)
    follows.follow_severity(actor=ada, organization=site.organization, severity=severity)
    site.open(T)
    assert ((ada.get_username(), "first") in told(site)) == hears
    assert (ada.get_username() in listed(site).always) == hears


def test_what_is_said_of_a_rule_comes_first(site: Site) -> None:
    """Also for whoever has the role that a step names; the others are told as before."""
    mia, tom = (make_member(site.organization, Role.OPERATOR) for _ in range(2))
    follows.follow_severity(actor=mia, organization=site.organization, severity="info")
    follows.follow(actor=mia, organization=site.organization, rule=site.rule, email=False)
    site.open(T)
    assert told(site) == [("Operators", "first")]
    assert recipients(AlertMessage.objects.get()) & {mia.get_username(), tom.get_username()} == {
        tom.get_username()
    }
    assert listed(site) == Hearers((tom.get_username(),), ())


def test_in_quiet_hours_a_person_is_told_afterwards_what_still_lasts(site: Site) -> None:
    mia = make_member(site.organization, Role.OPERATOR)
    quiet = Hours("UTC", [(0, 12 * 60 + 10, 13 * 60 + 10)])
    follows.keep_quiet(actor=mia, quiet=quiet, critical_passes=True, at=T)
    site.open(HELD_FROM + MINUTE)
    assert told(site) == [("Operators", "first")]
    assert (Held.objects.get().target.person, Held.objects.get().reason) == (mia, "quiet")
    site.tell(HELD_UNTIL)
    assert told(site)[1:] == [(mia.get_username(), "first")]


def test_an_own_mute_is_of_nobody_else(site: Site) -> None:
    mia = make_member(site.organization, Role.OPERATOR)
    own = {"what": site.rule, "organization": site.organization, "until": HELD_UNTIL, "for_all": False}
    mutes.mute(actor=mia, at=T, **own)  # type: ignore[arg-type]
    site.open(HELD_FROM)
    assert told(site) == [("Operators", "first")]
    site.tell(HELD_UNTIL)
    assert told(site)[1:] == [(mia.get_username(), "first")]


def test_whoever_lost_the_role_by_which_they_heard_is_sent_no_more(site: Site) -> None:
    mia = make_member(site.organization, Role.OPERATOR)
    quiet = Hours("UTC", [(6, 0, 60)])  # so she is told alone
    follows.keep_quiet(actor=mia, quiet=quiet, critical_passes=True, at=T)
    site.open(T)
    Membership.objects.filter(user=mia).update(role=Role.OBSERVER)
    message = AlertMessage.objects.get(target__person=mia)
    assert transports.send(Envelope(message.target, [message], T)).outcome == Outcome.REFUSED


def test_where_all_are_told_alone_the_role_has_taken_it(site: Site) -> None:
    mia = make_member(site.organization, Role.OPERATOR)
    follows.follow(actor=mia, organization=site.organization, rule=site.rule, email=True)
    Membership.objects.exclude(user=mia).delete()
    site.open(T)
    message = AlertMessage.objects.get(target__kind="role")
    assert transports.send(Envelope(message.target, [message], T)).outcome == Outcome.ACCEPTED
    assert AlertMessage.objects.get(target__person=mia).kind == "first"
