"""Templates of the quick engine (dashboard/jinja.py), for Python and for tags of Django's."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.template import engines
from django.template.backends.jinja2 import Jinja2
from django.utils.safestring import SafeString
from jinja2 import Environment


def rendered(template: str, context: dict[str, Any]) -> SafeString:
    """A template of this engine with these values; it has escaped what it shows."""
    return SafeString(_engine().get_template(template).render(context))


def render_macro(template: str, macro: str, at: datetime | None, *values: Any) -> SafeString:
    """A macro of a template of this engine; `at` is the page's clock, where it tells times."""
    module = _engine().get_template(template).make_module({"at": at})
    return SafeString(getattr(module, macro)(*values))


def _engine() -> Environment:
    return cast("Jinja2", engines["jinja2"]).env
