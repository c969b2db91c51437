"""Alert rules: those that come with the product, and those that people create, change and delete."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock
from devices.alerts import hours, parameters, scopes
from devices.alerts.refusals import Invalid, NameTaken, TooMany
from devices.alerts.rule_values import Step, Wanted, check, seconds, stored_scope, usual
from devices.models import AlertRule, AlertStep, AlertTarget, Condition, Listener, Severity, Signal
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Organization, Role
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from fleets.actor import Actor

MOST: Final = 100  # rules of an organization
UNCHANGED: Final = (
    "note",
    "enabled",
    "tell_recovery",
    "critical_ignores_hours",
    "runbook",
    "subject",
    "text",
)  # as columns


# Those that come with the product, by the word that AlertRule.shipped keeps.
SHIPPED: Final[dict[str, Wanted]] = {
    "together": usual("Lost together", Condition.TOGETHER, Severity.CRITICAL),
    "offline": usual("Offline", Condition.STATUS, Severity.WARNING, delay=timedelta(minutes=5)),
    "stalled": usual("Stalled", Condition.STALLED, Severity.WARNING),
    "flapping": usual("Flapping", Condition.FLAPPING, Severity.INFO),
    "share": usual("A fifth is Offline", Condition.SHARE, Severity.CRITICAL),
}


def version_of(rule: AlertRule) -> str:
    """Names what the rule is, so that a change can tell whether it was made up from it."""
    return version(_told(rule))


@transaction.atomic
def create(
    *, organization: Organization, wanted: Wanted, actor: Actor | None, at: datetime | None = None
) -> AlertRule:
    """Add a rule. Raises PermissionDenied, Invalid, NameTaken, TooMany."""
    locks.hold([organization.pk])
    roles.require(actor, Role.ADMINISTRATOR, organization)
    if AlertRule.objects.filter(organization=organization).count() >= MOST:
        raise TooMany
    rule = AlertRule(organization=organization, **_values(wanted))
    _store(rule, wanted.steps)
    compare_again(rule, at)
    _audit("alert-rule-created", rule, actor, at, after=_told(rule))
    return rule


@transaction.atomic
def change(
    *, rule: AlertRule, wanted: Wanted, seen: str, actor: Actor | None, at: datetime | None = None
) -> AlertRule:
    """Let the rule be another, made up from its version `seen`; its members are looked at again.

    Raises PermissionDenied, Invalid, NameTaken, ChangedMeanwhile, AlertRule.DoesNotExist.
    """
    now = _held(rule, actor)
    before = _told(now)
    if version(before) != seen:
        raise ChangedMeanwhile(now.name, now)
    for name, value in _values(wanted).items():
        setattr(now, name, value)
    now.broken = ""
    _store(now, wanted.steps)
    compare_again(now, at)
    if (after := _told(now)) != before:
        differ = [name for name in after if after[name] != before[name]]
        was, became = ({name: told[name] for name in differ} for told in (before, after))
        _audit("alert-rule-changed", now, actor, at, before=was, after=became)
    return now


@transaction.atomic
def delete(*, rule: AlertRule, actor: Actor | None, at: datetime | None = None) -> None:
    """Forget the rule; what it told stays. Raises PermissionDenied, AlertRule.DoesNotExist."""
    now = _held(rule, actor)
    _audit("alert-rule-deleted", now, actor, at, before=_told(now))
    compare_again(now, at)
    now.delete()
    listen(now.organization_id)


@transaction.atomic
def ship(organization: Organization) -> None:
    """Give an organization, once, what comes with the product: the page as a target, rules that tell it."""
    locks.hold([organization.pk])
    page, new = AlertTarget.objects.get_or_create(
        organization=organization, kind=AlertTarget.Kind.PAGE, defaults={"name": "This site"}
    )
    if not new:
        return
    for shipped, wanted in SHIPPED.items():
        rule = AlertRule(organization=organization, shipped=shipped, **_values(wanted))
        _store(rule, [Step(timedelta(), [page])])


WITHOUT_PAGE: Final = """
SELECT * FROM fleets_organization o WHERE NOT EXISTS (
    SELECT FROM devices_alerttarget t WHERE t.organization_id = o.id AND t.kind = %s
)
"""


def ship_missing() -> None:
    """Give what comes with the product to every organization that has none of it; for the teller."""
    for organization in Organization.objects.raw(WITHOUT_PAGE, [AlertTarget.Kind.PAGE]):
        ship(organization)


def listen(organization: int) -> None:
    """Have the triggers write signals for an organization that has a rule in force, and for no other."""
    if AlertRule.objects.filter(organization=organization, enabled=True).exists():
        Listener.objects.get_or_create(organization_id=organization)
    else:
        Listener.objects.filter(organization=organization).delete()


def steps_of(rule: AlertRule) -> list[Step]:
    """The steps of a rule, the first one first."""
    found: dict[int, list[AlertTarget]] = {}
    for step in rule.steps.select_related("target"):
        found.setdefault(step.after, []).append(step.target)
    return [Step(timedelta(seconds=after), targets) for after, targets in found.items()]


def wanted_of(rule: AlertRule) -> Wanted:
    """What the rule is now, for a form that changes it. Raises Invalid, devices.alerts.scopes.Broken."""
    stored: dict[str, Any] = {name: getattr(rule, name) for name in UNCHANGED}
    times = {name: timedelta(seconds=getattr(rule, name)) for name in ("delay", "hold", "gather")}
    return Wanted(
        name=rule.name,
        condition=Condition(rule.condition),
        parameters=parameters.read(rule.condition, rule.parameters),
        severity=Severity(rule.severity),
        scope=scopes.kept_filters(rule.scope),
        hours=hours.read(rule.hours) if rule.hours else None,
        repeat=None if rule.repeat is None else timedelta(seconds=rule.repeat),
        steps=steps_of(rule),
        **stored | times,
    )


def _held(rule: AlertRule, actor: Actor | None) -> AlertRule:
    """The rule as it is, locked, for those who may change it."""
    locks.hold([rule.organization_id])
    roles.require(actor, Role.ADMINISTRATOR, rule.organization)
    return AlertRule.objects.select_for_update(no_key=True).get(pk=rule.pk)


def _values(wanted: Wanted) -> dict[str, Any]:
    check(wanted)
    return {
        "name": wanted.name,
        "enabled": wanted.enabled,
        "severity": wanted.severity,
        "scope": stored_scope(wanted.scope),
        "condition": wanted.condition,
        "parameters": parameters.stored(wanted.parameters),
        "delay": seconds(wanted.delay),
        "hold": seconds(wanted.hold),
        "gather": seconds(wanted.gather),
        "repeat": None if wanted.repeat is None else seconds(wanted.repeat),
        "tell_recovery": wanted.tell_recovery,
        "hours": wanted.hours.stored() if wanted.hours else None,
        "critical_ignores_hours": wanted.critical_ignores_hours,
        "runbook": wanted.runbook,
        "subject": wanted.subject,
        "text": wanted.text,
        "note": wanted.note,
    }


def _store(rule: AlertRule, steps: Iterable[Step]) -> None:
    with unique_violation(lambda name: NameTaken() if name == "alert_rule_name_once" else None):
        rule.save()
    rule.steps.all().delete()
    AlertStep.objects.bulk_create(
        AlertStep(rule=rule, target=_own(target, rule), after=seconds(step.after))
        for step in steps
        for target in dict.fromkeys(step.targets)
    )
    listen(rule.organization_id)


def compare_again(rule: AlertRule, at: datetime | None) -> None:
    """Have the next round compare the members of a rule with devices."""
    Signal.objects.create(
        organization_id=rule.organization_id,
        kind=Signal.Kind.RULE,
        device_id=0,
        change_id=rule.pk,
        at=at or clock.now(),
    )


def _own(target: AlertTarget, rule: AlertRule) -> AlertTarget:
    if target.organization_id != rule.organization_id:
        raise Invalid("steps", "Choose a target of this organization.")
    return target


def _told(rule: AlertRule) -> dict[str, Any]:
    """The rule as the audit log tells it."""
    names = (
        *("name", "enabled", "severity", "scope", "condition", "parameters", "delay", "hold", "gather"),
        *("repeat", "tell_recovery", "hours", "critical_ignores_hours", "runbook", "subject", "text", "note"),
    )
    steps = [
        {"after": seconds(step.after), "targets": [target.name for target in step.targets]}
        for step in steps_of(rule)
    ]
    return {name: getattr(rule, name) for name in names} | {"steps": steps}


def _audit(action: str, rule: AlertRule, actor: Actor | None, at: datetime | None, **facts: Any) -> None:
    subject = ("alert-rule", str(rule.uuid), rule.name)
    audit.record(
        action, actor=actor, organization=rule.organization, subject=subject, at=at or clock.now(), **facts
    )
