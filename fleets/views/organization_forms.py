"""What people say about an organization."""

from __future__ import annotations

from typing import Any

from django import forms

from fleets.models import Organization

PLAIN = {"class": "form-control", "autocomplete": "off"}


class NameForm(forms.Form):
    name = forms.CharField(max_length=100, widget=forms.TextInput(PLAIN))


class DeleteForm(forms.Form):
    """Deletes only what was typed."""

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
