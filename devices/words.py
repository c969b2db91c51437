"""Times, durations, numbers and the site's own nouns as texts for pages.

The browser makes the texts that tick itself (static/app.js).
"""

from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from django.conf import settings
from django.utils import timezone

NO_BREAK = "\u00a0"
THIN = "\u2009"

# What locks a device, by the slug of models.FrozenReason.
FROZEN = {
    "unpaid": "unpaid invoices",
    "fleet-type": "a paid {fleet} type in a free organization",
    "allowance": "outside the organization's allowance",
}


def duration(span: timedelta, *, precise: bool = False) -> str:
    """Two units at most: "29 s", "17 min", "3 h 34 min", "13 d 21 h", "20 d", "3 months".

    `precise` keeps the seconds of minutes, for a countdown. A negative span reads as nothing.
    """
    total = max(0, int(span.total_seconds()))
    minutes, seconds = divmod(total, 60)
    hours, days = minutes // 60, minutes // 1440
    if minutes < 1:
        return _units(seconds, "s")
    if hours < 1:
        return _units(minutes, "min", seconds if precise else 0, "s")
    if days < 1:
        return _units(hours, "h", minutes % 60, "min")
    if days < 60:
        return _units(days, "d", hours % 24 if days < 14 else 0, "h")
    return _units(days // 30, "months")


def _units(number: int, unit: str, rest: int = 0, smaller: str = "") -> str:
    more = [str(rest), smaller] if rest else []
    return NO_BREAK.join([str(number), unit, *more])


def clock(moment: datetime, at: datetime, zone: tzinfo | None = None) -> str:
    """The time in a zone: "14:02:11" today, "17 Nov 09:26" this year, "17 Nov 2024" before.

    A time that the clock shows twice, in the night it goes back, has its offset: "25 Oct 02:30 UTC+1".
    `zone`: that of the viewer if it is None, which takes longer.
    """
    zone = zone or timezone.get_current_timezone()
    return _clock(moment, _day(at, zone), zone)


@lru_cache(8192)
def _clock(moment: datetime, today: date, zone: tzinfo) -> str:
    """Cached, as a page has hundreds of times and each refresh has most of them again."""
    local = moment.astimezone(zone)
    if local.date() == today:
        return f"{local:%H:%M:%S}{told_apart(local)}"
    if local.year == today.year:
        return f"{local.day} {local:%b %H:%M}{told_apart(local)}"
    return f"{local.day} {local:%b %Y}"


@lru_cache(64)
def _day(at: datetime, zone: tzinfo) -> date:
    """The date of `at` in a zone; cached, since a page compares hundreds of times with it."""
    return at.astimezone(zone).date()


def twice(local: datetime) -> bool:
    """Whether the clock of its zone shows this time twice, in the night it goes back."""
    return local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()


def told_apart(local: datetime) -> str:
    """The text after a clock time that makes it unambiguous: its offset if needed, else empty."""
    return f" {offset(local)}" if twice(local) else ""


def full(moment: datetime, zone: tzinfo | None = None) -> str:
    """Date, time and zone in full, for tooltips; in the viewer's zone, which takes longer, if it is None."""
    return _full(moment, zone or timezone.get_current_timezone())


@lru_cache(8192)
def _full(moment: datetime, zone: tzinfo) -> str:
    """Cached as _clock is."""
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M:%S} {offset(local)}"


def offset(local: datetime) -> str:
    """The zone's distance from UTC at that moment: "UTC", "UTC+1", "UTC-3:30"."""
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def thousands(number: int) -> str:
    """An exact number with thin spaces between its thousands."""
    return f"{number:,}".replace(",", THIN)


def of_site(sentence: str, **values: object) -> str:
    """A sentence with the site's words for {vpn}, {fleet}, {fleets}, {Fleet}, {Fleets}, and with `values`."""
    words = {"vpn": settings.VPN_WORD, "fleet": settings.FLEET_WORD.lower(), "Fleet": settings.FLEET_WORD}
    return sentence.format(**words, fleets=plural(words["fleet"]), Fleets=plural(words["Fleet"]), **values)


def counted(number: int, one: str, many: str, **values: object) -> str:
    """The sentence `one` for a number of 1, else `many` with {n}; both with the site's words and `values`."""
    return of_site(one if number == 1 else many, n=thousands(number), **values)


def frozen_because(reason: str) -> str:
    """What freezes a device, given its FrozenReason, in the words of the site."""
    return of_site(FROZEN.get(reason, "locked"))


def plural(noun: str) -> str:
    """The plural of a noun that a site may choose itself: "Fleets", "Factories", "Boxes"."""
    if noun[-1:].lower() == "y" and noun[-2:-1].lower() not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.lower().endswith(("s", "x", "ch", "sh")) else f"{noun}s"
