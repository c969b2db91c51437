"""Settings, Alert rules: what Administrators keep there, what is refused, what the form says of a rule."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices.alerts import rules
from devices.alerts.parameters import Share
from devices.alerts.rule_values import Step, usual
from devices.alerts.rules import version_of
from devices.listing.filters import Tag
from devices.listing.kept_list import KeptFilters
from devices.models import AlertRule, AlertTarget, Condition, Severity
from fleets.models import Organization, Role
from tests.dashboard.pages.settings.alert_rule_form import said, shipped
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, rules, steps, fleets of scopes, mutes, who hears of them (2), clock,
# fleets at the side
LIST_QUERIES = 11
# session, person, organizations, rule, its steps (twice), who hears of it (3), mutes, targets, fleets,
# intervals, side, clock
FORM_QUERIES = 15


@pytest.fixture
def organization() -> Organization:
    organization = make_organization()
    rules.ship(organization)
    return organization


@pytest.fixture
def page(organization: Organization) -> AlertTarget:
    return AlertTarget.objects.get(organization=organization)


@pytest.fixture
def administrator(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    return client


@pytest.fixture
def address(organization: Organization) -> str:
    return f"/settings/{organization.slug}/alert-rules/"


def test_the_list_says_what_each_rule_is(
    administrator: Client, organization: Organization, address: str
) -> None:
    AlertRule.objects.filter(shipped="offline").update(came_back=3, broken="There is no fleet “gone” here.")
    AlertRule.objects.filter(shipped="flapping").update(enabled=False)
    text = text_of(administrator.get(address))
    assert "Lost together Critical, on 5 devices or more are lost within 5 min and share a cause." in text
    assert "Offline Warning, on A device is Offline. All devices This site, at once" in text
    assert "Nobody is told by e-mail." in text
    assert "It holds no device: There is no fleet “gone” here." in text
    assert "3 times, a device recovered within the delay, so nobody was told." in text
    assert "Flapping Info, off A link of a device changes often." in text
    assert "20\xa0% or more of the active devices, and 10 or more, are Offline." in text.replace(
        "20 %", "20\xa0%"
    )


def test_a_rule_is_created_for_the_devices_of_a_list(
    administrator: Client, organization: Organization, address: str, page: AlertTarget
) -> None:
    make_fleet(organization, name="Kiosks", slug="kiosks")
    chosen = administrator.get(f"{address}new/?fleet=kiosks&status=offline&tag=site%3Da")
    assert "A share of the devices has one of these statuses" in text_of(chosen)
    form = administrator.get(f"{address}new/?condition=status&fleet=kiosks&tag=site%3Da").context["form"]
    assert form.scope.initial["fleet"] == ["kiosks"]
    assert form.scope.initial["tag"] == "site=a"
    sent = said(
        **{
            "scope-fleet": ["kiosks"],
            "scope-tag": "site = a\nspare",
            "repeat_0": "4",
            "step0-targets": [str(page.uuid)],
            "step1-after_0": "30",
            "step1-after_1": "min",
            "step1-targets": [str(page.uuid)],
            "hours-day0": "08:00-12:00, 13:00-18:00",
            "runbook": "https://wiki.example/kiosks",
            "tell_recovery": "on",
        }
    )
    assert "Kiosks is created." in text_of(administrator.post(f"{address}new/", sent, follow=True))
    made = rules.wanted_of(AlertRule.objects.get(name="Kiosks"))
    assert made.scope == KeptFilters(fleets=("kiosks",), tags=(Tag("site", "a"), Tag("spare")))
    assert (made.severity, made.repeat, made.delay) == ("critical", timedelta(hours=4), timedelta(minutes=2))
    assert made.hours
    assert made.hours.stored() == {"zone": "Europe/Oslo", "weekly": [[0, 480, 720], [0, 780, 1080]]}
    assert [(step.after, step.targets) for step in made.steps] == [
        (timedelta(), [page]),
        (timedelta(minutes=30), [page]),
    ]
    assert (made.tell_recovery, made.critical_ignores_hours) == (True, False)


@pytest.mark.parametrize("condition", Condition)
def test_the_form_of_each_condition_sends_what_it_shows(
    administrator: Client, address: str, condition: Condition
) -> None:
    page = administrator.get(f"{address}new/?condition={condition}")
    sent = {"condition": str(condition), "name": f"New {condition}"}
    forms = page.context["form"]
    for form in (forms.main, forms.parameters, forms.scope, forms.hours, *forms.steps):
        for field in form:
            if (value := field.value()) is not None and field.name != "name":
                shown = field.field.widget.decompress(value) if field.name in SPANS else [value]
                names = (
                    [f"{field.html_name}_{n}" for n in (0, 1)] if field.name in SPANS else [field.html_name]
                )
                sent |= {
                    name: "on" if part is True else part
                    for name, part in zip(names, shown, strict=True)
                    if part is not None and part is not False
                }
    assert administrator.post(f"{address}new/", sent).status_code == 302
    made = rules.wanted_of(AlertRule.objects.get(name=f"New {condition}"))
    steps = [Step(timedelta(), [AlertTarget.objects.get()])]
    assert made == usual(f"New {condition}", condition, Severity.WARNING, steps=steps)


SPANS = ("delay", "hold", "gather", "repeat", "after", "seconds")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "offline"}, "An alert rule with this name already exists."),
        ({"of-statuses": []}, "Choose at least one status."),
        ({"delay_0": "31", "delay_1": "d"}, "A delay is at most 30 days."),
        ({"delay_0": "soon"}, "Enter a whole number from 0 to 999999."),
        ({"hold_0": ""}, "This field is required."),
        ({"gather_0": "16", "gather_1": "min"}, "Gather for at most 15 minutes."),
        ({"repeat_0": "5", "repeat_1": "min"}, "Repeat each hour at most."),
        ({"runbook": "http://wiki.example/"}, "A runbook's address begins with https://."),
        ({"hours-day0": "8 to 18"}, "Write each as 08:00-18:00"),
        ({"hours-day6": "22:00-06:00"}, "Let each of the hours end after it starts."),
        ({"hours-day6": "22:00-23:75"}, "Write each as 08:00-18:00"),
        ({"scope-tag": "=a"}, "“=a” is not a tag."),
        ({"scope-fleet": ["far"]}, "far is not one of the available choices."),
        ({"step0-targets": ["00000000-0000-0000-0000-000000000000"]}, "is not one of the available choices."),
    ],
)
def test_what_is_refused_stays_in_the_form_and_is_named(
    administrator: Client, organization: Organization, address: str, wrong: dict[str, Any], told: str
) -> None:
    make_fleet(organization)
    stalled = shipped(organization, "stalled")
    own, seen = f"{address}{stalled.uuid}/", version_of(stalled)
    before = set(AlertRule.objects.values_list("name", "delay"))
    page = administrator.post(f"{address}new/", said(**wrong))
    assert told in unescape(text_of(page))
    assert set(AlertRule.objects.values_list("name", "delay")) == before
    if "of-statuses" not in wrong:
        assert told in unescape(text_of(administrator.post(own, said(seen=seen, **wrong))))


def test_a_change_over_anothers_is_409_and_saved_when_sent_again(
    administrator: Client, organization: Organization, address: str
) -> None:
    rule = shipped(organization, "offline")
    own = f"{address}{rule.uuid}/"
    seen = administrator.get(own).context["seen"]
    theirs = usual("Theirs", Condition.STATUS, Severity.INFO)
    rules.change(rule=rule, wanted=theirs, seen=seen, actor=None)
    late = administrator.post(own, said(seen=seen))
    assert late.status_code == 409
    assert "Others changed the rule “Theirs” meanwhile." in text_of(late)
    refused = administrator.post(own, said(seen=late.context["seen"], runbook="ftp://x"))
    again = said(seen=refused.context["seen"])
    assert "Kiosks is saved." in text_of(administrator.post(own, again, follow=True))
    rule.refresh_from_db()
    assert (rule.name, rule.severity) == ("Kiosks", "critical")


def test_a_rule_is_deleted_once(administrator: Client, organization: Organization, address: str) -> None:
    rule = shipped(organization, "offline")
    own = f"{address}{rule.uuid}/"
    assert "Offline is deleted." in text_of(administrator.post(f"{own}delete/", follow=True))
    assert administrator.post(own, said(seen="")).status_code == 404
    theirs = make_organization()
    rules.ship(theirs)
    assert administrator.get(f"{address}{shipped(theirs, 'offline').uuid}/").status_code == 404


def test_the_form_says_when_a_message_can_arrive_and_suggests_what_is_sooner(
    administrator: Client, organization: Organization, address: str
) -> None:
    own = f"{address}{shipped(organization, 'offline').uuid}/"
    assert "No device is covered by this rule now." in text_of(administrator.get(own))
    make_device(make_fleet(organization, slug="sheds"), poll_interval=900, vpn_enabled=True)
    preview = said(preview="1", seen="x")
    text = text_of(administrator.post(own, preview))
    assert "A message can arrive 9 min 45 s to 25 min 45 s after a plug is pulled." in text.replace(
        "\xa0", " "
    )
    assert (
        "A rule for devices that are lost together tells of a whole site after 5 min at most"
        in text.replace("\xa0", " ")
    )
    flapping = f"{address}{shipped(organization, 'flapping').uuid}/"
    assert "A pulled plug alone leads to no message of this rule." in text_of(administrator.get(flapping))
    assert shipped(organization, "offline").name == "Offline"  # a preview saves nothing


def test_whether_anybody_is_told_by_email_is_said(
    administrator: Client, organization: Organization, address: str
) -> None:
    own = f"{address}{shipped(organization, 'offline').uuid}/"
    assert "Nobody is told by e-mail." in text_of(administrator.get(own))
    target = AlertTarget.objects.create(
        organization=organization, kind=AlertTarget.Kind.ROLE, role=Role.OPERATOR, name="Operators"
    )
    administrator.post(
        own, said(seen=administrator.get(own).context["seen"], **{"step0-targets": [target.uuid]})
    )
    assert "Nobody is told by e-mail." not in text_of(administrator.get(own))


def test_a_fleet_that_is_gone_is_named_and_must_be_replaced(
    administrator: Client, organization: Organization, address: str
) -> None:
    fleet = make_fleet(organization, slug="sheds")
    wanted = usual("Sheds", Condition.SHARE, Severity.INFO, scope=KeptFilters(fleets=("sheds",)))
    rule = rules.create(organization=organization, wanted=wanted, actor=None)
    fleet.delete()
    own = f"{address}{rule.uuid}/"
    page = administrator.get(own)
    assert "sheds (deleted)" in text_of(page)
    sent = said(seen=version_of(rule), **{"of-percent": "30", "of-least": "3", "scope-fleet": ["sheds"]})
    assert "There is no fleet “sheds” here." in text_of(administrator.post(own, sent))
    administrator.post(own, sent | {"scope-fleet": []})
    rule.refresh_from_db()
    assert (rule.scope, rules.wanted_of(rule).parameters) == ({}, Share(percent=30, least=3))


def test_operators_see_the_rules_and_cannot_change_them(
    client: Client, organization: Organization, address: str
) -> None:
    client.force_login(make_member(organization, Role.OPERATOR))
    assert "New rule" not in text_of(client.get(address))
    page = client.get(f"{address}{shipped(organization, 'offline').uuid}/")
    assert "Administrators change rules." in text_of(page)
    assert 'id="id_name" disabled' in page.content.decode() or "disabled" in str(
        page.context["form"].main["name"]
    )


def test_query_count(
    administrator: Client,
    organization: Organization,
    address: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fleet = make_fleet(organization, slug="sheds")
    own = f"{address}{shipped(organization, 'offline').uuid}/"
    for number in range(30):
        make_device(fleet)
        target = AlertTarget.objects.create(organization=organization, kind="webhook", name=str(number))
        more = {"scope": KeptFilters(fleets=("sheds",)), "steps": [Step(timedelta(), [target])]}
        wanted = usual(str(number), Condition.STALLED, Severity.INFO, **more)
        rules.create(organization=organization, wanted=wanted, actor=None)
        if number in (0, 29):
            with django_assert_num_queries(LIST_QUERIES):
                administrator.get(address)
            with django_assert_num_queries(FORM_QUERIES):
                administrator.get(own)


def test_a_filtered_list_leads_to_a_new_rule_about_its_devices(
    administrator: Client, organization: Organization, address: str
) -> None:
    make_fleet(organization, slug="sheds")
    rule = f"{address}new/?fleet=sheds&amp;status=offline"
    assert rule in administrator.get("/devices/?fleet=sheds&status=offline").content.decode()
    assert "alert-rules/new/" not in administrator.get("/devices/?status=offline").content.decode()
