"""Every address of the site, read from the URL configuration, so that none can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.access.table import PAGES
from tests.access.world import World

# In a route: <path:object_id>, or in one that is a regular expression (?P<url>.*)$
PARAMETER = re.compile(r"<[^>]*:(\w+)>|\(\?P<(\w+)>.*?\)\$")


@dataclass(frozen=True)
class Address:
    """An address of the site; `name` is NAMESPACE:NAME, or the route of an address without a name."""

    name: str
    route: str
    parameters: tuple[str, ...]

    def path(self, world: World) -> str:
        """The path, with parameters that stand for objects of this world."""
        named = PAGES[self.name].named if self.name in PAGES else {}
        known = {
            name: named[name].format(**world.facts) if name in named else world.facts[name]
            for name in self.parameters
        }
        if self.name != self.route:
            return reverse(self.name, kwargs=known)
        return "/" + re.sub(
            r"<[^>]*:(\w+)>|\(\?P<(\w+)>.*?\)\$", lambda part: known[part[1] or part[2]], self.route
        )


def addresses() -> list[Address]:
    return list(_walk(get_resolver().url_patterns, "", ""))


def _walk(patterns: list[URLPattern | URLResolver], namespace: str, before: str) -> Iterator[Address]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, inner, route)
        else:
            name = f"{namespace}{pattern.name}" if pattern.name else route
            yield Address(name, route, tuple(_parameters(pattern)))


def _parameters(pattern: URLPattern) -> list[str]:
    regex = getattr(pattern.pattern, "regex", None)
    return list(pattern.pattern.converters) or (list(regex.groupindex) if regex else [])
