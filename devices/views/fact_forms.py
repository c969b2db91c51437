"""What an operator may say of a device, as forms: one fact each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms

from devices.pages.rows import tag_words
from fleets.views.interval_form import CONTROL, PLAIN, IntervalForm, as_initial

LONGEST_NOTES: Final = 20_000  # characters
LONGEST_TAG: Final = 100  # characters of a name, and of a value
MOST_TAGS: Final = 50


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=255,
        required=False,
        widget=forms.TextInput({**PLAIN, "autofocus": True, "spellcheck": "false"}),
        help_text="Empty: the beginning of its UUID stands for it.",
    )

    @property
    def value(self) -> Any:
        return self.cleaned_data["name"]


class NotesForm(forms.Form):
    notes = forms.CharField(
        max_length=LONGEST_NOTES,
        required=False,
        widget=forms.Textarea({**CONTROL, "rows": 5, "autofocus": True}),
        help_text="For people who look after it: where it is, who has the key.",
    )

    @property
    def value(self) -> Any:
        return self.cleaned_data["notes"].replace("\r\n", "\n")


class TagsForm(forms.Form):
    tags = forms.CharField(
        max_length=MOST_TAGS * 3 * LONGEST_TAG,
        required=False,
        widget=forms.Textarea({**CONTROL, "rows": 5, "autofocus": True, "spellcheck": "false"}),
        help_text="One a line: name = value, or a name alone.",
    )

    def clean_tags(self) -> dict[str, str]:
        return tags_in(self.cleaned_data["tags"])

    @property
    def value(self) -> Any:
        return self.cleaned_data["tags"]


class DeviceIntervalForm(IntervalForm):
    def __init__(self, *said: Any, **more: Any) -> None:
        super().__init__(*said, **more)
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
    """A value as its form shows it."""
    if field == "poll_interval":
        return as_initial(value)
    return {field: "\n".join(tag_words(value)) if field == "tags" else value}


def tags_in(text: str) -> dict[str, str]:
    """The tags that a text names, a line each; ValidationError where it does not."""
    tags: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, value = (part.strip() for part in (*line.split("=", 1), "")[:2])
        if not name:
            raise forms.ValidationError(f"“{line}” has no name before the =.")
        if max(len(name), len(value)) > LONGEST_TAG:
            raise forms.ValidationError(
                f"“{name[:40]}” is too long: names and values have up to {LONGEST_TAG} characters."
            )
        if name in tags:
            raise forms.ValidationError(f"“{name}” is there twice, and a tag has one value.")
        tags[name] = value
    _bounded(tags)
    return tags


def _bounded(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise forms.ValidationError(f"A device has up to {MOST_TAGS} tags, not {len(tags)}.")
