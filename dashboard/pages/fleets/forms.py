"""What an administrator says about a fleet."""

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
    """Whether the VPN is used; None: not yet, which is offered as long as nobody has set it."""

    SAID: Final = {"unset": None, "on": True, "off": False}

    def __init__(self, **kwargs: Any) -> None:
        choices = [("unset", "Not used yet"), ("on", "Used"), ("off", "Not used")]
        super().__init__(choices=choices, coerce=self.SAID.__getitem__, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """A setting as the choice that says it; what was sent as it is."""
        return {values: name for name, values in self.SAID.items()}.get(value, value)


class FleetForm(IntervalForm):
    """The settings of fleets.services.fleets.CHANGEABLE; the poll interval as a number and its unit."""

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
        """`typed`: whether types make a difference here; else the form asks for none, and keeps what is."""
        super().__init__(*args, **kwargs)
        if not typed:
            del self.fields["type"]

    @property
    def settings(self) -> dict[str, Any]:
        """The valid values as change_fleet and create take them."""
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
        """Without an address of its own, one made from the name."""
        values = super().clean()
        if values.get("name") and not values.get("slug") and "slug" not in self.errors:
            values["slug"] = slugify(values["name"])[:100]
            if not values["slug"]:
                self.add_error("slug", "No address can be derived from this name. Enter one.")
        return values
