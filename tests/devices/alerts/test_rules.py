"""Alert rules: what comes with the product, who may change them, what is refused, who listens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from dashboard.models import User
from devices.alerts import parameters, rule_values, rules, scopes
from devices.alerts.hours import Hours
from devices.alerts.parameters import LongerThan, Together
from devices.alerts.refusals import Invalid, NameTaken
from devices.alerts.rule_values import Step, usual
from devices.alerts.rules import version_of
from devices.listing.kept_list import KeptFilters
from devices.models import AlertRule, AlertTarget, Condition, Listener, Severity
from devices.rules.vocabulary import Status
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import AuditEntry, Organization, Role
from tests.factories import T0, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def ada(organization: Organization) -> User:
    return make_member(organization, Role.ADMINISTRATOR, "ada")


def offline(**values: Any) -> rule_values.Wanted:
    return replace(usual("Kiosks offline", Condition.STATUS, Severity.WARNING), **values)


def created(organization: Organization, actor: User, **values: Any) -> AlertRule:
    return rules.create(organization=organization, wanted=offline(**values), actor=actor, at=T0)


def test_every_organization_has_the_rules_of_the_product_which_tell_the_page_alone(
    organization: Organization,
) -> None:
    rules.ship_missing()
    rules.ship_missing()  # once
    shipped = AlertRule.objects.filter(organization=organization).order_by("pk")
    assert [(rule.name, rule.severity, rule.delay // 60, rule.enabled) for rule in shipped] == [
        ("Lost together", "critical", 2, True),
        ("Offline", "warning", 5, True),
        ("Stalled", "warning", 0, True),
        ("Flapping", "info", 0, True),
        ("A fifth is Offline", "critical", 5, True),
    ]
    told = {step.target.kind for rule in shipped for step in rule.steps.all()}
    assert told == {AlertTarget.Kind.PAGE}
    assert Listener.objects.filter(organization=organization).exists()


def test_a_shipped_rule_that_was_deleted_does_not_come_back(organization: Organization, ada: User) -> None:
    rules.ship_missing()
    rules.delete(rule=AlertRule.objects.get(organization=organization, shipped="flapping"), actor=ada, at=T0)
    rules.ship_missing()
    assert not AlertRule.objects.filter(organization=organization, shipped="flapping").exists()


def test_signals_are_written_only_while_a_rule_is_in_force(organization: Organization, ada: User) -> None:
    rule = created(organization, ada)
    assert Listener.objects.filter(organization=organization).exists()
    off = rules.change(rule=rule, wanted=offline(enabled=False), seen=version_of(rule), actor=ada, at=T0)
    assert not Listener.objects.filter(organization=organization).exists()
    rules.change(rule=off, wanted=offline(), seen=version_of(off), actor=ada, at=T0)
    assert Listener.objects.filter(organization=organization).exists()
    rules.delete(rule=off, actor=ada, at=T0)
    assert not Listener.objects.filter(organization=organization).exists()


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR])
def test_administrators_alone_change_rules(organization: Organization, ada: User, role: Role) -> None:
    other, rule = make_member(organization, role), created(organization, ada)
    with pytest.raises(PermissionDenied):
        created(organization, other, enabled=False)
    with pytest.raises(PermissionDenied):
        rules.change(rule=rule, wanted=offline(enabled=False), seen=version_of(rule), actor=other, at=T0)
    with pytest.raises(PermissionDenied):
        rules.delete(rule=rule, actor=other, at=T0)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"delay": timedelta(days=31)}, "delay"),
        ({"hold": -MINUTE}, "hold"),
        ({"gather": 16 * MINUTE}, "gather"),
        ({"repeat": 59 * MINUTE}, "repeat"),
        ({"runbook": "http://wiki.example/offline"}, "runbook"),
        ({"runbook": "https://[wiki"}, "runbook"),
        ({"runbook": "javascript:alert(1)"}, "runbook"),
        ({"scope": KeptFilters(statuses=(Status.OFFLINE,))}, "scope"),
        ({"scope": KeptFilters(vpn=("connected",))}, "scope"),
        ({"parameters": Together(least=4)}, "parameters"),
        ({"parameters": LongerThan(3600)}, "parameters"),  # of another condition
        ({"steps": [Step(number * MINUTE, []) for number in range(6)]}, "steps"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    organization: Organization, ada: User, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        created(organization, ada, **values)
    assert refused.value.field == field
    assert not AlertRule.objects.exists()


def test_a_target_of_somebody_else_is_refused(organization: Organization, ada: User) -> None:
    foreign = AlertTarget.objects.create(organization=make_organization(), kind="page", name="Page")
    with pytest.raises(Invalid):
        created(organization, ada, steps=[Step(timedelta(), [foreign])])
    assert not AlertRule.objects.exists()


def test_a_name_is_taken_whatever_its_case(organization: Organization, ada: User) -> None:
    created(organization, ada)
    with pytest.raises(NameTaken):
        created(organization, ada, name="KIOSKS OFFLINE")


def test_a_change_made_up_from_what_was_is_refused(organization: Organization, ada: User) -> None:
    rule = created(organization, ada)
    seen = version_of(rule)
    rules.change(rule=rule, wanted=offline(note="Call Ben"), seen=seen, actor=ada, at=T0)
    with pytest.raises(ChangedMeanwhile):
        rules.change(rule=rule, wanted=offline(note="Call Cem"), seen=seen, actor=ada, at=T0)
    assert AlertRule.objects.get().note == "Call Ben"


def test_the_audit_log_tells_what_changed(organization: Organization, ada: User) -> None:
    rule = created(organization, ada)
    hours = Hours("Europe/Berlin", [(0, 480, 1080)])
    changed = rules.change(rule=rule, wanted=offline(hours=hours), seen=version_of(rule), actor=ada, at=T0)
    rules.delete(rule=changed, actor=ada, at=T0)
    made, change, deleted = AuditEntry.objects.order_by("pk")
    assert made.after
    assert made.after["parameters"] == {"statuses": ["offline"]}
    assert (change.before, change.after) == (
        {"hours": None},
        {"hours": {"zone": "Europe/Berlin", "weekly": [[0, 480, 1080]]}},
    )
    assert deleted.before
    assert (deleted.action, deleted.before["name"]) == ("alert-rule-deleted", "Kiosks offline")


def test_a_scope_of_a_deleted_fleet_is_broken_and_never_all_devices(organization: Organization) -> None:
    fleet = make_fleet(organization)
    scope = scopes.stored(KeptFilters(fleets=(fleet.slug,)))
    assert scopes.filters_of(scope, organization).fleets == (fleet,)
    fleet.delete()
    with pytest.raises(scopes.Broken, match=f"There is no fleet “{fleet.slug}” here"):
        scopes.filters_of(scope, organization)


def test_an_empty_scope_is_all_devices_and_one_that_cannot_be_read_none(organization: Organization) -> None:
    assert scopes.stored(KeptFilters()) == {}
    assert not scopes.filters_of({}, organization).any
    with pytest.raises(scopes.Broken):
        scopes.filters_of({"fleet": ["x"]}, organization)


@pytest.mark.parametrize("condition", Condition)
def test_every_condition_has_parameters_that_are_read_as_they_were_stored(condition: Condition) -> None:
    given = parameters.KINDS[condition].parameters()
    assert parameters.read(condition, parameters.stored(given)) == given
