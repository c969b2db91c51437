"""Who is mailed of a rule now, as pages name them: by the wishes and steps by which messages are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from devices.alerts.own_steps import told_after
from devices.alerts.wishes import Wishes, wishes_of
from devices.models import AlertRule, AlertStep, Follow, Severity
from fleets.models import Membership, Role

NO_WISHES: Final = Wishes(())


@dataclass(frozen=True)
class Hearers:
    """The names of people with a confirmed address, in order.

    `always`: who is mailed of each incident of the rule, by a step or as they follow it or its severity;
    `daily`: who is mailed of each once a day; `by_view`: who is mailed only of those with a device in a saved
    view that they follow.
    """

    always: tuple[str, ...] = ()
    daily: tuple[str, ...] = ()
    by_view: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.always or self.daily or self.by_view)


def hearers(rules: Collection[AlertRule], steps: Sequence[AlertStep]) -> dict[int, Hearers]:
    """By rule, by primary key; they are of one organization, and `steps` are theirs, with their targets.

    Two queries, however many rules and people there are.
    """
    organizations = {rule.organization_id for rule in rules}
    members = Membership.objects.filter(organization__in=organizations, user__is_active=True)
    people = members.select_related("user").order_by("user__username")
    wishes = _wishes(organizations)
    proven = [(one, wishes.get(one.user_id, NO_WISHES)) for one in people if one.user.email_is_proven]
    return {rule.pk: _of(rule, proven, steps) for rule in rules}


def silenced(person: int, organization: int) -> list[AlertRule]:
    """The critical rules in force of which a step names a role of this person, by primary key, and which mail
    them nothing, since they said so.
    """
    membership = Membership.objects.filter(user=person, organization=organization).first()
    if membership is None:
        return []
    role, wishes = Role(membership.role), wishes_of(person, organization)
    critical = AlertRule.objects.filter(organization=organization, severity=Severity.CRITICAL, enabled=True)
    steps = list(AlertStep.objects.filter(rule__in=critical).select_related("target", "rule"))
    named = {step.rule for step in steps if told_after(step.rule, NO_WISHES, role, steps)}
    quiet = [rule for rule in named if wishes.of(rule) is False]
    return sorted(quiet, key=lambda rule: (rule.name, rule.pk))


def _wishes(organizations: Collection[int]) -> Mapping[int, Wishes]:
    follows: dict[int, list[Follow]] = defaultdict(list)
    for follow in Follow.objects.filter(organization__in=organizations):
        follows[follow.person_id].append(follow)
    return {person: Wishes(theirs) for person, theirs in follows.items()}


def _of(rule: AlertRule, people: Sequence[tuple[Membership, Wishes]], steps: Sequence[AlertStep]) -> Hearers:
    always, daily, by_view = list[str](), list[str](), list[str]()
    for one, wishes in people:
        if told_after(rule, wishes, Role(one.role), steps):
            always.append(one.user.get_username())
        elif wishes.daily_at(rule) is not None:
            daily.append(one.user.get_username())
        elif wishes.by_view(rule):
            by_view.append(one.user.get_username())
    return Hearers(tuple(always), tuple(daily), tuple(by_view))
