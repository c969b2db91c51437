"""Addresses of pages, which keep the organization that the viewer narrowed the site to."""

from urllib.parse import urlencode

from django import template
from django.template import Context
from django.urls import reverse

register = template.Library()


@register.simple_tag(takes_context=True)
def to(context: Context, name: str, *args: str, **query: str | list[str]) -> str:
    """The address of a page by name, with this query and the organization of the page it stands on."""
    scope = context.get("scope")
    if scope and scope.organization and "org" not in query:
        query["org"] = scope.organization.slug
    pairs = {key: value for key, value in query.items() if value}
    address = reverse(name, args=args)
    return f"{address}?{urlencode(pairs, doseq=True)}" if pairs else address
