"""Rendering Jinja templates (dashboard/jinja.py) from Python and from Django's template tags."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.template import engines
from django.template.backends.jinja2 import Jinja2
from django.utils import timezone
from django.utils.safestring import SafeString
from jinja2 import Environment


def rendered(template: str, context: dict[str, Any]) -> SafeString:
    """A Jinja template rendered with this context, in the time zone of the viewer; its output is escaped."""
    zone = timezone.get_current_timezone()
    return SafeString(_engine().get_template(template).render(context, viewer_zone=zone))


def render_macro(template: str, macro: str, at: datetime | None, *values: Any) -> SafeString:
    """A macro of a Jinja template, called with these values; `at` is needed if it shows relative times."""
    module = _engine().get_template(template).make_module({"at": at})
    return SafeString(getattr(module, macro)(*values))


def _engine() -> Environment:
    return cast("Jinja2", engines["jinja2"]).env
