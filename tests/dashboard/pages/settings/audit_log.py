"""An audit log that tests write, and read on the page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from fleets import audit
from fleets.models import Organization
from tests.factories import T0, seconds

JOB = UUID(int=7)
PATH = "/settings/halden/audit/"


def write(organization: Organization, number: int = 1, at: datetime = T0, **said: Any) -> None:
    """Entries a second apart, the last one the newest."""
    facts: dict[str, Any] = {
        "action": "device-moved",
        "actor": None,
        "subject": ("device", "a" * 32, "kiosk-1"),
        "before": {"fleet": "kiosks"},
        "after": {"fleet": "buoys"},
    }
    for n in range(number):
        audit.record(**facts | said, organization=organization, at=at + seconds(n))


def shown(client: Client, query: str = "") -> list[str]:
    """The names of what the lines of the page are about, in order."""
    return [line.entry.subject_name for line in client.get(PATH + query).context["lines"]]


def fetch(client: Client, path: str) -> str:
    """A streamed file, as ASGI sends it."""

    async def whole() -> str:
        asked = AsyncClient()
        asked.cookies = client.cookies
        response: Any = await asked.get(PATH + path)
        assert response.is_async
        return "".join([part.decode() async for part in response.streaming_content])

    return async_to_sync(whole)()
