"""The Jinja environment, for parts that a page has hundreds of times, such as rows of a list.

A row takes a tenth of the time that Django's engine needs. Both engines share the functions of
dashboard/templatetags, and each part is written once: Django's templates include a Jinja part by a tag.
"""

from collections.abc import Callable
from typing import Any

from django.template.defaultfilters import pluralize
from jinja2 import Environment, StrictUndefined, pass_context


def environment(**options: Any) -> Environment:
    """The environment with the site's functions as filters, which cost a fifth of what functions cost.

    An undefined name in a template is an error.
    """
    from dashboard.templatetags import (  # noqa: PLC0415 - their tags show parts
        addresses,
        isolated,
        pictures,
        times,
    )
    from devices.rules import vocabulary  # noqa: PLC0415 - it needs the settings first

    options |= {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    jinja = Environment(**options)  # noqa: S701 - Django sets autoescape
    with_context: tuple[Callable[..., Any], ...] = (times.ago, times.lasting, times.clock, times.clock_text)
    with_context += (addresses.to, addresses.to_devices)
    jinja.filters |= {function.__name__: pass_context(function) for function in with_context}
    jinja.filters |= {
        function.__name__: function
        for function in (pictures.icon, pictures.stack, pictures.label, pictures.status_badge)
    }
    jinja.filters |= {"shown": vocabulary.shown, "thousands": times.thousands, "pluralize": pluralize}
    jinja.filters |= {"plural": times.plural, "bdi": isolated.bdi}
    jinja.filters |= {"marks": pictures.marks, "lead": pictures.lead}
    return jinja
