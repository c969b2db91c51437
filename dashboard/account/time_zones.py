"""The menu of all time zones in forms."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


@cache  # each reading looks into hundreds of files
def zones() -> list[tuple[str, str]]:
    """All time zones, each with its name for people."""
    names = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
    return [(name, name.replace("_", " ")) for name in names]


class ZoneMenu(forms.Select):
    """A menu of hundreds of options, each of which Django's own would render by a template."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        options = (
            (key, flatatt({"selected": key == (value or "")}), label) for key, label in tuple(self.choices)
        )
        return format_html(
            "<select{}>{}</select>",
            flatatt({"name": name, **self.attrs, **(attrs or {})}),
            format_html_join("", '<option value="{}"{}>{}</option>', options),
        )
