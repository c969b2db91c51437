"""What an administrator says about a fleet."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.conf import settings
from django.utils.text import slugify

from fleets.models import POLL_INTERVAL_MAX, POLL_INTERVAL_MIN, FleetType

UNITS: Final = {"s": (1, "seconds"), "min": (60, "minutes"), "h": (3600, "hours")}
CONTROL: Final = {"class": "form-control"}
CHOICE: Final = {"class": "form-check-input"}
PLAIN: Final = {**CONTROL, "autocomplete": "off"}


class FleetForm(forms.Form):
    """The settings of fleet_settings.CHANGEABLE; the poll interval as a number and its unit."""

    name = forms.CharField(max_length=100, widget=forms.TextInput(PLAIN))
    device_type = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput({**PLAIN, "placeholder": "Raspberry Pi 4"}),
        help_text="Of devices that register without saying theirs. Optional.",
    )
    type = forms.ChoiceField(
        choices=FleetType.choices, widget=forms.RadioSelect(CHOICE), initial=FleetType.STANDARD
    )
    every = forms.IntegerField(
        label="Poll interval",
        required=False,
        min_value=1,
        max_value=POLL_INTERVAL_MAX,
        error_messages={
            "invalid": "The poll interval is a whole number.",
            "min_value": "The poll interval is 10 s or more.",
            "max_value": "The poll interval is 24 h or less.",
        },
        widget=forms.NumberInput({**PLAIN, "aria-label": "Poll interval, a number"}),
    )
    unit = forms.ChoiceField(
        choices=[(unit, words) for unit, (_, words) in UNITS.items()],
        initial="min",
        widget=forms.Select({**CONTROL, "aria-label": "Poll interval, its unit"}),
    )
    vpn_enabled = forms.BooleanField(
        required=False, initial=True, widget=forms.CheckboxInput(CHOICE), label=settings.VPN_WORD
    )

    def clean(self) -> dict[str, Any]:
        """`poll_interval` in seconds, None: the site's."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        every, unit = said.get("every"), said.get("unit")
        if every is None or unit is None:
            return {**said, "poll_interval": None}
        seconds = every * UNITS[unit][0]
        if not POLL_INTERVAL_MIN <= seconds <= POLL_INTERVAL_MAX:
            self.add_error("every", f"The poll interval is from 10 s to 24 h; {every} {unit} is not.")
        return {**said, "poll_interval": seconds}

    @property
    def settings(self) -> dict[str, Any]:
        """The valid values as change_fleet and create take them."""
        names = ("name", "device_type", "type", "poll_interval", "vpn_enabled")
        return {name: self.cleaned_data[name] for name in names}


class NewFleetForm(FleetForm):
    slug = forms.SlugField(
        label="Address",
        max_length=100,
        required=False,
        widget=forms.TextInput({**PLAIN, "autocapitalize": "none", "spellcheck": "false"}),
        error_messages={"invalid": "The address has letters a to z, digits, - and _ only."},
    )

    def clean(self) -> dict[str, Any]:
        """Without an address of its own, one made from the name."""
        said = super().clean()
        if said.get("name") and not said.get("slug") and "slug" not in self.errors:
            said["slug"] = slugify(said["name"])[:100]
            if not said["slug"]:
                self.add_error("slug", "No address can be made from this name: choose one.")
        return said


def as_initial(said: dict[str, Any]) -> dict[str, Any]:
    """Settings of a fleet as the form shows them: the interval in its widest whole unit."""
    seconds = said["poll_interval"]
    if seconds is None:
        return {**said, "every": None, "unit": "min"}
    unit = next(unit for unit in reversed(UNITS) if seconds % UNITS[unit][0] == 0)
    return {**said, "every": seconds // UNITS[unit][0], "unit": unit}
