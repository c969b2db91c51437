"""What people say when they mute something: for whom, how long and why."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from dashboard.http.scope import person
from devices.alerts import mutes
from devices.alerts.refusals import Invalid, TooMany
from fleets.models import Organization
from fleets.text import Words

CONTROL: Final = {"class": "form-control"}
LONGEST_NOTE: Final = 500
FULL: Final = "Your organization has as many mutes as there may be. End one first."
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

    def save(self, request: HttpRequest, what: mutes.Muted, organization: Organization, at: datetime) -> bool:
        """Mute it; if that is refused, the form says why. Raises PermissionDenied."""
        if not self.is_valid():
            return False
        try:
            mutes.mute(
                what=what,
                organization=organization,
                until=until(self.cleaned_data["until"], at) or at,
                actor=person(request),
                for_all=self.for_all,
                note=self.cleaned_data["note"],
                at=at,
            )
        except Invalid as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
        except TooMany:
            self.add_error(None, FULL)
        return self.is_valid()
