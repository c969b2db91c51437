"""Addresses of the present page with other parameters, as every filter, order and page is a link."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlencode

from django.http import HttpRequest


class HasNeighbours(Protocol):
    @property
    def previous(self) -> str | None: ...
    @property
    def next(self) -> str | None: ...


def address(request: HttpRequest, **changes: str | list[str] | None) -> str:
    """The address of this page with some parameters changed, or removed by None; it is the first page."""
    parameters = {
        key: values
        for key, values in request.GET.lists()
        if key not in ("after", "before", "page", "facets", *changes)
    }
    parameters |= {
        key: value if isinstance(value, list) else [value] for key, value in changes.items() if value
    }
    pairs = {key: [value for value in values if value] for key, values in parameters.items()}
    query = urlencode({key: values for key, values in pairs.items() if values}, doseq=True)
    return f"?{query}" if query else request.path


def beside(request: HttpRequest, found: HasNeighbours) -> tuple[str | None, str | None]:
    """The addresses of the previous and the next page of a list; None where there is none."""
    return (
        address(request, before=found.previous) if found.previous else None,
        address(request, after=found.next) if found.next else None,
    )
