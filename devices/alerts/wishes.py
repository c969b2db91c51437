"""Whether a person wants mail of a rule: what they say of it, of its severity, of all, in this order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from devices.alerts.cases import WORST_FIRST
from devices.models import AlertMessage, AlertRule, AlertStep, AlertTarget, Follow
from fleets.access import roles
from fleets.models import Role

if TYPE_CHECKING:
    from fleets.actor import Person


class Wishes:
    """What one person follows in one organization."""

    def __init__(self, follows: Iterable[Follow]) -> None:
        follows = list(follows)
        self.rules: Mapping[int, bool] = {one.rule_id: one.email for one in follows if one.rule_id}
        self.views = {one.view_id for one in follows if one.view_id and one.email}
        self.severity = next((one.severity for one in follows if one.severity and one.email), "")
        general = (one for one in follows if not (one.rule_id or one.view_id or one.severity))
        self.nothing = any(not one.email for one in general)
        # The hour of the digest of what is told once a day, by rule, by view, and of the severity.
        daily = [one for one in follows if one.email and one.digest == Follow.Digest.DAILY]
        self.daily: Mapping[int, int] = {one.rule_id: one.digest_hour for one in daily if one.rule_id}
        self.views_daily: Mapping[int, int] = {one.view_id: one.digest_hour for one in daily if one.view_id}
        self.severity_daily = next((one.digest_hour for one in daily if one.severity), None)

    def of(self, rule: AlertRule) -> bool | None:
        """Whether mail of this rule is wanted; None: where a step of it names their role."""
        if rule.pk in self.rules:
            return self.rules[rule.pk]
        if self.severity and WORST_FIRST[rule.severity] <= WORST_FIRST[self.severity]:
            return True
        return False if self.nothing else None

    def by_view(self, rule: AlertRule) -> bool:
        """Whether mail of this rule is wanted where a view that they follow lists a device of an incident."""
        return bool(self.views) and self.rules.get(rule.pk) is not False

    def daily_at(self, rule: AlertRule) -> int | None:
        """The hour of the digest that tells of this rule; None: none does."""
        if rule.pk in self.rules:
            return self.daily.get(rule.pk)
        return self.severity_daily if self.of(rule) else None

    def hear_by_role(self, rule: AlertRule) -> bool:
        """Whether steps of this rule that name their role tell them as it happens.

        A digest of a severity comes beside these, since it adds to what they hear; one of the rule itself
        comes instead.
        """
        if self.of(rule) is False or rule.pk in self.daily:
            return False
        return not (self.nothing and self.daily_at(rule) is not None)

    @property
    def hour(self) -> int | None:
        """The hour of their digests; None: they have none."""
        hours = [*self.daily.values(), *self.views_daily.values(), self.severity_daily]
        return next((hour for hour in hours if hour is not None), None)


def wishes_of(person: int, organization: int) -> Wishes:
    """What a person follows in an organization. One query."""
    return Wishes(list(Follow.objects.filter(person_id=person, organization=organization)))


def takes(person: Person, organization: int, message: AlertMessage) -> bool:
    """Whether a member takes mail of this message now.

    Of one of its rules they want it, or have a role that a step of it names; or they follow a view, of whose
    devices it was when it was written, and have not refused all of its rules. A message about no rule is
    taken unless they want no mail at all.
    """
    rules = rules_of([message], organization)
    wishes = wishes_of(person.pk, organization)
    if not rules:
        return not wishes.nothing
    named = _named(person, organization, rules)
    wanted = {rule.pk: wishes.of(rule) for rule in rules}
    if any(wishes.by_view(rule) for rule in rules):
        return True
    return any(wish or (wish is None and rule in named) for rule, wish in wanted.items())


def rules_of(messages: Iterable[AlertMessage], organization: int) -> list[AlertRule]:
    """The rules of the organization that these messages are about, without those deleted since."""
    named = {rule.get("uuid") for message in messages for rule in message.snapshot.get("rules", ())}
    return list(AlertRule.objects.filter(organization=organization, uuid__in=named - {None}))


def _named(person: Person, organization: int, rules: Collection[AlertRule]) -> set[int]:
    """Those of the rules, by primary key, of which a step names a role that the person has."""
    steps = AlertStep.objects.filter(rule__in=rules, target__kind=AlertTarget.Kind.ROLE)
    return {
        step.rule_id
        for step in steps.select_related("target")
        if roles.still_has(person.pk, Role(step.target.role), organization)
    }
