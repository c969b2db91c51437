"""Template tags and filters for icons, badges, link indicators and bars, each drawn in one place."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, cast

from django import template
from django.template import Context
from django.templatetags.static import static
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from dashboard.templating.indicators import Indicator
from dashboard.templating.kept_rows import KEPT_ROWS, Row
from dashboard.templating.render import render_macro, rendered
from devices.rules.vocabulary import Status, shown
from devices.status.annotated import DeviceWithStatus

register = template.Library()

NARROWEST = 0.8  # per cent of a bar that a status with devices gets at least


@register.simple_tag
@cache
def icon(name: str, size: int = 16, classes: str = "") -> SafeString:
    """A symbol of static/sprite.svg by its name, hidden from screen readers; `size` is in pixels.

    It is cached, as a page has hundreds of the same few.
    """
    return format_html(
        '<svg class="i{}" width="{}" height="{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        f" {classes}" if classes else "",
        size,
        size,
        static("sprite.svg"),
        name,
    )


@register.simple_tag
def badge(device: DeviceWithStatus, size: str = "") -> SafeString:
    """The badge of a device's status."""
    return status_badge(device.status, size)


@register.simple_tag
def status_badge(status: str, size: str = "") -> SafeString:
    """The badge of a status, without a device."""
    return _badge(shown(status), size)


@cache
def _badge(status: Status, size: str) -> SafeString:
    """It is cached, as a page has hundreds of the same few; so are those below."""
    return render_macro("parts/links.jinja", "badge", None, status, size)


def marks(links: Sequence[Indicator]) -> SafeString:
    """The icons of the links of a row."""
    return _marks(tuple((link.link, link.state) for link in links))


@cache
def _marks(links: tuple[tuple[str, str], ...]) -> SafeString:
    return render_macro("parts/links.jinja", "marks", None, links)


def lead(link: Indicator) -> SafeString:
    """The icon and words that begin a line of the tooltip of a row's links."""
    return _lead(link.link, link.state, link.words)


@cache
def _lead(link: str, state: str, words: str) -> SafeString:
    return render_macro("parts/links.jinja", "lead", None, link, state, words)


@register.simple_tag(takes_context=True)
def indicators(context: Context, both: Iterable[Indicator], form: str = "row") -> SafeString:
    """The icons of both links; the form `row` has their words as a tooltip, `full` shows them."""
    return render_macro("parts/links.jinja", "indicators", context["at"], list(both), form)


@register.simple_tag
def choices(offered: Iterable[Any], full: bool = False) -> SafeString:  # noqa: FBT001, FBT002  as tags are
    """The links of a menu, each a sort_links.Choice; `full`: no other choice can be added."""
    return render_macro("parts/menus.jinja", "choices", None, offered, full)


@register.simple_tag
def ticks(options: Iterable[Any], name: str) -> SafeString:
    """The checkboxes of a menu, each a filter_form.Option of the filter `name`."""
    return render_macro("parts/menus.jinja", "ticks", None, options, name)


@register.simple_tag(takes_context=True)
def quick(context: Context, template: str) -> SafeString:
    """A Jinja template, rendered with the context of this one (dashboard/jinja.py)."""
    return rendered(template, cast("dict[str, Any]", context.flatten()))


@register.simple_tag(takes_context=True)
def quick_rows(context: Context, template: str, rows: Sequence[Row], *shown: Hashable) -> SafeString:
    """Rows by a Jinja template, those that read as before from memory (dashboard/templating/kept_rows.py)."""
    return KEPT_ROWS.rendered(template, cast("dict[str, Any]", context.flatten()), rows, *shown)


@register.filter
def label(status: str) -> str:
    """The name of a status as it is shown."""
    return str(shown(status).label)


@register.filter
def shown_as(status: str) -> str:
    """The slug of a status as it is shown."""
    return shown(status).value


@register.simple_tag
def stack(counts: Mapping[Status, int], height: int = 6, gap: float = 0.35) -> SafeString:
    """The bar of the proportions of statuses, in their order; `height` in pixels, `gap` in per cent.

    Every status that occurs gets at least NARROWEST per cent, taken from the others in proportion.
    """
    present = {status: n for status, n in counts.items() if n}
    total = sum(present.values())
    widths = {status: max(NARROWEST, 100 * n / total) for status, n in present.items()}
    scale = 100 / sum(widths.values()) if widths else 1
    segments, x = "", 0.0  # not escaped for speed, as they have only numbers and words of the site
    for status, n in present.items():
        width = widths[status] * scale
        last = status == list(present)[-1]
        shown_width = width if last else max(width - gap, NARROWEST / 2)
        words = f"{n} {escape(status.label)}"
        segments += f'<rect data-st="{status.value}" x="{x:.2f}%" width="{shown_width:.2f}%" height="100%">'
        segments += f"<title>{words}</title></rect>"
        x += width
    label = escape(", ".join(f"{n} {status.label}" for status, n in present.items()) or "No devices")
    return SafeString(
        f'<svg class="stack" width="100%" height="{height}" role="img" aria-label="{label}">{segments}</svg>'
    )


@register.filter
def initials(user: Any) -> str:
    """The initials of an account, one or two letters."""
    names = [name for name in (user.first_name, user.last_name) if name] or [user.get_username()]
    return "".join(name[0] for name in names).upper()
