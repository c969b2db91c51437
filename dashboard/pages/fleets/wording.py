"""The texts that explain the settings of a fleet, and what others changed in them meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from dashboard.pages.parts.poll_interval import Interval, in_words, interval
from dashboard.templating.indicators import VPN_NOT_YET
from devices.words import of_site
from fleets.models import POLL_INTERVAL_MAX, AuditEntry, Fleet, FleetType, Organization, Plan

VPN_USE: Final = {None: VPN_NOT_YET, True: "on", False: "off"}


@dataclass(frozen=True)
class About:
    """What the form explains: poll intervals (of the site, longest, chosen), and whether the plan is free."""

    site: Interval
    longest: Interval
    chosen: Interval | None
    free: bool


@dataclass(frozen=True)
class Meanwhile:
    """What others saved while a form was open: the last entry, and the names and values that now differ."""

    entry: AuditEntry | None
    differs: list[tuple[str, str]]


def about(organization: Organization, seconds: int | None = None) -> About:
    """The explanations for a fleet of this organization; `seconds` is its own interval, if it has one."""
    return About(
        site=interval(settings.POLL_INTERVAL),
        longest=interval(POLL_INTERVAL_MAX),
        chosen=None if seconds is None else interval(seconds),
        free=organization.plan == Plan.FREE,
    )


def taken(slug: str) -> str:
    return of_site("Another {fleet} on this site has the address “{slug}”. Choose another one.", slug=slug)


def meanwhile(fleet: Fleet, now: dict[str, Any], wanted: dict[str, Any]) -> Meanwhile:
    """The settings whose present value `now` is not the one that the form `wanted`."""
    entries = AuditEntry.objects.filter(
        organization_id=fleet.organization_id,
        action="fleet-changed",
        subject_kind="fleet",
        subject_id=fleet.slug,
    )
    shown = {
        "name": ("Name", now["name"]),
        "device_type": ("Device type", now["device_type"] or "none"),
        "type": ("Type", FleetType(now["type"]).label),
        "poll_interval": (
            "Poll interval",
            in_words(now["poll_interval"]) if now["poll_interval"] else "the site setting",
        ),
        "vpn_enabled": (settings.VPN_WORD, VPN_USE[now["vpn_enabled"]]),
    }
    return Meanwhile(entries.first(), [shown[name] for name in wanted if wanted[name] != now[name]])
