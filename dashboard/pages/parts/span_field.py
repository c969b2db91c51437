"""A form field of a duration: a number and its unit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django import forms

from dashboard.pages.parts.interval_form import CONTROL, PLAIN

UNITS: Final = {"s": (1, "seconds"), "min": (60, "minutes"), "h": (3600, "hours"), "d": (86400, "days")}
MOST: Final = 999_999  # of any unit


class SpanWidget(forms.MultiWidget):
    """Both inputs, each with the field's name for screen readers."""

    def __init__(self, label: str) -> None:
        number = forms.NumberInput({**PLAIN, "aria-label": f"{label}, a number"})
        choices = [(unit, words) for unit, (_, words) in UNITS.items()]
        unit = forms.Select({**CONTROL, "aria-label": f"{label}, its unit"}, choices)
        super().__init__([number, unit])

    def decompress(self, value: timedelta | int | None) -> list[Any]:
        """A duration, or its seconds, in the largest unit that divides it."""
        if value is None:
            return [None, "min"]
        seconds = int(value.total_seconds()) if isinstance(value, timedelta) else value
        unit = next(unit for unit in reversed(UNITS) if seconds % UNITS[unit][0] == 0) if seconds else "min"
        return [seconds // UNITS[unit][0], unit]


class SpanField(forms.MultiValueField):
    """A duration; empty, where that is allowed, is None."""

    def __init__(self, *, label: str, required: bool = True, **options: Any) -> None:
        wrong = f"Enter a whole number from 0 to {MOST}."
        number = forms.IntegerField(
            min_value=0,
            max_value=MOST,
            error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), wrong),
        )
        unit = forms.ChoiceField(choices=[(unit, unit) for unit in UNITS])
        options |= {"label": label, "required": required, "widget": SpanWidget(label)}
        super().__init__([number, unit], require_all_fields=False, **options)

    def clean(self, value: Any) -> timedelta | None:
        """Without a number there is no duration, though the unit is always chosen."""
        number, *rest = value or [""]
        found: timedelta | None = super().clean([number, *rest] if number not in ("", None) else [])
        return found

    def compress(self, values: list[Any]) -> timedelta | None:
        """Called with the cleaned number and unit; with nothing where the field is empty."""
        return timedelta(seconds=values[0] * UNITS[values[1]][0]) if values else None
