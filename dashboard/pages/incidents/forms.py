"""What people say when they acknowledge an incident or mute it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final

from django import forms
from django.utils import timezone

from fleets.text import Words

CONTROL: Final = {"class": "form-control"}
LONGEST_NOTE: Final = 500
MORNING: Final = "morning"
SPANS: Final = {
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
}
UNTIL: Final = (
    ("1h", "1 hour from now"),
    ("4h", "4 hours from now"),
    (MORNING, "Tomorrow 08:00"),
    ("1d", "1 day from now"),
    ("3d", "3 days from now"),
    ("7d", "7 days from now"),
)


def until(choice: str, at: datetime) -> datetime | None:
    """The moment that a choice means, "Tomorrow" by the viewer's clock; None: until it is over."""
    if choice == MORNING:
        tomorrow = timezone.localdate(at) + timedelta(days=1)
        return timezone.make_aware(datetime.combine(tomorrow, time(8)))
    return at + SPANS[choice] if choice in SPANS else None


class AcknowledgeForm(forms.Form):
    """A note, and how long."""

    prefix = "acknowledge"
    note = Words(
        label="Note (optional)", required=False, max_length=LONGEST_NOTE, widget=forms.TextInput(CONTROL)
    )
    until = forms.ChoiceField(
        label="Until", choices=(("", "It is over"), *UNTIL), required=False, widget=forms.Select(CONTROL)
    )


class MuteForm(forms.Form):
    """For whom, how long and why."""

    prefix = "mute"
    whom = forms.ChoiceField(
        label="For",
        choices=(("me", "Only me"), ("all", "Everybody")),
        initial="me",
        widget=forms.RadioSelect({"class": "form-check-input"}),
    )
    until = forms.ChoiceField(label="Until", choices=UNTIL, initial="1h", widget=forms.Select(CONTROL))
    note = Words(label="Note", required=False, max_length=LONGEST_NOTE, widget=forms.TextInput(CONTROL))

    def __init__(self, *args: object, may_for_all: bool, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        if not may_for_all:
            del self.fields["whom"]

    @property
    def for_all(self) -> bool:
        return self.cleaned_data.get("whom") == "all"
