"""GET calls to the API of a source: one at a time, bounded in time and size, with pauses between them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from devices.sources.addresses import NotAllowed, Resolver

PAUSE: Final = 0.2  # seconds between two calls
WHOLE: Final = 60.0  # seconds for one call
CONNECTING: Final = 10.0  # seconds
MOST: Final = 32 * 2**20  # bytes of an answer
WAITS: Final = 5  # times that one call waits for a limit of the server
LONGEST_WAIT: Final = 60.0  # seconds for which a call waits for a limit
USUAL_WAIT: Final = 10.0  # seconds, where the server names none


class Failed(Exception):
    """The source could not be read; the text is a sentence for an operator. Nothing is concluded."""


class Refused(Failed):
    """The token is not accepted, or does not allow this."""


class Limited(Failed):
    """The server allows no further call for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"It allows no further call for {seconds:.0f} s.")
        self.seconds = seconds


class Broken(Failed):
    """A status of 500 or above, which is also the answer to a field that the server does not have."""

    def __init__(self, status: int) -> None:
        super().__init__(f"It answered with status {status}.")
        self.status = status


@dataclass(frozen=True)
class Answer:
    """The body of an answer of success, and the time by the clock of the server; None: it did not say."""

    body: bytes
    at: datetime | None


class Api:
    """The API of a source, for use in `async with`. Its calls raise Failed."""

    def __init__(self, address: str, token: str) -> None:
        self._base = URL(address)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # packing costs more time than it saves on a local network
            "User-Agent": "Lookout",
        }
        self.calls = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Resolver(), use_dns_cache=False, limit=1),
            timeout=aiohttp.ClientTimeout(total=WHOLE, connect=CONNECTING, sock_connect=CONNECTING),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str) -> Answer:
        """The answer of success to a GET of `path`, which has its query and is encoded.

        Waits where a limit of the server is reached. Raises Failed.
        """
        for _ in range(WAITS):
            if self.calls:
                await asyncio.sleep(PAUSE)
            self.calls += 1
            try:
                return await self._once(path)
            except Limited as limit:
                if limit.seconds > LONGEST_WAIT:
                    raise
                await asyncio.sleep(limit.seconds)
        raise Limited(LONGEST_WAIT)

    async def _once(self, path: str) -> Answer:
        url = URL(f"{self._base}{path}", encoded=True)
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                _require_success(answer.status, answer.headers)
                return Answer(await _body(answer), _time(answer.headers.get("Date", "")))
        except TimeoutError as error:
            raise Failed("It did not answer in time.") from error
        except NotAllowed as error:
            raise Failed(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Failed(_told(error)) from error


def _require_success(status: int, headers: Mapping[str, str]) -> None:
    if status in (401, 403):
        raise Refused("It does not accept the token for this.")
    if status == 429:
        raise Limited(_seconds(headers.get("Retry-After", "")))
    if status >= 500:
        raise Broken(status)
    if 300 <= status < 400:
        raise Failed("It redirects to another address. Enter the address at which it answers.")
    if status != 200:
        raise Failed(f"It answered with status {status}, as an API of balena does not.")


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_chunked(2**16):
        size += len(part)
        if size > MOST:
            raise Failed("Its answer is larger than 32 MB.")
        parts.append(part)
    return b"".join(parts)


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() and len(text) < 7 else USUAL_WAIT


def _time(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _told(error: BaseException) -> str:
    """What happened, as a sentence without addresses."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "Its certificate was not accepted."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "Its name is not known."
    if isinstance(getattr(error, "os_error", None), ConnectionRefusedError):
        return "It refused the connection."
    if isinstance(error, aiohttp.ClientConnectorError):
        return "It could not be reached."
    return "It closed the connection before its answer was complete."
