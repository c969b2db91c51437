"""The form of a target: its name, and what its kind needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django import forms

from dashboard.pages.parts.interval_form import CONTROL, PLAIN
from devices.alerts import target_values, targets
from devices.alerts.refusals import Invalid, TooMany
from devices.alerts.target_values import Wanted
from devices.alerts.transports import TRANSPORTS, Kind, offered
from devices.alerts.transports.envelope import Field
from devices.models import AlertTarget
from fleets.models import Role
from fleets.text import Words

FULL: Final = f"There are already {targets.MOST} targets. Delete one first."
CODE: Final = {**PLAIN, "autocapitalize": "none", "spellcheck": "false"}


def kinds() -> list[tuple[Kind, str]]:
    """The kinds of targets that people can create here, with their names."""
    return [(kind, kind.label) for kind in offered()]


class TargetForm(forms.Form):
    """What a target of one kind is to be. `target`: the one that it changes."""

    name = Words(max_length=target_values.LONGEST_NAME, widget=forms.TextInput(PLAIN))
    role = forms.ChoiceField(
        label="Everybody whose role is at least", choices=Role.choices, widget=forms.Select(CONTROL)
    )

    def __init__(self, kind: str, target: AlertTarget | None = None, data: Any = None) -> None:
        first = {"name": target.name, "role": target.role, **target.configuration} if target else {}
        super().__init__(data, initial=first)
        self.kind = AlertTarget.Kind(kind)
        if kind != AlertTarget.Kind.ROLE:
            del self.fields["role"]
        transport = TRANSPORTS.get(self.kind)  # the page has none
        self._own = [one.name for one in transport.fields] if transport else []
        for one in transport.fields if transport else ():
            self.fields[one.name] = _field(one, target)

    def freeze(self) -> None:
        """Show everything and let nothing be changed."""
        for field in self.fields.values():
            field.disabled = True

    def save(self, write: Callable[[Wanted], Any]) -> Any:
        """What `write` makes of the valid values; None where it refuses them, which the form says then."""
        values = {name: self.cleaned_data[name] for name in self._own}
        said = {"name": self.cleaned_data["name"], "role": self.cleaned_data.get("role", "")}
        try:
            return write(Wanted(kind=self.kind, values=values, **said))
        except Invalid as refused:
            self.add_error(refused.field if refused.field in self.fields else None, str(refused))
        except TooMany:
            self.add_error(None, FULL)
        return None


def _field(one: Field, target: AlertTarget | None) -> forms.Field:
    kept = one.secret and target is not None and bool(target.secret_end)
    hints = [one.help, "Leave it empty to keep the present one." if kept else ""]
    widget = (
        forms.PasswordInput({**CODE, "autocomplete": "new-password"}) if one.secret else forms.TextInput(CODE)
    )
    return forms.CharField(
        label=one.label,
        required=one.required and not kept,
        max_length=target_values.LONGEST,
        help_text=" ".join(filter(None, hints)),
        initial=one.usual,
        widget=widget,
    )
