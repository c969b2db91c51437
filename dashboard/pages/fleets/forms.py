"""The forms in which administrators create a fleet or change its settings."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.conf import settings
from django.utils.text import slugify

from dashboard.pages.parts.interval_form import PLAIN, IntervalForm
from fleets.models import FleetType
from fleets.text import Words

CHOICE: Final = {"class": "form-check-input"}


class VpnUse(forms.TypedChoiceField):
    """The field of whether devices use the VPN; the value None is "not used yet"."""

    SETTINGS: Final = {"unset": None, "on": True, "off": False}

    def __init__(self, **kwargs: Any) -> None:
        choices = [("unset", "Not used yet"), ("on", "Used"), ("off", "Not used")]
        super().__init__(choices=choices, coerce=self.SETTINGS.__getitem__, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """The name of the choice for a setting; a value that was sent stays as it is."""
        return {setting: name for name, setting in self.SETTINGS.items()}.get(value, value)


class FleetForm(IntervalForm):
    """The settings in fleets.services.fleets.CHANGEABLE; the poll interval is entered with its unit."""

    name = Words(max_length=100, widget=forms.TextInput(PLAIN))
    device_type = Words(
        max_length=100,
        required=False,
        widget=forms.TextInput({**PLAIN, "placeholder": "Raspberry Pi 4"}),
        help_text="Default for devices that do not report a type. Optional.",
    )
    type = forms.ChoiceField(
        choices=FleetType.choices, widget=forms.RadioSelect(CHOICE), initial=FleetType.STANDARD
    )
    vpn_enabled = VpnUse(widget=forms.RadioSelect(CHOICE), label=settings.VPN_WORD)

    def __init__(self, *args: Any, typed: bool, **kwargs: Any) -> None:
        """`typed`: whether the form has the fleet's type, which only matters where the plan is used."""
        super().__init__(*args, **kwargs)
        if not typed:
            del self.fields["type"]

    @property
    def settings(self) -> dict[str, Any]:
        """The valid values, as the arguments of the services `change_fleet` and `create`."""
        names = ("name", "device_type", "type", "poll_interval", "vpn_enabled")
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}


class NewFleetForm(FleetForm):
    slug = forms.SlugField(
        label="Address",
        max_length=100,
        required=False,
        widget=forms.TextInput({**PLAIN, "autocapitalize": "none", "spellcheck": "false"}),
        error_messages={"invalid": "The address can only have letters a to z, digits, - and _."},
    )

    def clean(self) -> dict[str, Any]:
        """Without an address, derive it from the name."""
        values = super().clean()
        if values.get("name") and not values.get("slug") and "slug" not in self.errors:
            values["slug"] = slugify(values["name"])[:100]
            if not values["slug"]:
                self.add_error("slug", "No address can be derived from this name. Enter one.")
        return values
