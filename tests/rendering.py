"""Keeps what a page is rendered with, as `response.context`, and not what each of its parts is rendered with.

Django copies the context of every included template and of every widget: hundreds for a list of devices.
"""

from __future__ import annotations

from django.template import Context, RequestContext, Template
from django.test.signals import template_rendered


def render(template: Template, context: Context) -> str:
    """Replaces Template._render, once Django has prepared it for tests."""
    if isinstance(context, RequestContext) and context.template is template:
        template_rendered.send(sender=template, template=template, context=context)
    return template.nodelist.render(context)
