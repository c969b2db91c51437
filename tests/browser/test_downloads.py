"""Every download of the site, whole: taken by a real browser and by curl from a real server, and counted.

The downloads come from the URL configuration: one without a case here fails, with its name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never
from urllib.parse import urlsplit

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.conf import settings
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from dashboard.models import User
from devices.background import preregistration
from devices.jobs.runner import run
from devices.listing.export_rows import BATCH
from devices.models import ApiKey, Device, DeviceList, Job
from devices.operations.device_file import Line
from devices.sources import check
from devices.sources.client import Failed
from devices.worker.registry import KINDS
from fleets.access.digests import digests
from fleets.models import AuditEntry, Fleet, Role
from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import addresses
from tests.access.world import make_world, undone
from tests.browser.real_site import a_site
from tests.factories import make_fleet, make_member, make_organization, make_uuid
from tests.pages import rows_of

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD: Final = "open sesame 42"
DEVICES: Final = BATCH + 500  # more than one part of a stream, each with rows
TOKENS: Final = settings.CSRF_COOKIE_NAME
TOKEN: Final = "t" * 32  # what a form carries and a cookie repeats


@dataclass(frozen=True)
class Download:
    """Where a file is, what its POST is the button of (a page; empty: it is got), and what it must hold."""

    path: str
    holds: Callable[[str], object]
    button: str = ""


@dataclass(frozen=True)
class Made:
    """An organization of many devices, and its Owner, who has recovery codes."""

    user: User
    fleet: Fleet
    device: Device
    job: Job
    client: Client


def lines(number: int) -> Callable[[str], object]:
    """A file of so many lines, the first of which names columns."""

    def check(text: str) -> None:
        assert len(text.splitlines()) == number

    return check


def array(number: int) -> Callable[[str], object]:
    """JSON that parses, of so many rows."""

    def check(text: str) -> None:
        assert len(json.loads(text)) == number

    return check


CASES: Final[dict[str, Callable[[Made], Download]]] = {
    "devices:csv": lambda of: Download(reverse("devices:csv"), lines(1 + DEVICES)),
    "devices:json": lambda of: Download(reverse("devices:json"), array(DEVICES)),
    "devices:changes-csv": lambda of: Download(
        reverse("devices:changes-csv", args=[of.device.uuid]), lines(1 + 1)
    ),
    "devices:import-template": lambda of: Download(
        reverse("devices:import-template", args=[of.fleet.slug]), lines(1)
    ),
    "devices:job-keys": lambda of: Download(
        reverse("devices:job-keys", args=[of.job.uuid]),
        lines(1 + DEVICES),
        button=reverse("devices:job", args=[of.job.uuid]),
    ),
    "fleets:audit-csv": lambda of: Download(
        reverse("fleets:audit-csv", args=[of.fleet.organization.slug]), lines(1 + entries(of))
    ),
    "fleets:audit-json": lambda of: Download(
        reverse("fleets:audit-json", args=[of.fleet.organization.slug]), array(entries(of))
    ),
    "mfa_download_recovery_codes": lambda of: Download(
        reverse("mfa_download_recovery_codes"), lines(1 + 1 + 10 + 1)
    ),
}


def entries(of: Made) -> int:
    return AuditEntry.objects.filter(organization_id=of.fleet.organization_id).count()


@pytest.fixture
def made() -> Made:
    fleet = make_fleet(make_organization(), slug="kiosks")
    user = make_member(fleet.organization, Role.OWNER, "ida", password=PASSWORD, email="ida@people.example")
    named = [Line(number, make_uuid(), f"kiosk-{number}") for number in range(2, 2 + DEVICES)]
    listed = preregistration.keep(fleet=fleet, lines=named, file_name="kiosks.csv", actor=user)
    job = preregistration.confirm(listed=listed, actor=user)
    run(job.uuid, kinds=KINDS)
    client = signed_in(user, PASSWORD)
    RecoveryCodes.activate(user)
    return Made(user, fleet, Device.objects.earliest("pk"), job, client)


def signed_in(user: User, password: str) -> Client:
    """By password, and confirmed just now, as is asked of anyone who wants to see recovery codes."""
    client = Client()
    for path in ("/sign-in/", "/account/confirm/"):
        assert client.post(path, {"login": user.username, "password": password}).status_code == 302
    return client


@pytest.fixture(scope="module")
def base_url() -> str:
    """Not the live server's, which is not the one of production."""
    return ""


@pytest.fixture(scope="module")
def site(django_db_setup: None) -> Iterator[str]:
    with a_site() as url:
        yield url


@pytest.fixture
def visitor(browser: Browser, made: Made, site: str) -> Iterator[tuple[BrowserContext, Page]]:
    context = browser.new_context(base_url=site)
    session = made.client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site}])
    yield context, context.new_page()
    context.close()


