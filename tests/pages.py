"""What tests of pages share: a signed-in reader, devices in every status, and reading what a page says."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient, Client

from devices import clock, connectivity
from devices.models import Device
from devices.operations.csv_cells import BOM
from fleets.models import Fleet
from tests.factories import make_device, make_uuid

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

HTMX = {"HX-Request": "true"}


def text_of(response: Response | HttpResponse) -> str:
    """The text of a page, without tags and with one space between words."""
    html = re.sub(r"</?bdi>", "", response.content.decode())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def html_of(response: Response | HttpResponse) -> str:
    """The HTML of a page with one space between words and none beside a tag, to compare without layout."""
    html = re.sub(r"[ \n]+", " ", response.content.decode())
    return re.sub(r" ?(</?[a-z][^>]*?) ?> ?", r"\1>", html)


def fetch(client: Client, path: str) -> str:
    """The content of a page that streams a file, requested by ASGI with the client's session."""

    async def whole() -> str:
        asked = AsyncClient()
        asked.cookies = client.cookies
        response: Any = await asked.get(path)
        assert response.is_async
        return "".join([part.decode() async for part in response.streaming_content])

    return async_to_sync(whole)()


def streamed(answer: Any) -> str:
    """The content of a streamed response."""

    async def whole() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(whole)().decode()


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of an exported CSV file, which begins with a byte order mark, by the names of columns."""
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM), newline="")))


def names_in(response: Response) -> list[str]:
    """The names of the devices in a list, in its order."""
    return re.findall(
        r'class="name" id="name-[^"]+" href="[^"]+"><bdi>([^<]*)</bdi></a>', response.content.decode()
    )


def refresh(client: Client, path: str, tag: str = "", shown: str = "") -> Response:
    """Request a page as its live refresh does; `tag`: the polling tag, `shown`: the rows on screen."""
    headers = HTMX | ({"HX-PTag": tag} if tag else {}) | ({"HX-Shown": shown} if shown else {})
    return client.get(path, headers=headers)


def uuids_in(response: Response) -> str:
    """The value of HX-Shown that a page sends with its refreshes: the rows on screen."""
    found = re.search(r'\{"HX-Shown": "([^"]*)"\}', response.content.decode())
    assert found
    return found.group(1)


def make_every_status(fleet: Fleet) -> dict[str, Device]:
    """Create a device in each of the nine statuses at this moment; the devices by status."""
    at = clock.now()
    facts: dict[str, dict[str, Any]] = {
        "online": {},
        "vpn-only": {},
        "heartbeat-only": {},
        "offline": {},
        "configuring": {"provisioning_progress": 40, "provisioning_state": "Applying settings"},
        "updating": {"update_progress": 38, "update_status": "downloading", "target_release": "2.0"},
        "post-provisioning": {},
        "inactive": {"is_active": False, "activated_at": None},
        "frozen": {"frozen_reason": "unpaid"},
    }
    made = {
        slug: make_device(fleet, uuid=make_uuid(), name=f"a-{slug}", **fields)
        for slug, fields in facts.items()
    }
    beaten = [made[slug].pk for slug in ("online", "heartbeat-only", "configuring", "updating")]
    connectivity.record_heartbeats([made["offline"].pk], at - timedelta(days=1))
    connectivity.record_heartbeats(beaten, at - timedelta(seconds=30))
    tunnelled = [made[slug].uuid for slug in ("online", "vpn-only", "updating")]
    connectivity.vpn_connected(f"vpn-{fleet.slug}", tunnelled, at - timedelta(seconds=20))
    return made


def clock_time(moment: datetime) -> str:
    """A moment to come as pages write it: today's to the second, another day's with its date."""
    today = moment.date() == clock.now().date()
    return f"{moment:%H:%M:%S}" if today else f"{moment.day} {moment:%b %H:%M}"
