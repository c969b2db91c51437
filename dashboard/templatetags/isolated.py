"""Template filters that isolate texts of people and devices, so that their direction affects no other."""

from collections.abc import Iterable
from html import escape
from typing import Any

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def bdi(text: Any) -> SafeString:
    """A name, tag or note, or a sentence with one, in <bdi>; nothing if it is empty."""
    # Most are plain texts; what knows its own HTML takes longer.
    shown = escape(text) if type(text) is str else conditional_escape(text)
    return SafeString(f"<bdi>{shown}</bdi>") if shown else SafeString("")


@register.filter
def bdi_each(texts: Iterable[Any]) -> SafeString:
    """Several texts, each in <bdi>, with commas between them."""
    return SafeString(", ".join(map(bdi, texts)))
