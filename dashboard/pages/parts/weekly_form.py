"""A form of the hours of a week in a time zone: of a rule, and the quiet ones of a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from django import forms

from dashboard.account.time_zones import ZoneMenu, zones
from dashboard.pages.parts.interval_form import CONTROL, PLAIN
from devices.alerts.hours import Hours
from devices.alerts.refusals import Invalid

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
INTERVAL: Final = re.compile(r"(\d{1,2}):(\d\d)\s*[-\u2013]\s*(\d{1,2}):(\d\d)", re.ASCII)
UNREADABLE: Final = "Write each as 08:00-18:00, with a comma between two."


class WeeklyForm(forms.Form):
    """A zone, and for each day its intervals; `hours` is what they mean, None where there are none."""

    zone = forms.ChoiceField(label="Time zone", choices=zones, widget=ZoneMenu(CONTROL))

    def __init__(self, hours: Hours | None, zone: str, data: Any = None) -> None:
        """`zone` is proposed where there are no hours yet."""
        super().__init__(data, prefix="hours", initial={"zone": hours.zone if hours else zone})
        for day, name in enumerate(DAYS):
            own = [(start, end) for each, start, end in hours.weekly if each == day] if hours else []
            self.fields[f"day{day}"] = forms.CharField(
                label=name,
                required=False,
                max_length=200,
                initial=", ".join(f"{_clock(start)}-{_clock(end)}" for start, end in own),
                widget=forms.TextInput({**PLAIN, "placeholder": "08:00-18:00"}),
            )
        self.hours = hours

    @property
    def days(self) -> list[forms.BoundField]:
        return [self[f"day{day}"] for day in range(len(DAYS))]

    def clean(self) -> dict[str, Any]:
        """Read the intervals of all days."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        weekly = [interval for day in range(len(DAYS)) for interval in self._of_day(day, values)]
        if not self.errors:
            self.hours = Hours(values["zone"], weekly) if weekly else None
        return values

    def _of_day(self, day: int, values: dict[str, Any]) -> Iterator[tuple[int, int, int]]:
        for text in filter(None, map(str.strip, values.get(f"day{day}", "").split(","))):
            try:
                yield _interval(day, text, values.get("zone", ""))
            except Invalid as refused:
                self.add_error(f"day{day}", str(refused))


def _interval(day: int, text: str, zone: str) -> tuple[int, int, int]:
    if not (read := INTERVAL.fullmatch(text)):
        raise Invalid("hours", UNREADABLE)
    numbers = [int(number) for number in read.groups()]
    interval = (day, numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3])
    if max(numbers[1], numbers[3]) > 59:
        raise Invalid("hours", UNREADABLE)
    Hours(zone or "UTC", [interval])  # refuses what is none
    return interval


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
