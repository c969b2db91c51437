"""Template tags and filters for times, numbers and nouns; relative times need `at` in the context."""

from datetime import datetime, timedelta

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.safestring import SafeString

from devices import words

register = template.Library()


def _element(context: Context, moment: datetime, text: str, tick: str = "") -> SafeString:
    # Not escaped for speed, as a page has hundreds and they have only digits and words of the site.
    ticks = f' data-tick="{tick}"' if tick else ""
    full = words.full(moment, context.get("viewer_zone"))
    return SafeString(f'<time datetime="{moment.isoformat()}" title="{full}"{ticks}>{text}</time>')


@register.simple_tag(takes_context=True)
def ago(context: Context, moment: datetime) -> SafeString:
    """A moment in the past: "17 min ago"."""
    return _element(context, moment, f"{words.duration(context['at'] - moment)} ago", "ago")


@register.simple_tag(takes_context=True)
def lasting(context: Context, since: datetime) -> SafeString:
    """How long a state has held: "21 min"."""
    return _element(context, since, words.duration(context["at"] - since), "for")


@register.simple_tag(takes_context=True)
def ahead(context: Context, moment: datetime) -> SafeString:
    """A moment in the future, to the second: "in 5 min 11 s"."""
    return _element(context, moment, f"in {words.duration(moment - context['at'], precise=True)}", "in")


@register.simple_tag(takes_context=True)
def clock(context: Context, moment: datetime) -> SafeString:
    """The time of day of a moment, with its date if that is not today, as a <time> element."""
    return _element(context, moment, words.clock(moment, context["at"], context.get("viewer_zone")))


@register.simple_tag(takes_context=True)
def clock_text(context: Context, moment: datetime) -> str:
    """The time of a moment, with its date if that is not today, as plain text for attributes and SVG."""
    return words.clock(moment, context["at"], context.get("viewer_zone"))


@register.filter
def full(moment: datetime) -> str:
    """A moment with date, time and time zone, as in the title of every time."""
    return words.full(moment)


@register.simple_tag
def between(start: datetime, end: datetime) -> str:
    """How long something lasted: "7 h 53 min"."""
    return words.duration(end - start)


@register.filter
def span(time: timedelta) -> str:
    """The absolute value of a duration, to the second: "59 min 30 s"."""
    return words.duration(abs(time), precise=True)


@register.simple_tag(takes_context=True)
def zone(context: Context) -> str:
    """The time zone in which times are shown: "Europe/Oslo (UTC+1)"."""
    name, distance = (
        timezone.get_current_timezone_name(),
        words.offset(timezone.localtime(context.get("at"))),
    )
    return name if name == distance else f"{name} ({distance})"


@register.simple_tag
def zone_name() -> str:
    """The name of the time zone in which times are shown, for static/app.js."""
    return timezone.get_current_timezone_name()


@register.filter
def thousands(number: int | None) -> str:
    """A number with thin spaces between thousands; a dash for None."""
    return "–" if number is None else words.thousands(number)  # noqa: RUF001  as everywhere for no value


@register.filter
def plural(noun: str) -> str:
    """The plural of a noun that the site's settings name."""
    return words.plural(noun)


@register.filter
def frozen_because(reason: str) -> str:
    """The words for the slug of a reason to freeze."""
    return words.frozen_because(reason)


@register.filter
def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, for the browser's clock."""
    return int(moment.timestamp() * 1000)
