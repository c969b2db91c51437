"""The form of a source; saving it asks the source first what its token sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django import forms

from dashboard.pages.parts.interval_form import CONTROL, PLAIN
from devices.models import Source
from devices.sources import addresses, check, secrets, settings
from devices.sources.check import Seen
from devices.sources.client import Failed
from devices.sources.settings import Wanted
from fleets.models import POLL_INTERVAL_MAX, POLL_INTERVAL_MIN
from fleets.text import Words

CODE: Final = {**PLAIN, "autocapitalize": "none", "spellcheck": "false"}
TAKEN: Final = "A source with this name already exists. Choose another name."
FULL: Final = f"There are already {settings.MOST} sources. Remove one first."


class SourceForm(forms.Form):
    name = Words(max_length=60, widget=forms.TextInput(PLAIN))
    address = Words(
        label="Address of the API",
        max_length=255,
        help_text="https://api.balena-cloud.com, or that of your openBalena.",
        widget=forms.TextInput({**CODE, "placeholder": "https://api.example.com"}),
    )
    token = Words(
        label="API key",
        max_length=2000,
        required=False,
        widget=forms.PasswordInput({**CODE, "autocomplete": "new-password"}),
    )
    only_fleets = Words(
        label="Only these fleets",
        lines=True,
        required=False,
        max_length=20_000,
        help_text="Their slugs, one per line, such as acme/pumps. Leave empty to read all that the key sees.",
        widget=forms.Textarea({**CODE, "rows": 3}),
    )
    poll_interval = forms.IntegerField(
        label="Shortest poll interval there, in seconds",
        min_value=POLL_INTERVAL_MIN,
        max_value=POLL_INTERVAL_MAX,
        initial=600,
        help_text="How often devices poll that server at most. Its API does not say. openBalena: 600.",
        widget=forms.NumberInput(CONTROL),
    )

    def __init__(self, source: Source | None, data: Any = None) -> None:
        super().__init__(data, initial=_initial(source) if source else None)
        self.source = source
        if source and source.token_end:
            self.fields["token"].help_text = f"Ends in {source.token_end}. Leave empty to keep it."

    def clean_address(self) -> str:
        try:
            return addresses.checked(self.cleaned_data["address"])
        except addresses.NotAllowed as error:
            raise forms.ValidationError(str(error)) from error

    def save(self, write: Callable[[Wanted, Seen], Source]) -> tuple[Source, Seen] | None:
        """Ask the source, then `write` what is wanted; None where it is refused, which the form says then."""
        values = self.cleaned_data
        fleets = [line.strip() for line in values.pop("only_fleets").splitlines() if line.strip()]
        wanted = Wanted(only_fleets=fleets, **values)
        try:
            seen = check.check(wanted.address, self._token(wanted), fleets)
            return write(wanted, seen), seen
        except (Failed, secrets.Unreadable) as error:
            self.add_error(None, f"Nothing was saved. {error}")
        except settings.NameTaken:
            self.add_error("name", TAKEN)
        except settings.TooMany:
            self.add_error(None, FULL)
        return None

    def _token(self, wanted: Wanted) -> str:
        """The token that is wanted. Raises Failed where an old one would go to another address."""
        if wanted.token:
            return wanted.token
        if self.source is None or self.source.address != wanted.address:
            raise Failed("Enter the API key.")
        return secrets.read(self.source)


def _initial(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "address": source.address,
        "only_fleets": "\n".join(source.only_fleets),
        "poll_interval": source.poll_interval,
    }
