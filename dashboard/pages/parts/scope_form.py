"""The devices of an alert rule or a maintenance window, as a form asks for them and as a list says them.

They are the filters of the Devices page, but for those that the clock changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.conf import settings
from django.http import QueryDict
from msgspec.structs import replace

from dashboard.pages.parts.filter_form import described_words
from dashboard.pages.parts.interval_form import CONTROL, PLAIN
from devices.alerts import scopes
from devices.listing.kept_list import KeptFilters, KeptList
from devices.listing.query_string import address_of, list_in
from devices.words import of_site, plural
from fleets.models import Fleet, Organization
from fleets.postgres.text_search import LONGEST
from fleets.text import Words, isolated

CHECK: Final = {"class": "form-check-input"}
LINES: Final = {**CONTROL, "rows": 2, "spellcheck": "false", "autocapitalize": "none"}
FIELDS: Final = {"tag": "tag", "no_tag": "no-tag", "type": "type", "os": "os", "release": "release"}


def _lines(label: str, help_text: str = "One per line.") -> Words:
    return Words(lines=True, label=label, help_text=help_text, required=False, widget=forms.Textarea(LINES))


class ScopeForm(forms.Form):
    """Everything empty: all devices. The valid values are `kept`."""

    fleet = forms.MultipleChoiceField(
        label=plural(settings.FLEET_WORD), required=False, widget=forms.CheckboxSelectMultiple(CHECK)
    )
    tag = _lines("With all of these tags", "One per line: a name, or name = value.")
    no_tag = _lines("Without any of these tags", "One per line: a name, or name = value.")
    type = _lines("Device types")
    os = _lines("OS versions")
    release = _lines("Releases")
    q = Words(
        label="With these words in name, addresses, tags or notes",
        max_length=LONGEST,
        required=False,
        widget=forms.TextInput(PLAIN),
    )

    def __init__(self, organization: Organization, kept: KeptFilters, data: Any = None) -> None:
        super().__init__(data, prefix="scope", initial=_initial(kept))
        fleets = Fleet.objects.filter(organization=organization).only("name", "slug")
        names = {fleet.slug: fleet.name for fleet in fleets}
        self._gone = [slug for slug in kept.fleets if slug not in names]
        named = [*((slug, f"{slug} (deleted)") for slug in self._gone), *names.items()]
        self.fields["fleet"].choices = named  # type: ignore[attr-defined]
        self.kept = kept

    def clean_fleet(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["fleet"]
        if gone := next((slug for slug in chosen if slug in self._gone), None):
            sentence = "There is no {fleet} “{gone}” here. Choose another, or none for all devices."
            raise forms.ValidationError(of_site(sentence, gone=gone))
        return chosen

    def clean(self) -> dict[str, Any]:
        """Read them as the address of a list is read."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        query = QueryDict(mutable=True)
        query.setlist("fleet", values.get("fleet", []))
        query["q"] = values.get("q", "")
        for name, parameter in FIELDS.items():
            query.setlist(parameter, values.get(name, "").splitlines())
        notices: list[str] = []
        self.kept = list_in(query, notices).filters
        if notices:
            raise forms.ValidationError([notice.removesuffix(" It was ignored.") for notice in notices])
        return values


def unchanging(kept: KeptFilters) -> KeptFilters:
    """What of the filters of a list a rule or a window can be about."""
    return replace(kept, statuses=(), vpn=(), heartbeat=(), silent=None)


def list_address(organization: Organization, kept: KeptFilters) -> str:
    """The query of the Devices page that lists them, without its "?"."""
    return address_of(KeptList(organization=organization.slug, filters=kept))


def readable(scope: object) -> KeptFilters:
    """A stored scope; all devices where it cannot be read, which its rule says by `broken`."""
    try:
        return scopes.kept_filters(scope)
    except scopes.Broken:
        return KeptFilters()


def fleet_names(organization: Organization, scopes: Iterable[KeptFilters]) -> dict[str, str]:
    """The names of all fleets of these scopes, by their slugs; one query."""
    slugs = {slug for kept in scopes for slug in kept.fleets}
    named = Fleet.objects.filter(organization=organization, slug__in=slugs).order_by()
    return dict(named.values_list("slug", "name"))


def scope_words(kept: KeptFilters, names: Mapping[str, str]) -> list[str]:
    """What the scope asks of a device, each in a few words; nothing: all devices."""
    fleets = [f"{settings.FLEET_WORD}: {isolated(names.get(slug, slug))}" for slug in kept.fleets]
    described = [words for _, found in described_words(kept) for words, _ in found]
    return [*fleets, *described, *([f"“{kept.text}”"] if kept.text else [])]


def _initial(kept: KeptFilters) -> dict[str, Any]:
    lines = {
        "tag": [tag.words for tag in kept.tags if tag.has],
        "no_tag": [tag.words for tag in kept.tags if not tag.has],
        "type": kept.types,
        "os": kept.os_versions,
        "release": kept.releases,
    }
    joined = {name: "\n".join(values) for name, values in lines.items()}
    return joined | {"fleet": list(kept.fleets), "q": kept.text}
