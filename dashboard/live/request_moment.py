"""The moment of a request: read once for its answer, whether that comes from memory or is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from devices import clock

if TYPE_CHECKING:
    from django.http import HttpRequest

    from devices.clock import Moment

KNOWN: Final = "_lookout_moment"  # where a request keeps its moment


def keep(request: HttpRequest, at: Moment) -> None:
    """Let the page take this moment for its own."""
    vars(request)[KNOWN] = at


def moment_of(request: HttpRequest) -> Moment:
    """The moment that was kept, or the present one; one query at most."""
    known: Moment | None = vars(request).get(KNOWN)
    return known or clock.moment()
