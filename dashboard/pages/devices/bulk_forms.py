"""The forms for the parameters of actions on many devices; each has the action's `payload`."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from dashboard.pages.devices.bulk_preview import others
from dashboard.pages.parts.interval_form import CONTROL, PLAIN, IntervalForm
from devices.models import Selection
from devices.rules.tags import tags_in
from fleets.text import Words

LINES: Final = {**CONTROL, "rows": 3, "spellcheck": "false"}


class MoveForm(forms.Form):
    to = forms.ChoiceField(label="Move to", widget=forms.Select(CONTROL))

    def __init__(self, selection: Selection, data: Any) -> None:
        super().__init__(data)
        self._fleets = {fleet.slug: fleet for fleet in others(selection)}
        choices = [(slug, fleet.name) for slug, fleet in self._fleets.items()]
        self.fields["to"].choices = choices  # type: ignore[attr-defined]

    @property
    def payload(self) -> dict[str, Any]:
        return {"fleet": self._fleets[self.cleaned_data["to"]]}


class TagForm(forms.Form):
    put = Words(
        lines=True,
        label="Add",
        required=False,
        widget=forms.Textarea(LINES),
        help_text="One tag per line: name = value, or a name alone. An existing value is overwritten.",
    )
    drop = Words(
        lines=True,
        label="Remove",
        required=False,
        widget=forms.Textarea(LINES),
        help_text="Tag names, one per line.",
    )

    def __init__(self, selection: Selection, data: Any) -> None:
        super().__init__(data)

    def clean_put(self) -> dict[str, str]:
        return tags_in(self.cleaned_data["put"])

    def clean_drop(self) -> list[str]:
        return list(tags_in(self.cleaned_data["drop"]))

    def clean(self) -> dict[str, Any]:
        typed: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not typed["put"] and not typed["drop"]:
            raise forms.ValidationError("Enter a tag to add or to remove.")
        if both := sorted(set(typed.get("put") or ()) & set(typed.get("drop") or ())):
            self.add_error("drop", f"“{both[0]}” cannot be added and removed at the same time.")
        return typed

    @property
    def payload(self) -> dict[str, Any]:
        return {"put": self.cleaned_data["put"], "drop": self.cleaned_data["drop"]}


class BulkIntervalForm(IntervalForm):
    def __init__(self, selection: Selection, data: Any) -> None:
        super().__init__(data)

    @property
    def payload(self) -> dict[str, Any]:
        return {"poll_interval": self.cleaned_data["poll_interval"]}


class NoForm(forms.Form):
    """The form of an action without parameters."""

    def __init__(self, selection: Selection, data: Any) -> None:
        super().__init__({} if data is None else data)

    @property
    def payload(self) -> dict[str, Any]:
        return {}


class ConfirmForm(forms.Form):
    """The confirmation of deleting many devices: their number must be typed."""

    confirm = forms.CharField(
        max_length=12, required=False, widget=forms.TextInput({**PLAIN, "inputmode": "numeric"})
    )

    def __init__(self, number: int, data: Any) -> None:
        super().__init__(data)
        self._number = number

    def clean_confirm(self) -> str:
        typed = "".join(self.cleaned_data["confirm"].split())
        if typed != str(self._number):
            raise forms.ValidationError(f"Type {self._number} to delete them. Nothing was deleted.")
        return typed


FORMS: Final[dict[str, type[Any]]] = {
    "move": MoveForm,
    "tag": TagForm,
    "poll-interval": BulkIntervalForm,
    "deactivate": NoForm,
    "delete": NoForm,
}
