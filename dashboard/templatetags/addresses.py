"""Template tags for addresses of pages, which keep the organization that the page is narrowed to."""

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlencode

from django import template
from django.template import Context
from django.urls import reverse

register = template.Library()


@register.simple_tag(takes_context=True)
def to(context: Context, name: str, *args: str, **query: str | list[str]) -> str:
    """The address of a page by its URL name, with this query and the organization of the present page."""
    scope = context.get("scope")
    if scope and scope.organization and "org" not in query:
        query["org"] = scope.organization.slug
    pairs = {key: value for key, value in query.items() if value}
    address = _reversed(name, args)
    return f"{address}?{urlencode(pairs, doseq=True)}" if pairs else address


@lru_cache(4096)
def _reversed(name: str, args: tuple[str, ...]) -> str:
    # Cached, as a page has a hundred addresses and each refresh has them again.
    return reverse(name, args=args)


@register.simple_tag(takes_context=True)
def to_devices(context: Context, fleet: str, query: Iterable[tuple[str, str]]) -> str:
    """The address of a list of devices with these filters: of the fleet with this slug, or of all for ""."""
    values: dict[str, list[str]] = {}
    for name, value in query:
        values.setdefault(name, []).append(value)
    if fleet:
        return to(context, "devices:fleet", fleet, **values)
    return to(context, "devices:list", **values)
