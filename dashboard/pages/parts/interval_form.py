"""The form fields of a poll interval: a number and its unit."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from fleets.models import POLL_INTERVAL_MAX, POLL_INTERVAL_MIN

UNITS: Final = {"s": (1, "seconds"), "min": (60, "minutes"), "h": (3600, "hours")}
CONTROL: Final = {"class": "form-control"}
PLAIN: Final = {**CONTROL, "autocomplete": "off"}


class IntervalForm(forms.Form):
    """A poll interval; left empty, the setting of the fleet or of the site applies."""

    every = forms.IntegerField(
        label="Poll interval",
        required=False,
        min_value=1,
        max_value=POLL_INTERVAL_MAX,
        error_messages={
            "invalid": "The poll interval must be a whole number.",
            "min_value": "The poll interval must be 10 s or more.",
            "max_value": "The poll interval must be 24 h or less.",
        },
        widget=forms.NumberInput({**PLAIN, "aria-label": "Poll interval, a number"}),
    )
    unit = forms.ChoiceField(
        choices=[(unit, words) for unit, (_, words) in UNITS.items()],
        initial="min",
        widget=forms.Select({**CONTROL, "aria-label": "Poll interval, its unit"}),
    )

    def clean(self) -> dict[str, Any]:
        """Add `poll_interval` in seconds to the values; None if the field is empty."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        every, unit = cleaned.get("every"), cleaned.get("unit")
        if every is None or unit is None:
            return {**cleaned, "poll_interval": None}
        seconds = every * UNITS[unit][0]
        if not POLL_INTERVAL_MIN <= seconds <= POLL_INTERVAL_MAX:
            self.add_error("every", f"The poll interval must be from 10 s to 24 h, not {every} {unit}.")
        return {**cleaned, "poll_interval": seconds}


def as_initial(seconds: int | None) -> dict[str, Any]:
    """The initial values of the form for an interval in seconds: in the largest unit that divides it."""
    if seconds is None:
        return {"every": None, "unit": "min"}
    unit = next(unit for unit in reversed(UNITS) if seconds % UNITS[unit][0] == 0)
    return {"every": seconds // UNITS[unit][0], "unit": unit}
