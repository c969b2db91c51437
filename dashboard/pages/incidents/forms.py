"""What people say when they acknowledge an incident."""

from __future__ import annotations

from django import forms

from dashboard.pages.parts.mute_form import CONTROL, LONGEST_NOTE, UNTIL
from fleets.text import Words


class AcknowledgeForm(forms.Form):
    """A note, and how long."""

    prefix = "acknowledge"
    note = Words(
        label="Note (optional)", required=False, max_length=LONGEST_NOTE, widget=forms.TextInput(CONTROL)
    )
    until = forms.ChoiceField(
        label="Until", choices=(("", "It is over"), *UNTIL), required=False, widget=forms.Select(CONTROL)
    )
