"""The forms for an organization's name and plan, and for deleting it."""

from __future__ import annotations

from typing import Any

from django import forms

from fleets.models import Organization, Plan
from fleets.text import Words

MOST = 2**31 - 1  # the largest value of the database column
PLAIN = {"class": "form-control", "autocomplete": "off"}


class NameForm(forms.Form):
    name = Words(max_length=100, widget=forms.TextInput(PLAIN))


class PlanForm(forms.Form):
    """The plan of an organization (devices/freezing)."""

    plan = forms.ChoiceField(
        choices=Plan.choices, widget=forms.RadioSelect({"class": "form-check-input"}), initial=Plan.FREE
    )
    allowance = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST,
        error_messages={
            "invalid": "The allowance must be a whole number.",
            "min_value": "The allowance must be 0 or more.",
            "max_value": f"The allowance must be {MOST} or less. Leave empty for no limit.",
        },
        widget=forms.NumberInput({**PLAIN, "placeholder": "No limit"}),
    )
    unpaid = forms.BooleanField(required=False, widget=forms.CheckboxInput({"class": "form-check-input"}))

    @property
    def plan_wanted(self) -> dict[str, Any]:
        """The valid values, as arguments of `change_plan` and `forecast`."""
        return {name: self.cleaned_data[name] for name in ("plan", "allowance", "unpaid")}


class DeleteForm(forms.Form):
    """The confirmation of deleting: the organization's address must be typed."""

    confirm = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput({**PLAIN, "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, organization: Organization, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slug = organization.slug

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"]
        if typed != self.slug:
            raise forms.ValidationError(f"Type {self.slug} to delete it. Nothing was deleted.")
        return typed
