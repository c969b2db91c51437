"""The forms in which Owners invite members and change their roles."""

from __future__ import annotations

from typing import Final

from django import forms

from fleets.models import Role
from fleets.services import invitations

CHOICE: Final = {"class": "form-check-input"}
CONTROL: Final = {"class": "form-control"}
DAYS: Final = {1: "After a day", 7: "After a week", 30: "After 30 days"}
# What each role may do (product.md, People and safety); each includes the one before.
MEANING: Final = {
    Role.OBSERVER: "Can see and export everything in the organization.",
    Role.OPERATOR: "Can also edit, tag, move, preregister and deactivate devices and rotate their keys.",
    Role.ADMINISTRATOR: "Can also delete devices, manage {fleets} and their keys, and read the audit log.",
    Role.OWNER: "Can also manage the organization and its members, and delete it.",
}


class RoleForm(forms.Form):
    role = forms.ChoiceField(
        choices=Role.choices, initial=Role.OBSERVER, widget=forms.RadioSelect(CHOICE), label="Role"
    )


class InvitationForm(RoleForm):
    email = forms.EmailField(
        label="E-mail address",
        required=False,
        max_length=254,
        help_text="Only an account with this address can use the link. Leave empty to let anyone use it.",
        widget=forms.EmailInput({**CONTROL, "autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(
        label="Expires",
        coerce=int,
        choices=list(DAYS.items()),
        initial=invitations.DAYS,
        widget=forms.Select(CONTROL),
    )
    field_order = ["email", "role", "days"]
