"""Telling people one by one, each at their own address, instead of as everybody with a role.

So it is with whoever follows something, has quiet hours or has muted something: what they know is kept for
each of them, and is held for each of them. They receive no mail of a role any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from devices.alerts.digests import Daily, zone_of
from devices.alerts.wishes import Wishes
from devices.models import AlertRule, AlertStep, AlertTarget, Follow, Mute, QuietHours
from fleets.models import Membership, Role

OWN = Q(kind=AlertTarget.Kind.EMAIL, person__isnull=False)


@dataclass(frozen=True)
class TellingStep:
    """That a target is told of a rule, by primary key, so many seconds after an incident opened: by a step of
    it, or as a person follows it. `daily`: in which digest; None: as it happens.
    """

    rule_id: int
    target: AlertTarget
    after: int = 0
    daily: Daily | None = None


def own_steps(
    rules: Collection[AlertRule], steps: Sequence[AlertStep], at: datetime
) -> Iterator[TellingStep]:
    """The steps, none of which is saved, by which people are told of these rules at their own addresses.

    `steps`: those that the rules have. The targets are created where they are missing.
    """
    people = _people({rule.organization_id for rule in rules}, at)
    targets = _targets(people)
    follows: dict[tuple[int, int], list[Follow]] = defaultdict(list)
    for follow in Follow.objects.filter(person__in={one.user_id for one in people}):
        follows[follow.person_id, follow.organization_id].append(follow)
    for one in people:
        key = (one.user_id, one.organization_id)
        wishes = Wishes(follows[key])
        for rule in rules:
            if rule.organization_id == one.organization_id:
                hour = wishes.daily_at(rule)
                if hour is not None:
                    yield TellingStep(rule.pk, targets[key], daily=Daily(hour, zone_of(one.user)))
                for after in told_after(rule, wishes, Role(one.role), steps):
                    yield TellingStep(rule.pk, targets[key], after)


def told_after(rule: AlertRule, wishes: Wishes, role: Role, steps: Sequence[AlertStep]) -> set[int]:
    """After how many seconds each a person with this role is told of a rule as it happens."""
    found = set[int]()
    if wishes.of(rule) and wishes.daily_at(rule) is None:
        found.add(0)
    if wishes.hear_by_role(rule):
        found |= {
            step.after
            for step in steps
            if step.rule_id == rule.pk
            and step.target.kind == AlertTarget.Kind.ROLE
            and step.target.enabled
            and role.includes(Role(step.target.role))
        }
    return found


def told_alone(organization: int) -> set[int]:
    """The people, by primary key, who are told at their own address."""
    own = AlertTarget.objects.filter(OWN, organization=organization).values_list("person", flat=True)
    return {person for person in own if person}


def _people(organizations: Collection[int], at: datetime) -> list[Membership]:
    """Who is told alone: whoever was, and whoever says something now that is about one person."""
    person = {"person": OuterRef("user")}
    here = person | {"organization": OuterRef("organization")}
    alone = Q(Exists(AlertTarget.objects.filter(OWN, **here))) | Q(Exists(Follow.objects.filter(**here)))
    alone |= Q(Exists(QuietHours.objects.filter(**person)))
    alone |= Q(Exists(Mute.objects.filter(**here, until__gt=at)))
    members = Membership.objects.filter(alone, organization__in=organizations)
    return list(members.select_related("user", "organization").order_by("pk"))


def _targets(people: Sequence[Membership]) -> dict[tuple[int, int], AlertTarget]:
    """By person and organization: their own targets, created where they are missing."""
    there = AlertTarget.objects.filter(OWN, person__in={one.user_id for one in people})
    found = {(target.person_id or 0, target.organization_id): target for target in there}
    missing = [one for one in people if (one.user_id, one.organization_id) not in found]
    new = AlertTarget.objects.bulk_create(
        AlertTarget(
            organization=one.organization,
            person=one.user,
            kind=AlertTarget.Kind.EMAIL,
            name=one.user.get_username()[:60],
        )
        for one in missing
    )
    return found | {(target.person_id or 0, target.organization_id): target for target in new}
