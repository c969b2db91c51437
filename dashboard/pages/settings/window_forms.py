"""The form of a maintenance window: when it is, by wall time, and of which devices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django import forms

from dashboard.account.time_zones import ZoneMenu, zones
from dashboard.pages.parts.interval_form import CONTROL, PLAIN
from dashboard.pages.parts.scope_form import ScopeForm, readable
from devices.alerts import recurrence, windows
from devices.alerts.refusals import Invalid, TooMany
from devices.alerts.windows import Plan
from devices.models import MaintenanceWindow
from fleets.models import Organization
from fleets.text import Words

FULL: Final = f"There are already {windows.MOST} maintenance windows. Cancel one first."
LAST: Final = "last"  # weekday of a month
RECURS: Final = [
    ("", "Once"),
    ("DAILY", "Every day"),
    ("WEEKLY", "Every week"),
    ("MONTHLY", "Every month, on the same weekday, such as the second Tuesday"),
    (LAST, "Every month, on the last such weekday"),
]


class WallTime(forms.CharField):
    """A date and a time without a zone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=forms.TextInput({**PLAIN, "type": "datetime-local"}), max_length=19, **options
        )

    def clean(self, value: Any) -> datetime:
        """The time; raises ValidationError."""
        try:
            found = datetime.fromisoformat(super().clean(value))
        except ValueError as error:
            raise forms.ValidationError("Enter a date and a time, as 2026-11-29T22:00.") from error
        return found.replace(tzinfo=None, microsecond=0)


class WindowForm(forms.Form):
    """What a window is to be, but for its devices."""

    title = Words(max_length=60, widget=forms.TextInput(PLAIN))
    starts = WallTime(label="Starts")
    ends = WallTime(label="Ends", help_text="At most 30 days later. Of a window that recurs: the first time.")
    zone = forms.ChoiceField(label="Time zone", choices=zones, widget=ZoneMenu(CONTROL))
    recurs = forms.ChoiceField(label="Recurs", choices=RECURS, required=False, widget=forms.Select(CONTROL))
    interval = forms.IntegerField(
        label="Every so many days, weeks or months",
        min_value=1,
        max_value=99,
        required=False,
        widget=forms.NumberInput(PLAIN),
        help_text="Empty: each of them.",
    )
    until = forms.DateField(
        label="Until",
        required=False,
        widget=forms.DateInput({**PLAIN, "type": "date"}, format="%Y-%m-%d"),
        help_text="The last day on which it may start. Empty: it recurs until it is cancelled.",
    )
    note = Words(lines=True, required=False, max_length=2000, widget=forms.Textarea({**CONTROL, "rows": 3}))

    def recurrence(self) -> str:
        """The rule by which it recurs; "": once."""
        values = self.cleaned_data
        if not (recurs := values["recurs"]):
            return ""
        starts: datetime = values["starts"]
        week = -1 if recurs == LAST or starts.day > 28 else (starts.day - 1) // 7 + 1
        monthly = recurs in {LAST, "MONTHLY"}
        return recurrence.rule(
            "MONTHLY" if monthly else recurs,
            interval=values["interval"] or 1,
            weekday=starts.weekday() if monthly else None,
            week=week,
            until=values["until"],
        )


class PlanForms:
    """All of the form of a window; `window`: the one that it changes."""

    def __init__(
        self, organization: Organization, window: MaintenanceWindow | None, zone: str, data: Any
    ) -> None:
        self.main = WindowForm(data, initial=_initial(window) if window else {"zone": zone})
        self.scope = ScopeForm(organization, readable(window.scope if window else {}), data)

    def is_valid(self) -> bool:
        """Whether all of it can be read; each part says what cannot."""
        return self.main.is_bound and not self.errors

    @property
    def errors(self) -> bool:
        return any(form.errors for form in (self.main, self.scope))

    @property
    def non_field_errors(self) -> list[str]:
        return [str(error) for form in (self.main, self.scope) for error in form.non_field_errors()]

    def save(self, write: Callable[[Plan], MaintenanceWindow]) -> MaintenanceWindow | None:
        """What `write` makes of the valid values; None where it refuses them, which the form says then."""
        values = {name: self.main.cleaned_data[name] for name in ("title", "starts", "ends", "zone", "note")}
        try:
            return write(Plan(scope=self.scope.kept, recurrence=self.main.recurrence(), **values))
        except Invalid as refused:
            self.main.add_error(refused.field if refused.field in self.main.fields else None, str(refused))
        except TooMany:
            self.main.add_error(None, FULL)
        return None


def _initial(window: MaintenanceWindow) -> dict[str, Any]:
    parts = dict(part.split("=") for part in window.recurrence.split(";") if part)
    last = parts.get("BYDAY", "").startswith("-1")
    until = parts.get("UNTIL", "")
    return {
        "title": window.title,
        "starts": window.starts[:16],
        "ends": window.ends[:16],
        "zone": window.zone,
        "recurs": LAST if last else parts.get("FREQ", ""),
        "interval": parts.get("INTERVAL"),
        "until": datetime.strptime(until[:8], "%Y%m%d").date() if until else None,  # noqa: DTZ007  a wall date
        "note": window.note,
    }
