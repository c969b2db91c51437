"""The forms for the fields of a device that operators edit; each has the valid value as `value`."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from dashboard.pages.parts.device_row import tag_words
from dashboard.pages.parts.interval_form import CONTROL, PLAIN, IntervalForm, as_initial
from devices.rules.tags import LONGEST_TAG, MOST_TAGS, tags_in
from fleets.text import Words

LONGEST_NOTES: Final = 20_000  # characters


class NameForm(forms.Form):
    name = Words(
        max_length=255,
        required=False,
        widget=forms.TextInput({**PLAIN, "autofocus": True, "spellcheck": "false"}),
        help_text="If empty, the beginning of the UUID is shown.",
    )

    @property
    def value(self) -> Any:
        return self.cleaned_data["name"]


class NotesForm(forms.Form):
    notes = Words(
        lines=True,
        max_length=LONGEST_NOTES,
        required=False,
        widget=forms.Textarea({**CONTROL, "rows": 5, "autofocus": True}),
        help_text="Notes for people who look after the device, such as where it is or who has the key.",
    )

    @property
    def value(self) -> Any:
        return self.cleaned_data["notes"].replace("\r\n", "\n")


class TagsForm(forms.Form):
    tags = Words(
        lines=True,
        max_length=MOST_TAGS * 3 * LONGEST_TAG,
        required=False,
        widget=forms.Textarea({**CONTROL, "rows": 5, "autofocus": True, "spellcheck": "false"}),
        help_text="One tag per line: name = value, or a name alone.",
    )

    def clean_tags(self) -> dict[str, str]:
        return tags_in(self.cleaned_data["tags"])

    @property
    def value(self) -> Any:
        return self.cleaned_data["tags"]


class DeviceIntervalForm(IntervalForm):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.fields["every"].widget.attrs["autofocus"] = True

    @property
    def value(self) -> Any:
        return self.cleaned_data["poll_interval"]


FORMS: Final[dict[str, type[Any]]] = {
    "name": NameForm,
    "notes": NotesForm,
    "tags": TagsForm,
    "poll_interval": DeviceIntervalForm,
}


def initial(field: str, value: Any) -> dict[str, Any]:
    """The initial values of the form of a field, from the field's value."""
    if field == "poll_interval":
        return as_initial(value)
    return {field: "\n".join(tag_words(value)) if field == "tags" else value}
