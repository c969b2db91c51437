"""The form of an alert rule: what every rule has, the parameters of its condition, devices, hours, steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django import forms
from msgspec import Struct

from dashboard.pages.parts.interval_form import CONTROL, PLAIN
from dashboard.pages.parts.scope_form import CHECK, ScopeForm
from dashboard.pages.parts.span_field import SpanField
from dashboard.pages.parts.weekly_form import WeeklyForm
from devices.alerts import own_words, parameters, rule_values, rules
from devices.alerts.parameters import LongerThan, Nothing, OfStatus, Share, Together, Vitals
from devices.alerts.refusals import Invalid, NameTaken, TooMany
from devices.alerts.rule_values import Step, Wanted
from devices.models import AlertRule, AlertTarget, Severity
from devices.rules.vocabulary import Status
from fleets.models import Organization
from fleets.text import Words

TAKEN: Final = "An alert rule with this name already exists. Choose another name."
FULL: Final = f"There are already {rules.MOST} alert rules. Delete one first."
MARKS: Final = [
    ("memory", "Memory"),
    ("disk", "Disk"),
    ("temperature", "Temperature"),
    ("undervoltage", "Undervoltage"),
]


def _means_something(words: str) -> None:
    if fault := own_words.fault(words):
        raise forms.ValidationError(fault)


class RuleForm(forms.Form):
    """What every rule has."""

    name = Words(max_length=60, widget=forms.TextInput(PLAIN))
    enabled = forms.BooleanField(
        label="The rule is on", required=False, widget=forms.CheckboxInput(CHECK), initial=True
    )
    severity = forms.ChoiceField(choices=Severity.choices, widget=forms.Select(CONTROL))
    delay = SpanField(label="Delay", help_text="The condition must hold for so long before anyone is told.")
    hold = SpanField(
        label="Hold", help_text="A device must be well for so long before it counts as recovered."
    )
    gather = SpanField(
        label="Gather",
        help_text="Devices that follow within this time are in the first message. At most 15 minutes.",
    )
    repeat = SpanField(
        label="Repeat",
        required=False,
        help_text="Tell again while it lasts and nobody has acknowledged it. 1 hour or more; empty: never.",
    )
    tell_recovery = forms.BooleanField(
        label="Tell when it is over", required=False, widget=forms.CheckboxInput(CHECK)
    )
    critical_ignores_hours = forms.BooleanField(
        label="Critical incidents are told at any hour", required=False, widget=forms.CheckboxInput(CHECK)
    )
    runbook = forms.CharField(
        label="Runbook",
        required=False,
        max_length=500,
        help_text="An address that begins with https://. Messages show it.",
        widget=forms.URLInput({**PLAIN, "placeholder": "https://"}),
    )
    subject = Words(
        label="Subject",
        required=False,
        max_length=own_words.MOST_OF_SUBJECT,
        help_text=f"Instead of what happened to the devices, with these names: {own_words.LISTED}.",
        widget=forms.TextInput(PLAIN),
        validators=[_means_something],
    )
    text = Words(
        label="Text",
        lines=True,
        required=False,
        max_length=own_words.MOST_OF_TEXT,
        help_text="Instead of the usual sentences, with the same names. The devices follow it.",
        widget=forms.Textarea({**CONTROL, "rows": 4}),
        validators=[_means_something],
    )
    note = Words(lines=True, required=False, max_length=2000, widget=forms.Textarea({**CONTROL, "rows": 3}))


class StepForm(forms.Form):
    """One step: so long after an incident fires, these targets. Without a target there is no step."""

    after = SpanField(label="After", required=False)
    targets = forms.MultipleChoiceField(
        label="Targets", required=False, widget=forms.CheckboxSelectMultiple(CHECK)
    )

    def __init__(
        self, number: int, targets: Sequence[AlertTarget], step: Step | None, data: Any = None
    ) -> None:
        chosen = [str(target.uuid) for target in step.targets] if step else []
        first = {"after": step.after if step else None if number else timedelta(), "targets": chosen}
        super().__init__(data, prefix=f"step{number}", initial=first)
        self._targets = {str(target.uuid): target for target in targets}
        names = [
            (uuid, f"{target.name} ({target.get_kind_display()})") for uuid, target in self._targets.items()
        ]
        self.fields["targets"].choices = names  # type: ignore[attr-defined]
        self.number = number + 1

    @property
    def step(self) -> Step | None:
        """The step that the valid values mean."""
        chosen = [self._targets[uuid] for uuid in self.cleaned_data["targets"]]
        return Step(self.cleaned_data["after"] or timedelta(), chosen) if chosen else None


def _statuses() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label="Statuses",
        choices=Status.choices,
        widget=forms.CheckboxSelectMultiple(CHECK),
        error_messages={"required": "Choose at least one status."},
    )


def _number(label: str, least: int, most: int) -> forms.IntegerField:
    wrong = f"Enter a whole number from {least} to {most}."
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=most,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), wrong),
        widget=forms.NumberInput(PLAIN),
    )


class NothingForm(forms.Form):
    """Of a condition without parameters."""


class StatusForm(forms.Form):
    statuses = _statuses()


class TogetherForm(forms.Form):
    least = _number("At least so many devices", 5, 100_000)


class LongerThanForm(forms.Form):
    seconds = SpanField(label="For longer than", help_text="From 1 minute to 366 days.")

    def clean_seconds(self) -> int:
        longer: timedelta = self.cleaned_data["seconds"]
        if not timedelta(minutes=1) <= longer <= timedelta(days=366):
            raise forms.ValidationError("Enter a time from 1 minute to 366 days.")
        return longer // timedelta(seconds=1)


class ShareForm(forms.Form):
    percent = _number("At least so many percent of the active devices", 1, 100)
    least = _number("And at least so many devices", 1, 1_000_000)
    statuses = _statuses()


class VitalsForm(forms.Form):
    marks = forms.MultipleChoiceField(
        label="Critical is",
        choices=MARKS,
        widget=forms.CheckboxSelectMultiple(CHECK),
        error_messages={"required": "Choose at least one."},
    )


PARAMETERS: Final[Mapping[type[Struct], type[forms.Form]]] = {
    Nothing: NothingForm,
    OfStatus: StatusForm,
    Together: TogetherForm,
    LongerThan: LongerThanForm,
    Share: ShareForm,
    Vitals: VitalsForm,
}


class RuleForms:
    """All of the form of a rule. `wanted`: what it shows before anything was entered."""

    def __init__(
        self,
        organization: Organization,
        targets: Sequence[AlertTarget],
        wanted: Wanted,
        zone: str,
        data: Any = None,
    ) -> None:
        names = [name for name in RuleForm.base_fields if hasattr(wanted, name)]
        self._before = wanted
        self.main = RuleForm(data, initial={name: getattr(wanted, name) for name in names})
        form = PARAMETERS[type(wanted.parameters)]
        self.parameters = form(data, prefix="of", initial=parameters.stored(wanted.parameters))
        self.scope = ScopeForm(organization, wanted.scope, data)
        self.hours = WeeklyForm(wanted.hours, zone, data)
        steps = [*wanted.steps, *[None] * rule_values.MOST_TIMES][: rule_values.MOST_TIMES]
        self.steps = [StepForm(number, targets, step, data) for number, step in enumerate(steps)]

    @property
    def _all(self) -> list[forms.Form]:
        return [self.main, self.parameters, self.scope, self.hours, *self.steps]

    def freeze(self) -> None:
        """Show everything and let nothing be changed."""
        for form in self._all:
            for field in form.fields.values():
                field.disabled = True

    def is_valid(self) -> bool:
        """Whether all of it can be read; each part says what cannot."""
        return self.main.is_bound and all(form.is_valid() for form in self._all)

    @property
    def errors(self) -> bool:
        return any(form.errors for form in self._all)

    @property
    def non_field_errors(self) -> list[str]:
        return [str(error) for form in self._all for error in form.non_field_errors()]

    def wanted(self) -> Wanted:
        """The rule that the valid values mean. Raises Invalid."""
        condition = self._before.condition
        return Wanted(
            condition=condition,
            parameters=parameters.read(condition, self.parameters.cleaned_data),
            scope=self.scope.kept,
            hours=self.hours.hours,
            steps=_merged([form.step for form in self.steps]),
            **self.main.cleaned_data | {"severity": Severity(self.main.cleaned_data["severity"])},
        )

    def save(self, write: Callable[[Wanted], AlertRule]) -> AlertRule | None:
        """What `write` makes of the valid values; None where it refuses them, which the form says then."""
        try:
            return write(self.wanted())
        except Invalid as refused:
            known = refused.field if refused.field in self.main.fields else None
            self.main.add_error(known, str(refused))
        except NameTaken:
            self.main.add_error("name", TAKEN)
        except TooMany:
            self.main.add_error(None, FULL)
        return None


def _merged(steps: Sequence[Step | None]) -> list[Step]:
    """Steps at one time are one step, the soonest is the first."""
    found: dict[timedelta, list[AlertTarget]] = {}
    for step in steps:
        if step:
            found.setdefault(step.after, []).extend(step.targets)
    return [Step(after, found[after]) for after in sorted(found)]
