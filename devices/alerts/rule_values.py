"""What a rule is to be: its values, the usual ones, and which cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from devices.alerts import own_words, parameters, scopes
from devices.alerts.hours import Hours
from devices.alerts.refusals import Invalid
from devices.listing.kept_list import KeptFilters
from devices.models import AlertTarget, Condition, Severity

if TYPE_CHECKING:
    from msgspec import Struct

MOST_STEPS: Final = 20  # of a rule: times and targets
MOST_TIMES: Final = 5  # of a rule
LONGEST_DELAY: Final = timedelta(days=30)
LONGEST_GATHERING: Final = timedelta(minutes=15)
SOONEST_REPEAT: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Step:
    """Whom the rule tells so long after an incident of its devices fires."""

    after: timedelta
    targets: Sequence[AlertTarget]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a rule is to be."""

    name: str
    condition: Condition
    parameters: Struct
    delay: timedelta
    hold: timedelta
    severity: Severity = Severity.WARNING
    scope: KeptFilters = field(default_factory=KeptFilters)
    gather: timedelta = timedelta(seconds=60)
    repeat: timedelta | None = None
    tell_recovery: bool = True
    hours: Hours | None = None
    critical_ignores_hours: bool = True
    runbook: str = ""
    subject: str = ""  # of devices.alerts.own_words, as is the text
    text: str = ""
    note: str = ""
    enabled: bool = True
    steps: Sequence[Step] = ()


def usual(name: str, condition: Condition, severity: Severity, **values: Any) -> Wanted:
    """A rule with the usual parameters and times of its condition, but for `values`."""
    kind = parameters.KINDS[condition]
    times: dict[str, Any] = {"parameters": kind.parameters(), "delay": kind.delay, "hold": kind.hold}
    return Wanted(name=name, condition=condition, severity=severity, **times | values)


def check(wanted: Wanted) -> None:
    """Refuse what a rule cannot be: Invalid, which names the field."""
    parameters.read(wanted.condition, parameters.stored(wanted.parameters))
    checks = (
        ("name", bool(wanted.name.strip()), "Give the rule a name."),
        ("delay", timedelta() <= wanted.delay <= LONGEST_DELAY, "A delay is at most 30 days."),
        ("hold", timedelta() <= wanted.hold <= LONGEST_DELAY, "A hold is at most 30 days."),
        ("gather", timedelta() <= wanted.gather <= LONGEST_GATHERING, "Gather for at most 15 minutes."),
        ("repeat", wanted.repeat is None or wanted.repeat >= SOONEST_REPEAT, "Repeat each hour at most."),
        ("runbook", _is_https(wanted.runbook), "A runbook's address begins with https://."),
        ("steps", len(wanted.steps) <= MOST_TIMES, f"A rule has at most {MOST_TIMES} steps."),
        (
            "steps",
            sum(len(step.targets) for step in wanted.steps) <= MOST_STEPS,
            f"The steps of a rule name at most {MOST_STEPS} targets.",
        ),
    )
    for name, fine, text in checks:
        if not fine:
            raise Invalid(name, text)
    _check_words("subject", wanted.subject, own_words.MOST_OF_SUBJECT)
    _check_words("text", wanted.text, own_words.MOST_OF_TEXT)


def _check_words(name: str, words: str, most: int) -> None:
    if len(words) > most:
        raise Invalid(name, f"Use at most {most} characters.")
    if fault := own_words.fault(words):
        raise Invalid(name, fault)


def _is_https(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return not address or (parts.scheme == "https" and bool(parts.hostname))


def seconds(duration: timedelta) -> int:
    """A duration as the columns of a rule have it: whole seconds."""
    return duration // timedelta(seconds=1)


def stored_scope(scope: KeptFilters) -> dict[str, Any]:
    """The devices of a rule as JSON. Raises Invalid where they are named by what changes with the status."""
    try:
        return scopes.stored(scope)
    except scopes.OfThePresent as error:
        raise Invalid("scope", "Choose devices by what does not change with their status.") from error
