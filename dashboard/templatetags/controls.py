"""A template tag for fields of allauth's forms, with the site's CSS class."""

from typing import Any

from django import template
from django.forms import BoundField
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def control(field: BoundField, **attributes: Any) -> SafeString:
    """The widget of a field; underscores in the names of attributes stand for hyphens."""
    html = {name.replace("_", "-"): value for name, value in attributes.items()}
    return field.as_widget(attrs={"class": "form-control", "placeholder": ""} | html)
