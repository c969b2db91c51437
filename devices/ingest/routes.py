"""Which call a request makes: by path, then by method."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from devices.ingest.http import Refused, Reply, Request, bearer_key, read_body
from devices.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from asgiref.typing import ASGIReceiveCallable, HTTPScope

App = TypeVar("App")


@dataclass(frozen=True, slots=True)
class Call(Generic[App]):
    """What an app does where. A path with brackets is a regular expression, whose groups name things.

    `kind` is the kind of key it is for, by which the rate limits know how often it may come; `asks`: by it a
    VPN server asks about a key that a device gave it. Wherever GET is answered, HEAD is too.
    """

    method: str
    path: str
    handle: Callable[[Request, App], Awaitable[Reply]]
    key: Callable[[HTTPScope], str] = bearer_key
    read: Callable[[HTTPScope, ASGIReceiveCallable], Awaitable[bytes]] = read_body
    kind: ApiKey.Kind = ApiKey.Kind.DEVICE
    asks: bool = False


class Routes(Generic[App]):
    """Finds calls: those of fixed paths at once, the others in the order given."""

    def __init__(self, calls: Iterable[Call[App]]) -> None:
        self._fixed: dict[str, dict[str, Call[App]]] = {}
        patterns: dict[str, dict[str, Call[App]]] = {}
        for call in calls:
            routes = patterns if "(" in call.path else self._fixed
            methods = routes.setdefault(call.path, {})
            methods[call.method] = call
            if call.method == "GET":  # the same, and the server leaves out the body
                methods["HEAD"] = call
        self._patterns = [(re.compile(path), methods) for path, methods in patterns.items()]

    def find(self, scope: HTTPScope) -> tuple[Call[App], dict[str, str]]:
        """The call, and what its path names. Raises Refused (404, 405)."""
        methods, named = self._at(scope["path"])
        call = methods.get(scope["method"])
        if call is None:
            allow = ", ".join(methods)
            raise Refused(405, f"Use {allow} for this call.", "method", ((b"allow", allow.encode()),))
        return call, named

    def _at(self, path: str) -> tuple[dict[str, Call[App]], dict[str, str]]:
        if methods := self._fixed.get(path):
            return methods, {}
        for pattern, methods in self._patterns:
            if match := pattern.fullmatch(path):
                return methods, match.groupdict()
        raise Refused(404, "This call does not exist.", "path")
