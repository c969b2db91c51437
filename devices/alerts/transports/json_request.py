"""Requests with a body of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from devices.alerts.outbound import Request


def json_request(url: str, body: Any, headers: Mapping[str, str] | None = None) -> Request:
    """A POST of this body as JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Request(url, text.encode(), {"Content-Type": "application/json"} | dict(headers or {}))


def cut(text: str, longest: int) -> str:
    """The text, or as much of it as fits into so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
