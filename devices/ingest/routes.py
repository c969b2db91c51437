"""Routing: which call a request makes, by its path, then by its method."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from devices.ingest.http import Refused, Reply, Request, bearer_key, read_body
from devices.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from asgiref.typing import ASGIReceiveCallable, HTTPScope

    from devices.keys import KeyHolder

App = TypeVar("App")

HEALTH: Final = ("/healthz", "/livez")  # of this process, under any Host


@dataclass(frozen=True, slots=True)
class SteadyPoll:
    """How a poll without a body is answered at once, where it was steady (devices.ingest.at_once).

    `reply` is given the request's scope and the device; `by_supervisor`: it is a call of that dialect.
    """

    reply: Callable[[HTTPScope, KeyHolder], Reply]
    by_supervisor: bool = False


@dataclass(frozen=True, slots=True)
class Call(Generic[App]):
    """One call: its method and path, and how it is handled. A call with GET answers HEAD too.

    A path with brackets is a regular expression, whose named groups become `Request.named`. `key` takes the
    key from a request, `read` its body. `kind` is the kind of key that the call is for, which decides its
    rate limit; `checks_key`: by this call a VPN server checks a key that a device gave it. `steady` is of
    calls that are polls.
    """

    method: str
    path: str
    handle: Callable[[Request, App], Awaitable[Reply]]
    key: Callable[[HTTPScope], str] = bearer_key
    read: Callable[[HTTPScope, ASGIReceiveCallable], Awaitable[bytes]] = read_body
    kind: ApiKey.Kind = ApiKey.Kind.DEVICE
    checks_key: bool = False
    steady: SteadyPoll | None = None


class Routes(Generic[App]):
    """Finds the call of a request: first by fixed paths, then by patterns in the order given."""

    def __init__(self, calls: Iterable[Call[App]]) -> None:
        self._fixed: dict[str, dict[str, Call[App]]] = {}
        patterns: dict[str, dict[str, Call[App]]] = {}
        for call in calls:
            routes = patterns if "(" in call.path else self._fixed
            methods = routes.setdefault(call.path, {})
            methods[call.method] = call
            if call.method == "GET":  # the server leaves out the body of a reply to HEAD
                methods["HEAD"] = call
        self._patterns = [(re.compile(path), methods) for path, methods in patterns.items()]

    def find(self, scope: HTTPScope) -> tuple[Call[App], dict[str, str]]:
        """The call of a request, and the values of the groups in its path. Raises Refused (404, 405)."""
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