@pytest.mark.thorough
def test_every_download_of_the_url_configuration_has_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """A download is what answers its Owner with an attachment, to a GET or to a POST."""
    monkeypatch.setattr(check, "check", no_answer)  # the browser's event loop runs in this thread
    world = make_world()
    owner = world.people[Who.OWNER]
    session = signed_in(owner, world.facts["password"]).cookies[settings.SESSION_COOKIE_NAME].value
    RecoveryCodes.activate(owner)
    found = set()
    for address in addresses():
        if page := PAGES.get(address.name):  # the admin's are none of them
            said = {name: text.format(**world.facts) for name, text in page.data.items()}
            with undone():
                got = visit(session).get(address.path(world))
            with undone():
                posted = visit(session).post(address.path(world), said)
            if is_download(got) or is_download(posted):
                found.add(address.name)
            got.close()  # gives up its place among the few exports at once
            posted.close()
    assert found == set(CASES)


def no_answer(*_: object) -> Never:
    raise Failed("It does not answer.")


def visit(session: str) -> Client:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = session
    return client


def is_download(answer: HttpResponseBase) -> bool:
    return answer.get("Content-Disposition", "").startswith("attachment")


@pytest.mark.thorough
def test_a_browser_gets_every_file_whole(made: Made, visitor: tuple[BrowserContext, Page]) -> None:
    _, page = visitor
    for name, case in CASES.items():
        download = case(made)
        text = by_browser(page, download)
        assert text, name
        download.holds(text)


def by_browser(page: Page, download: Download) -> str:
    """The file as the browser stored it."""
    if download.button:
        page.goto(download.button)
    with page.expect_download() as started:
        if download.button:
            page.get_by_role("button", name=re.compile("download", re.IGNORECASE)).click()
        else:
            with suppress(Error):  # "Download is starting"
                page.goto(download.path)
    assert started.value.failure() is None
    return started.value.path().read_text()


@pytest.mark.thorough
def test_curl_gets_every_file_whole(made: Made, visitor: tuple[BrowserContext, Page], tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        missing = "no curl in PATH: downloads by curl not tested"
        pytest.fail(missing) if os.environ.get("REQUIRE_PEERS") == "1" else pytest.skip(missing)
    context, page = visitor
    page.goto("/statuses/")
    url = page.url.removesuffix("/statuses/")
    for case in CASES.values():
        download = case(made)
        download.holds(by_curl(context, url, download, tmp_path / "file"))


def by_curl(context: BrowserContext, url: str, download: Download, to: Path) -> str:
    """The file as curl stored it; it fails where the transfer did."""
    cookies = {str(cookie["name"]): str(cookie["value"]) for cookie in context.cookies()}
    cookies |= {TOKENS: TOKEN}
    kept = "; ".join(f"{name}={value}" for name, value in cookies.items())
    command = [
        "curl",
        "--compressed",
        "--fail",
        "--silent",
        "--show-error",
        "--cookie",
        kept,
        "--output",
        str(to),
    ]
    command += ["--data", f"csrfmiddlewaretoken={TOKEN}"] * bool(download.button)
    subprocess.run([*command, "--cookie", kept, f"{url}{download.path}"], check=True, timeout=60)
    return to.read_text()


def test_keys_whose_transfer_broke_are_downloaded_again_until_somebody_has_them(
    made: Made, visitor: tuple[BrowserContext, Page]
) -> None:
    context, page = visitor
    download = CASES["devices:job-keys"](made)
    page.goto(download.button)
    break_off(context, page.url, download.path)
    text = by_browser(page, download)
    download.holds(text)
    keyed = [row["key"] for row in rows_of(text)]
    assert {bytes(key.digest) for key in ApiKey.objects.all()} == {digests(key)[0] for key in keyed}
    page.get_by_role("button", name="I have the keys").click()
    expect(page.get_by_text("They are no longer stored and cannot be downloaded again.")).to_be_visible()
    expect(page.get_by_role("button", name="Download them again")).to_have_count(0)
    assert DeviceList.objects.get().encrypted_keys == ""


def break_off(context: BrowserContext, url: str, path: str) -> None:
    """Ask for the file, and hang up when it begins."""
    site = urlsplit(url)
    cookies = "; ".join(
        f"{each['name']}={each['value']}" for each in context.cookies() if each["name"] != TOKENS
    )
    body = f"csrfmiddlewaretoken={TOKEN}"
    head = (
        f"POST {path} HTTP/1.1",
        f"Host: {site.netloc}",
        f"Cookie: {cookies}; {TOKENS}={TOKEN}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    )
    with socket.create_connection((str(site.hostname), site.port or 0), 60) as caller:
        caller.sendall("\r\n".join([*head, "", body]).encode())
        assert caller.recv(12) == b"HTTP/1.1 200"
