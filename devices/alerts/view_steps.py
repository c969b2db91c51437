"""Telling people of incidents of devices in a saved view that they follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from devices.alerts import holds, views
from devices.alerts.digests import Daily, zone_of
from devices.alerts.own_steps import OWN, TellingStep
from devices.alerts.telling_cases import Case
from devices.alerts.wishes import Wishes
from devices.clock import Moment
from devices.models import AlertTarget, Follow


def view_steps(cases: Sequence[Case], at: Moment) -> dict[int, list[TellingStep]]:
    """By incident: the steps, none of which is saved, by which people are told of it who follow such a view.

    Called once own_steps has created their targets. One query where nobody follows a view.
    """
    organizations = {case.incident.organization_id for case in cases}
    every = Follow.objects.filter(organization__in=organizations).select_related(
        "view", "organization", "person"
    )
    if not any(follow.view_id for follow in every):
        return {}
    devices = holds.devices_of([case.incident for case in cases])
    targets = _targets(every)
    found: dict[int, list[TellingStep]] = defaultdict(list)
    for (person, organization), follows in _by_person(every).items():
        wishes, target = Wishes(follows), targets.get((person, organization))
        mine = [case for case in cases if case.incident.organization_id == organization]
        among = set[int]().union(*(devices.get(case.incident.pk, set()) for case in mine))
        for follow in follows:
            if target is None or follow.view is None or not follow.email:
                continue
            listed = views.listed(follow.view, follow.organization, at, among)
            for case in mine:
                if listed & devices.get(case.incident.pk, set()):
                    found[case.incident.pk] += _steps(case, wishes, follow, target)
    return found


def _steps(case: Case, wishes: Wishes, follow: Follow, target: AlertTarget) -> list[TellingStep]:
    is_daily = follow.digest == Follow.Digest.DAILY
    daily = Daily(follow.digest_hour, zone_of(follow.person)) if is_daily else None
    rules = [rule for rule in case.rules if wishes.by_view(rule)]
    return [TellingStep(rule.pk, target, daily=daily) for rule in rules]


def _by_person(follows: Collection[Follow]) -> dict[tuple[int, int], list[Follow]]:
    found: dict[tuple[int, int], list[Follow]] = defaultdict(list)
    for follow in follows:
        found[follow.person_id, follow.organization_id].append(follow)
    return found


def _targets(follows: Collection[Follow]) -> dict[tuple[int, int], AlertTarget]:
    own = AlertTarget.objects.filter(OWN, person__in={follow.person_id for follow in follows})
    return {(target.person_id or 0, target.organization_id): target for target in own}
