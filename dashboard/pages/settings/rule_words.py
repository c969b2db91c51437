"""Alert rules in words: what each holds devices for, whom it tells, and how soon a message can arrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dashboard.pages.parts.scope_form import readable, scope_words
from dashboard.pages.settings.rule_forms import MARKS
from devices.alerts import parameters, scopes, timing
from devices.alerts.hearers import hearers
from devices.alerts.refusals import Invalid
from devices.alerts.rule_values import Wanted, usual
from devices.alerts.timing import Span
from devices.models import AlertRule, AlertStep, AlertTarget, Condition, Device, Mute, Severity
from devices.rules.vocabulary import Status
from devices.words import duration
from fleets.models import Organization

BY_EMAIL: Final = (AlertTarget.Kind.EMAIL, AlertTarget.Kind.ROLE)
SENTENCES: Final[dict[Condition, str]] = {
    Condition.STATUS: "A device is {statuses}.",
    Condition.TOGETHER: "{least} devices or more are lost within 5 min and share a cause.",
    Condition.STALLED: "An update or a configuration of a device has stalled.",
    Condition.FLAPPING: "A link of a device changes often.",
    Condition.SILENT: "A device has not been in contact for longer than {longer}.",
    Condition.SHARE: "{percent} % or more of the active devices, and {least} or more, are {statuses}.",
    Condition.VITALS: "A device is critical in one of these: {marks}.",
    Condition.NEVER_CAME: "A device was registered more than {longer} ago and has never been in contact.",
}


@dataclass(frozen=True)
class Row:
    """A rule in the list."""

    rule: AlertRule
    condition: str
    scope: list[str]
    steps: list[str]
    by_email: bool
    muted: Mute | None  # the one that lasts longest


def rows(rules: Sequence[AlertRule], names: Mapping[str, str], mutes: Iterable[Mute]) -> list[Row]:
    """The rules, with their steps and targets fetched beforehand. `names`: of fleets, by their slugs.

    `mutes`: of rules, the one that ends first before the others. Two queries: who is mailed of them.
    """
    muted = {mute.rule_id: mute for mute in mutes}
    mailed = hearers(rules, [step for rule in rules for step in rule.steps.all()])
    return [
        Row(
            rule,
            condition_words(rule.condition, rule.parameters),
            scope_words(readable(rule.scope), names),
            [_step_words(step) for step in rule.steps.all()],
            told_by_email(step.target for step in rule.steps.all()) or bool(mailed[rule.pk]),
            muted.get(rule.pk),
        )
        for rule in rules
    ]


def told_by_email(targets: Iterable[AlertTarget]) -> bool:
    """Whether anybody is told by e-mail."""
    return any(target.enabled and target.kind in BY_EMAIL for target in targets)


def condition_words(condition: str, stored: object) -> str:
    """What a rule holds devices for, in one sentence."""
    try:
        values = parameters.stored(parameters.read(condition, stored))
    except Invalid:
        return Condition(condition).label
    marks = dict(MARKS)
    words = {
        "statuses": " or ".join(Status(status).label for status in values.get("statuses", ())),
        "longer": duration(timedelta(seconds=values.get("seconds", 0))),
        "marks": ", ".join(marks[mark].lower() for mark in values.get("marks", ())),
    }
    return SENTENCES[Condition(condition)].format(**values | words)


def _step_words(step: AlertStep) -> str:
    if not step.after:
        return f"{step.target.name}, at once"
    return f"{step.target.name} after {duration(timedelta(seconds=step.after))}"


@dataclass(frozen=True)
class Timing:
    """How long after a plug is pulled a message can arrive, by the rule and by one of devices lost together.

    `told` None: the rule does not tell of pulled plugs. `together` None: that is no sooner.
    """

    devices: bool  # whether the rule covers any
    told: Span | None = None
    together: Span | None = None


def timing_of(wanted: Wanted, organization: Organization) -> Timing | None:
    """The timing of a rule; None where its devices cannot be found. Two queries at most."""
    mine = Device.objects.filter(organization=organization)
    try:
        links = timing.links_of(scopes.covered(mine, scopes.stored(wanted.scope), organization))
    except (scopes.Broken, scopes.OfThePresent):
        return None
    told = timing.message_after(wanted, links)
    other = timing.message_after(usual("", Condition.TOGETHER, Severity.CRITICAL), links)
    sooner = told and other and other.latest < told.latest and wanted.condition != Condition.TOGETHER
    return Timing(bool(links.intervals), told, other if sooner else None)
