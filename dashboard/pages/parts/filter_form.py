"""The form of a list's filters: the options that can be chosen, and the filters in force."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.http import HttpRequest

from dashboard.pages.parts.address import address
from dashboard.templating.indicators import HEARTBEAT_STATES, VPN_ICONS, VPN_STATES
from devices.listing.filters import HEARTBEAT, VPN, Filters, Tag
from devices.listing.kept_list import KeptFilters
from devices.listing.query_string import UNITS
from devices.words import NO_BREAK
from fleets.models import Fleet, Organization
from fleets.postgres.fragment import compiled
from fleets.text import isolated

MENU_FLEETS = 20  # fleets in the menu; others are filtered by their slug
SILENCES = ("15m", "1h", "6h", "1d", "7d", "30d")
VPN_WORDS = {state: VPN_STATES[VPN_ICONS[state]] for state in VPN}


@dataclass(frozen=True)
class Option:
    """One value of a filter: its words, its value in addresses, and whether it is in force."""

    words: str
    value: str
    chosen: bool


@dataclass(frozen=True)
class Token:
    """One filter in force: its words, the address without it, and its parameter's name and value."""

    words: str
    address: str
    name: str
    value: str


@dataclass(frozen=True)
class FilterForm:
    """What the form of the filters shows, but for the statuses with their counts."""

    fleets: list[Option]
    more_fleets: bool
    vpn: list[Option]
    heartbeat: list[Option]
    silences: list[Option]
    tokens: list[Token]
    clear: str
    kept: list[tuple[str, str]] = field(default_factory=list)  # parameters that it passes on in hidden fields


def menu_fleets(organizations: Sequence[Organization]) -> list[Fleet]:
    """The first fleets of these organizations, one more than MENU_FLEETS if there are more; one query."""
    if not organizations:
        return []
    return list(Fleet.objects.raw(_first_fleets(len(organizations)), [one.pk for one in organizations]))


@cache
def _first_fleets(organizations: int) -> str:
    """The SQL for so many organizations, compiled once: that takes longer than running it."""
    return compiled(Fleet.objects.filter(organization__in=range(organizations))[: MENU_FLEETS + 1])[0]


def filter_form(
    request: HttpRequest, filters: Filters, fleets: Sequence[Fleet], names: Iterable[str], fleet: Fleet | None
) -> FilterForm:
    """The form for these filters.

    `fleets` are those of the menu, by `menu_fleets`. `names` are other parameters that the form passes on.
    `fleet` is set on the page of a fleet, which has no menu of fleets.
    """
    chosen = () if fleet else filters.fleets
    listed = [*chosen, *(option for option in fleets if option not in chosen)]
    silent = request.GET.get("silent", "") if filters.silent else ""
    tokens = list(_tokens(request, filters, chosen))
    return FilterForm(
        fleets=[
            Option(organization.name, organization.slug, organization in chosen)
            for organization in listed[: MENU_FLEETS + len(chosen)]
        ],
        more_fleets=len(fleets) > MENU_FLEETS,
        vpn=[Option(VPN_WORDS[state], state, state in filters.vpn) for state in VPN],
        heartbeat=[Option(HEARTBEAT_STATES[state], state, state in filters.heartbeat) for state in HEARTBEAT],
        silences=[
            Option(span_words(_span(seconds)), seconds, seconds == silent)
            for seconds in dict.fromkeys([*SILENCES, *filter(None, [silent])])
        ],
        tokens=tokens,
        clear=address(request, **dict.fromkeys(("q", "status", *(token.name for token in tokens)))),
        kept=[(name, value) for name in names for value in request.GET.getlist(name) if value]
        + [(token.name, token.value) for token in tokens if token.name in ADDED],
    )


ADDED = ("tag", "no-tag", "type", "os", "release")  # filters whose field of the form adds one more value


def span_words(span: timedelta) -> str:
    """A duration of silence in the largest unit that divides it: "7 d"."""
    for unit, name in (("d", "d"), ("h", "h"), ("m", "min")):
        if span % UNITS[unit] == timedelta():
            return f"{span // UNITS[unit]}{NO_BREAK}{name}"
    return str(span)


def _span(value: str) -> timedelta:
    return int(value[:-1]) * UNITS[value[-1]]


def _tokens(request: HttpRequest, filters: Filters, fleets: Sequence[Fleet]) -> Iterable[Token]:
    groups: list[tuple[str, list[tuple[str, str]]]] = [
        ("fleet", [(f"{settings.FLEET_WORD}: {isolated(fleet.name)}", fleet.slug) for fleet in fleets]),
        ("vpn", [(f"{settings.VPN_WORD} {VPN_WORDS[state]}", state) for state in filters.vpn]),
        ("heartbeat", [(f"API {HEARTBEAT_STATES[state]}", state) for state in filters.heartbeat]),
        *described_words(filters),
        ("silent", _silence(request, filters)),
    ]
    for name, values in groups:
        for words, value in values:
            others = [other for _, other in values if other != value]
            yield Token(words, address(request, **{name: others}), name, value)


def described_words(filters: Filters | KeptFilters) -> list[tuple[str, list[tuple[str, str]]]]:
    """What they ask of a device's description: for each parameter the words and value of each filter."""
    return [
        ("tag", [(_tag_words(tag), tag.words) for tag in filters.tags if tag.has]),
        ("no-tag", [(f"not {_tag_words(tag)}", tag.words) for tag in filters.tags if not tag.has]),
        ("type", [(f"Type {name}", name) for name in filters.types]),
        ("os", [(f"OS {version}", version) for version in filters.os_versions]),
        ("release", [(f"Release {release}", release) for release in filters.releases]),
    ]


def _silence(request: HttpRequest, filters: Filters) -> list[tuple[str, str]]:
    if filters.silent is None:
        return []
    return [(f"Silent for more than {span_words(filters.silent)}", request.GET["silent"])]


def _tag_words(tag: Tag) -> str:
    return f"tag {tag.key}" if tag.value is None else f"tag {tag.key} = {tag.value}"
