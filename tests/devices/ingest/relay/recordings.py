"""What was recorded of a real openBalena API (open-balena-api 49.0.12), as bytes of the wire."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.devices.ingest.relay.alone import request

FOLDER = Path(__file__).parent / "recorded"
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host"}


@dataclass(frozen=True)
class Recording:
    """One call and its answer: both as they are sent, and what of them must arrive."""

    name: str
    request: bytes
    answer: bytes
    method: str
    target: str
    status: int
    sent_headers: list[tuple[str, str]]
    sent_body: bytes
    headers: list[tuple[str, str]]
    body: bytes
    framing: str


def recording(name: str) -> Recording:
    """The recording in the file of this name."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return raw(name, found) if "request_raw" in found else parts(name, found)


def parts(name: str, found: dict[str, Any]) -> Recording:
    """A recording of which the parts were kept, with its body packed and framed as it had been."""
    asked, answered = found["request"], found["response"]
    target = asked["path"] + (f"?{asked['query']}" if asked["query"] else "")
    sent_body = encoded(asked["body"], "")
    headers = list(asked["headers"].items())
    body, wire = encoded(answered["body"], answered["headers"].get("Content-Type", "")), b""
    framing = answered["framing"]
    if answered["headers"].get("Content-Encoding") == "gzip":
        body = gzip.compress(body, mtime=0)
    answer_headers = dict(answered["headers"])
    if framing == "length":
        wire = body
        answer_headers["Content-Length"] = str(len(body))
    elif framing == "chunked":
        middle = len(body) // 2
        pieces = [piece for piece in (body[:middle], body[middle:]) if piece]
        wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    status = answered["status"]
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *map(": ".join, answer_headers.items()), "", ""]
    return Recording(
        name,
        request(asked["method"], target, *headers, body=sent_body),
        "\r\n".join(head).encode("latin-1") + wire,
        asked["method"],
        target,
        status,
        end_to_end(headers),
        sent_body,
        end_to_end(list(answer_headers.items())),
        body,
        framing,
    )


def raw(name: str, found: dict[str, Any]) -> Recording:
    """A recording of the wire itself."""
    asked, answered = found["request_raw"].encode(), found["response_raw"].encode()
    (line, headers, sent_body), (status_line, answer_headers, rest) = split(asked), split(answered)
    method, target, _ = line.split(" ")
    names = {name.lower(): value for name, value in answer_headers}
    framing = (
        "chunked" if "transfer-encoding" in names else "length" if "content-length" in names else "no body"
    )
    assert framing != "chunked" or rest == b"0\r\n\r\n"
    return Recording(
        name,
        request(
            method,
            target,
            *[pair for pair in headers if pair[0].lower() not in {"host", "content-length"}],
            body=sent_body,
        ),
        answered,
        method,
        target,
        int(status_line.split(" ")[1]),
        end_to_end([pair for pair in headers if pair[0].lower() != "content-length"]),
        sent_body,
        end_to_end(answer_headers),
        b"" if framing == "chunked" else rest,
        framing,
    )


def split(message: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    head, _, body = message.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    return line, [(name, value) for name, _, value in (line.partition(": ") for line in lines)], body


def encoded(body: Any, content_type: str) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str) and "json" not in content_type:
        return body.encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def end_to_end(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that must arrive, their names in lower case."""
    return [(name.lower(), value) for name, value in headers if name.lower() not in HOP_BY_HOP]
