"""A server that answers as open-balena-api 49 was recorded to answer (recorded/), on a port of its own.

It has the rows of the recording, or those that a test gives it, and understands the OData that Lookout asks.
As the real one it answers 500 without a word to a field that it does not have, 431 to an address of more than
16 kB, 401 to a token that it does not know, and rows in no order unless it is asked for one.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import unquote, urlsplit

RECORDED: Final = Path(__file__).with_name("recorded")
TOKEN: Final = "NAMED-KEY-OF-ADMIN"
LONGEST: Final = 16 * 1024
Row = dict[str, Any]


def recorded(name: str) -> Any:
    """A recorded answer: its status, its headers and its body."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["response"]


@dataclass(frozen=True)
class Fault:
    """An answer that is not as it should be; `cut`: the connection ends in the middle of the right one."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False


class BalenaApi:
    """The data of the server, what it was asked, and which faults its next answers have."""

    def __init__(self) -> None:
        self.applications: list[Row] = recorded("application-dau")["body"]["d"]
        self.devices: list[Row] = [
            {**row, "is_managed_by__service_instance": {"__id": 1} if row["is_connected_to_vpn"] else None}
            | {"device_config_variable": [], "belongs_to__application": row["belongs_to__application"][0]}
            for row in recorded("device-all")["body"]["d"]
        ]
        for row in self.devices:
            row["belongs_to__application"] = {"__id": row["belongs_to__application"]["id"]}
        # Recorded 3 min after its only sign of life; here it goes on reporting.
        self.servers: list[Row] = [
            row | {"last_heartbeat": "2026-11-29T22:26:10.000Z"}
            for row in recorded("service-instance")["body"]["d"]
        ]
        self.who: Row = recorded("whoami-actor-key")["body"]
        self.at = datetime(2026, 11, 29, 22, 26, 16, tzinfo=UTC)
        self.asked: list[str] = []
        self.faults: deque[Fault | None] = deque()  # of the next calls; None: none
        self.before: Callable[[str], None] = lambda path: None  # called with each path before its answer
        self.address = ""

    def device(self, uuid: str) -> Row:
        """The row of a device, by the end of its UUID."""
        return next(row for row in self.devices if row["uuid"].endswith(uuid))

    def answer(self, path: str, token: str) -> Fault:
        """The answer to a GET of this path with this token."""
        if len(path) > LONGEST:
            return Fault(431)
        if token != TOKEN:
            return Fault(401)
        parts = urlsplit(path)
        if parts.path == "/actor/v1/whoami":
            return _json(self.who)
        tables = {
            "/v7/application": self.applications,
            "/v7/device": self.devices,
            "/v7/service_instance": self.servers,
        }
        if parts.path not in tables:
            return Fault(404)
        options = dict(option.split("=", 1) for option in unquote(parts.query).split("&"))
        return self._rows(tables[parts.path], options)

    def _rows(self, table: list[Row], options: dict[str, str]) -> Fault:
        wanted = [*_split(options["$select"]), *(_split(options["$expand"]) if "$expand" in options else [])]
        names = [part.partition("(")[0] for part in wanted]
        if table and not set(names) <= table[0].keys():
            return Fault(500)
        rows = table if options.get("$orderby") == "id asc" else table[::-1]
        for condition in filter(None, options.get("$filter", "").split(" and ")):
            if not (test := _test(condition)):
                return Fault(400)
            rows = [row for row in rows if test(row)]
        found = sorted(rows, key=lambda row: row["id"]) if "$orderby" in options else rows
        return _json({"d": [{name: row[name] for name in names} for row in found[: int(options["$top"])]]})


def _test(condition: str) -> Callable[[Row], bool] | None:
    if found := re.fullmatch(r"id gt (\d+)", condition):
        after = int(found[1])
        return lambda row: bool(row["id"] > after)
    if found := re.fullmatch(r"belongs_to__application in \(([\d,]+)\)", condition):
        fleets = {int(each) for each in found[1].split(",")}
        return lambda row: row["belongs_to__application"]["__id"] in fleets
    if condition == "is_directly_accessible_by__user/any(dau:true)":
        return lambda row: True
    return None


def _split(text: str) -> list[str]:
    """Parts between commas that are in no parentheses."""
    return re.findall(r"[^,()]+(?:\((?:[^()]|\([^()]*\))*\))?", text)


def _json(value: Any) -> Fault:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Fault(200, {"Content-Type": "application/json; charset=utf-8"}, body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: BalenaApi

    def do_GET(self) -> None:
        api = self.api
        api.asked.append(self.path)
        api.before(self.path)
        fault = api.faults.popleft() if api.faults else None
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        right = api.answer(self.path, token)
        answer = right if fault is None or fault.cut else fault
        self.send_response_only(answer.status)
        self.send_header("Date", format_datetime(api.at, usegmt=True))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if fault and fault.cut else answer.body)
        self.close_connection = bool(fault and fault.cut) or answer.status == 431

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def serving(api: BalenaApi) -> Iterator[BalenaApi]:
    """The server, at `api.address`, during this block."""
    handler = type("Handler", (_Handler,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    api.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
